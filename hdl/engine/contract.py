"""Interface of every matrix engine: weight tiles in, activations in, accumulators out."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from models.machine.spec import MachineSpec


def row_groups(spec: MachineSpec) -> int:
    """Number of row groups (rows whose weights share a stream word); 0 without row classes."""
    return sum(-(-kind.rows // kind.rows_per_word(spec.tokens)) for kind in spec.classes)


def weights_layout(spec: MachineSpec) -> data.StructLayout:
    """One entry (``lanes`` elements) of one row, or with row classes of one or several rows.

    ``last`` completes the tile. If ``short`` is set with it, the tile has only the first
    ``dynamic_rows`` rows, and only these rows have results.

    Without row classes ``values`` are the elements. With them ``word`` is a word of the stream. If
    ``group`` is set, it has entry ``entry`` of all rows of group ``row``; otherwise of the single
    row ``row``. A row has the same bits of the word in either case.
    """
    elements: dict[str, object] = {
        "values": data.ArrayLayout(signed(spec.weight_width), spec.lanes)
    }
    if spec.classes:
        elements = {"word": 8 * spec.word_bytes, "group": 1}
    return data.StructLayout(
        {
            "row": max(1, (spec.rows - 1).bit_length()),
            "entry": max(1, (spec.depth_entries - 1).bit_length()),
            **elements,
            "last": 1,
            "short": 1,
        }
    )


def acts_layout(spec: MachineSpec) -> data.StructLayout:
    """One beat: ``tokens`` vectors of ``lanes`` elements.

    ``last`` ends the K loop; ``release``, set together with it, frees the weight tile.
    """
    vector = data.ArrayLayout(signed(spec.act_width), spec.lanes)
    return data.StructLayout(
        {"values": data.ArrayLayout(vector, spec.tokens), "last": 1, "release": 1}
    )


def accs_layout(spec: MachineSpec) -> data.ArrayLayout:
    """One beat: ``vector_lanes`` accumulators of one token, in row order."""
    return data.ArrayLayout(signed(spec.acc_width), spec.vector_lanes)


class EngineSignature(Signature):
    """Streams of a matrix engine.

    Members
    -------
    i_weights : stream of :func:`weights_layout`
        Fills tiles while older ones compute. Each row's entries come in ascending order, from 0,
        row after row or entry after entry; the item marked ``last`` has the last one.
    i_acts : stream of :func:`acts_layout`
        A K loop ends with ``last``; its beat ``k`` is multiplied by entry ``k`` of every row.
    o_accs : stream of :func:`accs_layout`
        After each K loop ``tokens * rows / vector_lanes`` beats, token by token. Rows are in the
        spec's ``drain_order``; those of a short tile in ascending order.
    """

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(
            {
                "i_weights": In(stream.Signature(weights_layout(spec))),
                "i_acts": In(stream.Signature(acts_layout(spec))),
                "o_accs": Out(stream.Signature(accs_layout(spec))),
            }
        )
