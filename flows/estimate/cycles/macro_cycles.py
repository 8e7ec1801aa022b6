"""Cycles of a network on a machine around a macro; a closed form for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.geometry import product_shape
from flows.estimate.cycles.machine_layer import Layer, Work
from flows.estimate.machine_points import Points
from models.machine.spec import MachineSpec
from models.program.engine_items import ITEM_BYTES

__all__ = ["MacroLayerCycles", "macro_cycles"]

_TILE = 44
"""Cycles of a weight tile besides those of its vectors: record, key of the run, pipeline."""
_LAYER = 50
"""Cycles from a layer's last result to the first vector of one that needs it."""


@dataclass(frozen=True, kw_only=True)
class MacroLayerCycles:
    """Estimate of a layer.

    Attributes
    ----------
    cycles : int
    conversions : int
        Conversions of one column for an image.
    bound : str
        ``conversions``, ``results`` (columns leave one a cycle), ``registers`` (of the converters,
        from memory), or ``digital``.
    """

    name: str
    cycles: int
    conversions: int = 0
    bound: str = "digital"


def macro_cycles(
    spec: MachineSpec, layers: Sequence[Layer], relu: Sequence[bool] | None = None
) -> list[MacroLayerCycles]:
    """Estimates of a network's layers, input and output first and last.

    For a macro that skips zeros they are upper bounds: no slice counts as skipped.

    Parameters
    ----------
    relu : bool for each layer, optional
        Whether its bias joins before the conversion, so that each tile loads it; default none.
    """
    beside = replace(spec, macro=None, rows=spec.dynamic_rows)
    digital = estimate_cycles(Points.of([beside], "xc7"), layers)
    found = []
    for index, name in enumerate(digital.names):
        layer = layers[index - 1] if 0 < index <= len(layers) else None
        if layer is None or layer.work is not Work.PRODUCT:
            found.append(MacroLayerCycles(name=name, cycles=int(digital.cycles[0, index])))
            continue
        found.append(_product(spec, layer, bias=bool(relu and relu[index - 1])))
    return found


def _product(spec: MachineSpec, layer: Layer, *, bias: bool) -> MacroLayerCycles:
    macro = spec.macro
    assert macro is not None
    cim = macro.spec
    shape = product_shape(Points.of([replace(spec, macro=None)], "xc7"), layer)
    tiles, beats = int(shape.tiles[0]), int(shape.entries[0])
    vectors = int(shape.groups[0]) * spec.tokens
    whole, rest = divmod(beats, cim.depth // spec.lanes)
    gap = cim.adc_bits + 1
    one = whole * max(cim.depth // spec.lanes, gap) + (max(rest, gap) if rest else 0)
    convert, leave = cim.act_slices * one * (1 + macro.paired), macro.columns
    item = max(1, ITEM_BYTES // spec.axi_bytes)
    window = item * (macro.columns * gap + (1 << cim.adc_bits) + 2)
    later = item * (1 + (macro.columns if bias else 0))
    compute = tiles * (vectors * max(convert, leave) + _TILE)
    # Weights hide behind the tile before; registers are taken between tiles only.
    cycles = compute + max(window, _LAYER) + (tiles - 1) * later
    bound = "conversions" if convert >= leave else "results"
    if window > compute:
        bound = "registers"
    k_tiles = macro.tiles(beats * spec.lanes)
    return MacroLayerCycles(
        name=layer.name,
        cycles=cycles,
        conversions=tiles * vectors * k_tiles * cim.act_slices,
        bound=bound,
    )
