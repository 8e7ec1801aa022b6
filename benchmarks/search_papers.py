"""The searches of VAQF and Auto-ViT-Acc on our machines: DeiT-B on a ZCU102 at 150 MHz.

For each of their results: what our search finds for the same frame rate, and the fastest machine
at (nearly) their precision. Ours are estimates; nothing was placed or routed. One encoder block is
mapped to every machine, which then takes ``block_mapped_words`` of its scratchpad at most.

``--simulate`` and ``--synthesise`` check what was found for some of the rates; results are kept
(:mod:`benchmarks.chosen_cycles`, :mod:`benchmarks.chosen_resources`) and printed from then on.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from amaranth.hdl import UnusedElaboratable

from benchmarks.chosen_cycles import beside as cycles_beside
from benchmarks.chosen_cycles import simulate
from benchmarks.chosen_resources import beside as resources_beside
from benchmarks.chosen_resources import synthesise
from benchmarks.report import arguments, show
from benchmarks.vit_block import block_graph
from flows.boards import find
from flows.boards.board import DEVICE
from flows.estimate.cycles.cycle_points import stated_error
from flows.estimate.cycles.cycles import estimate_cycles
from flows.estimate.cycles.found_network import find_network
from flows.estimate.resources.resources import estimate_resources, resource_columns
from flows.mapper import map_network
from flows.search.candidates import candidates, complete, with_act_bits
from flows.search.find import Found, Goal, search
from flows.search.limits import by_bound
from flows.search.precisions import Mixture, Precision
from models.machine.spec import MachineSpec

NETWORK, BOARD, CLOCK_MHZ = "deit-base", "zcu102", 150.0


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A published result on the same network, device and clock; ``None`` where it is not told.

    Attributes
    ----------
    target : rate that is searched for, images a second
    like : the precision of ours that comes nearest
    """

    system: str
    precision: str
    target: float
    fps: float
    dsp: int
    klut: float
    like: Precision


WIDTHS = (128, 256, 512)
"""Bits of a memory bus; machines of more than 128 cannot be built as yet."""
VAQF, AUTO = "VAQF (arXiv 2201.06618)", "Auto-ViT-Acc (arXiv 2208.05163)"
BINARY = Mixture("fixed8", "binary")
PAPERS = (
    Paper(system=VAQF, precision="W1A8", target=24, fps=24.8, dsp=1564, klut=143,
          like=Precision(BINARY, 8)),
    Paper(system=VAQF, precision="W1A6", target=30, fps=31.6, dsp=1564, klut=144,
          like=Precision(BINARY, 6)),
    Paper(system=AUTO, precision="W8A8", target=25.9, fps=25.9, dsp=2066, klut=128,
          like=Precision(Mixture("fixed8"), 8)),
    Paper(system=AUTO, precision="W8A8 + PoT W4A8", target=34.0, fps=34.0, dsp=1556, klut=186,
          like=Precision(Mixture("fixed8", "pot4"), 8)),
    Paper(system=AUTO, precision="W4A4 + PoT W3A4, 40 %", target=56.4, fps=56.4, dsp=1555,
          klut=179, like=Precision(Mixture("fixed4", "pot3"), 4)),
)  # fmt: skip
"""Figures as stated in the papers (DSP slices and LUTs of the whole accelerator)."""


_RATES: dict[str, Any] = {
    "type": float, "nargs": "+", "default": (), "metavar": "FPS",
    "choices": sorted({paper.target for paper in PAPERS}),
}  # fmt: skip
Check = Callable[[MachineSpec], None]


def compare(paper: Paper, fill: float, checks: Sequence[Check] = ()) -> dict[str, Any]:
    """A paper's result beside ours; ``checks`` are made of the machine that is found."""
    network, board = find_network(NETWORK), find(BOARD)
    goal = Goal(network=network, board=board, fps=paper.target, clock_mhz=CLOCK_MHZ, fill=fill)
    result = search(goal)
    machine = result.machines[0].spec if result.machines else None
    for check in checks:
        if machine is None:
            rate = f"{paper.target:g}"
            raise SystemExit(f"rate to check must be one that a machine meets, not {rate}")
        check(machine)
    # No machine meets this rate: so all are looked at.
    endless = Goal(network=network, board=board, fps=1e9, clock_mhz=CLOCK_MHZ, fill=fill)
    same = search(endless, precisions=[paper.like]).fastest
    return {
        "paper": {
            "system": paper.system,
            "precision": paper.precision,
            "fps": paper.fps,
            "dsp": paper.dsp,
            "klut": paper.klut,
        },
        "target_fps": paper.target,
        "met": bool(result.machines),
        "found": _machine(goal, result.machines[0]) if result.machines else None,
        "found_simulated": (cycles_beside(NETWORK, machine) or None) if machine else None,
        "found_synthesised": (resources_beside(machine, board.family) or None) if machine else None,
        "fastest_of_all": _machine(goal, result.fastest) if result.fastest else None,
        "fastest_at_like_precision": _machine(goal, same) if same else None,
        "fps_by_bus_width_at_like_precision": {
            width: round(with_bus(paper.like, width, fill), 2) for width in WIDTHS
        },
    }


def with_bus(precision: Precision, axi_width: int, fill: float) -> float:
    """Images a second of the fastest machine that fits, were there a bus of so many bits."""
    network, board = find_network(NETWORK), find(BOARD)
    points = candidates(precision.mixture, board.family, axi_width)
    estimate = estimate_cycles(points, network.layers, whole=True)
    points, holds = complete(points, network.layers, estimate)
    cost = resource_columns(with_act_bits(points, precision.act_bits))
    for name, of in DEVICE.items():
        holds &= getattr(cost, name) <= fill * getattr(board.resources, of)
    return CLOCK_MHZ * 1e6 / int(estimate.total[holds].min())


def _machine(goal: Goal, one: Found) -> dict[str, Any]:
    spec = one.spec
    # Places of tensors do not depend on formats, and these hold the codes of any block.
    wide = [("fixed8" if c.fixed else c.format, c.rows) for c in spec.classes]
    twin = replace(spec, act_bits=8).with_classes(wide)
    block = map_network(block_graph(NETWORK, twin.classes), twin)
    cost = estimate_resources(spec, goal.board.family)
    return {
        "precision": one.precision.name,
        "second_format_share": round(one.ratio, 3),
        "rows": ",".join(map(str, spec.classes)),
        "lanes": spec.lanes,
        "tokens": spec.tokens,
        "vector_lanes": spec.vector_lanes,
        "depth": spec.depth,
        "scratchpad_words": spec.scratchpad_words,
        "param_entries": spec.param_entries,
        "axi_width": spec.axi_width,
        "block_mapped_words": block.peak_words,
        "macs_per_cycle": spec.macs_per_cycle,
        "estimated_cycles": one.cycles,
        "estimated_fps": round(one.fps, 2),
        "estimated_lut": cost.lut,
        "estimated_ff": cost.ff,
        "counted_dsp": cost.dsp,
        "counted_bram36": cost.bram36,
        "extrapolated": [note.split(" is outside")[0] for note in cost.notes],
        "bounds": {name: round(share, 3) for name, share in by_bound(spec, goal)},
    }


def main() -> None:
    """Command line."""
    # Blocks are made only to be counted.
    warnings.simplefilter("ignore", UnusedElaboratable)
    options = arguments(
        __doc__ or "",
        fill={"type": float, "default": 0.9},
        simulate={**_RATES, "help": "also simulate the network's parts on the machines for these"},
        synthesise={**_RATES, "help": "also synthesise the machines for these, by parts"},
    )
    rows = []
    for paper in PAPERS:
        print(f"searching beside {paper.system}, {paper.precision}", file=sys.stderr)
        checks: list[Check] = []
        if paper.target in options.simulate:
            checks.append(partial(simulate, NETWORK))
        if paper.target in options.synthesise:
            checks.append(partial(synthesise, family=find(BOARD).family))
        rows.append(compare(paper, options.fill, checks))
    about: dict[str, Any] = {
        "network": NETWORK,
        "board": BOARD,
        "assumed_clock_mhz": CLOCK_MHZ,
        "fill": options.fill,
        "error_of_cycles": stated_error(),
    }
    if options.json:
        show({**about, "comparisons": rows}, as_json=True)
        return
    named = {f"{r['paper']['system']} {r['paper']['precision']}": r for r in rows}
    show({**about, **named}, as_json=False)


if __name__ == "__main__":
    main()
