"""The macro as a matrix engine of the machine, for static weights."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Signature, connect, flipped

from hdl.cim.digits import Digits
from hdl.cim.macro import Macro
from hdl.cim.shape import MacroShape, Write
from hdl.cim.tokens import Tokens, filling
from hdl.engine.contract import EngineSignature
from models.cim.cim_spec import Decomposition
from models.cim.die import Die
from models.machine.spec import MachineSpec


def config_layout(spec: MachineSpec, shape: MacroShape) -> data.StructLayout:
    """An item for the macro; with a layer's record, ``offset`` is added to its activations.

    Macros that skip zeros must know which activations are padding: of each ``period`` elements
    of K (a multiple of ``lanes``) all but the first ``valid`` ones.
    """
    own = {"item": shape.config(), "offset": signed(spec.act_width + 1)}
    return data.StructLayout(own | filling(spec, shape))


class CimEngine(Component):
    """A matrix engine: rows of the machine are outputs of the macro, tokens its vectors.

    Slice ``p`` of output ``r`` is column ``r * slices + p``. Before the K loops of a weight tile,
    ``i_config`` must bring its layer's record: ``vectors`` is the number of tokens of its K loops
    (padding tokens included), ``slices`` and ``outputs`` are those of this engine, ``first`` is the
    number of the tile's first conversion. The macro takes activation plus ``offset``, which must be
    0 to ``2**act_bits - 1``; the layer must subtract the offset's contribution from its products.
    K is a whole number of beats. Results that do not fit ``acc_width`` wrap. A polarised macro must
    be paired, with fragments as deep as a beat.

    Latency and throughput are the macro's (:mod:`hdl.cim.timing`): the tokens of a K loop are
    converted one after another, while ``i_acts`` can fill with one more K loop; an entry of
    weights takes ``slices`` cycles, ``2 * slices`` on a polarised macro.

    Parameters
    ----------
    spec : MachineSpec
        Without row classes.
    shape : MacroShape
        With the machine's ``lanes`` and enough tiles for its ``depth``; the contract's shadow tile
        needs 2 banks.
    slices : int, optional
        Columns per weight; the default is the most that the macro's weights can need.
    die : Die, optional
        Initial contents of the macro's tables.
    """

    def __init__(
        self, spec: MachineSpec, shape: MacroShape, *, slices: int = 0, die: Die | None = None
    ) -> None:
        self.spec, self.shape, self.die = spec, shape, die
        self.slices = slices or shape.slices
        cim = shape.spec
        if spec.classes:
            raise ValueError("machine must be without row classes, not with them")
        if cim.decomposition is Decomposition.POLARISED:
            if not shape.paired:
                raise ValueError("polarised macro of an engine must be paired, not single")
            if shape.lanes != cim.depth:
                raise ValueError(
                    f"lanes must be the polarised fragment's {cim.depth} rows, not {shape.lanes}"
                )
        elif shape.paired:
            raise ValueError(f"paired macro must be polarised, not {cim.decomposition.value}")
        if shape.lanes != spec.lanes:
            raise ValueError(f"lanes must be the machine's {spec.lanes}, not {shape.lanes}")
        if not 1 <= self.slices <= shape.slices:
            raise ValueError(f"slices must be 1 to {shape.slices}, not {self.slices}")
        if cim.decomposition is Decomposition.DIFFERENTIAL and self.slices % 2:
            raise ValueError(f"slices must be a multiple of 2, not {self.slices}")
        if spec.rows * self.slices > cim.columns:
            raise ValueError(
                f"columns must be at least {spec.rows} rows of {self.slices} slices, "
                f"not {cim.columns}"
            )
        if spec.depth > shape.depth:
            raise ValueError(f"tiles must hold a depth of {spec.depth}, not {shape.depth}")
        config = stream.Signature(config_layout(spec, shape))
        super().__init__(Signature({**EngineSignature(spec).members, "i_config": In(config)}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, shape = self.spec, self.shape
        m.submodules.macro = macro = Macro(shape, self.die)
        m.submodules.digits = digits = Digits(spec, shape, self.slices)
        m.submodules.tokens = tokens = Tokens(spec, shape)
        connect(m, flipped(self.i_weights), digits.i)
        connect(m, digits.o, macro.i_weights)
        connect(m, flipped(self.i_acts), tokens.i)
        connect(m, tokens.o, macro.i_acts)

        config = self.i_config.payload
        names = ["offset", *filling(spec, shape)]
        entering = Signal(32)
        opens = Signal()
        opened = Signal()  # some are: with the count, for it leads to the matrix unit's handshake
        m.d.comb += [
            macro.i_config.valid.eq(self.i_config.valid),
            macro.i_config.payload.eq(config.item),
            self.i_config.ready.eq(macro.i_config.ready),
            opens.eq(self.i_config.valid & self.i_config.ready & (config.item.kind == Write.LAYER)),
            tokens.open.eq(opened),
        ]
        held = {n: Signal.like(getattr(tokens, n), name=n) for n in names}
        m.d.comb += [getattr(tokens, n).eq(held[n]) for n in names]
        # Vectors of the current layer still to enter; the next layer's wait for its record, which
        # brings their offset.
        layer = data.View(shape.layer(), config.item.data[: shape.layer().size])
        with m.If(opens):
            m.d.sync += [*(held[n].eq(config[n]) for n in names), entering.eq(layer.vectors)]
            m.d.sync += opened.eq(layer.vectors.any())
        with m.Elif(tokens.leaves):
            m.d.sync += [entering.eq(entering - 1), opened.eq(entering != 1)]
        self._collect(m, macro)
        return m

    def _collect(self, m: Module, macro: Macro) -> None:
        """Collect ``vector_lanes`` results per output beat."""
        lanes, width = self.spec.vector_lanes, self.spec.acc_width
        held = [Signal(signed(width), name=f"acc{i}") for i in range(lanes)]
        place = Signal(range(max(2, lanes)))
        full, take = Signal(), Signal()
        m.d.comb += [
            macro.o.ready.eq(~full | self.o_accs.ready),
            take.eq(macro.o.valid & macro.o.ready),
            self.o_accs.valid.eq(full),
        ]
        for lane, acc in enumerate(held):
            m.d.comb += self.o_accs.payload[lane].eq(acc)
            with m.If(take & (place == lane)):
                m.d.sync += acc.eq(macro.o.payload.value)
        end = Signal()
        m.d.comb += end.eq(place == lanes - 1)
        with m.If(take):
            m.d.sync += [place.eq(Mux(end, 0, place + 1)), full.eq(end)]
        with m.Elif(self.o_accs.ready):
            m.d.sync += full.eq(0)
