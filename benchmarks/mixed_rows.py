"""Cycles of the Fashion-MNIST networks by policy, on machines of one DSP budget.

``python -m benchmarks.mixed_rows [--json]`` simulates one image of each network on the generated
Verilog (every code compared with the golden machine's) and sets the cycles against those of the
int8 machine, whose array has the same DSP slices: what other row classes add is LUTs.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from amaranth.hdl import UnusedElaboratable

from benchmarks.report import arguments, show
from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import build_simulator, golden_run, run_images
from flows.run.simulation import simulator_cache
from flows.work.inputs import read_inputs
from hdl.rows.choose import row_blocks
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec

MACHINES = {
    "int8": "fixed8:16",
    "rmsmp": "fixed8:16,pot4:16",
    "auto-vit-acc": "fixed8:16,pot4:8",
    "vaqf": "fixed8:16,binary:32",
    "f8net": "fixed8:16",
}
"""Rows by policy: sixteen rows on 128 DSP slices, and as many LUT rows as the policy can use."""

_EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "fashion_mnist"


def measure(network: str, policy: str) -> dict[str, Any]:
    """Cycles of one image, and how busy the array is."""
    spec = MachineSpec().with_classes(parse_row_classes(MACHINES[policy]))
    graph = load_network(_EXAMPLES / "quantised" / f"{network}_{policy}.onnx")
    codes = read_inputs(_EXAMPLES / "samples.npz", graph.tensors[graph.input], 1).codes
    mapped = map_network(graph, spec)
    size = max(memory_layout(mapped).end, 1 << 22)
    system = build_simulator(spec, size, simulator_cache(), family="xc7")
    with tempfile.TemporaryDirectory() as work:
        (result,) = run_images(system, mapped, codes, Path(work))
    if not (result.output == golden_run(mapped, codes[0])[0]).all():
        raise AssertionError(f"{network} by {policy} must equal the golden machine")
    blocks = row_blocks(
        spec.classes, family="xc7", tokens=spec.tokens, lanes=spec.lanes, act_bits=spec.act_width
    )
    macs = sum(layer.macs for layer in mapped.layers)
    return {
        "rows": MACHINES[policy],
        "array_dsp": sum(block.cost.dsps for block in blocks),
        "macs_per_cycle": spec.macs_per_cycle,
        "cycles": result.cycles,
        "mac_use": macs / spec.macs_per_cycle / result.cycles,
        "row_use": dict(mapped.row_use),
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        networks={"nargs": "*", "default": ["vit", "resnet"], "choices": ("vit", "resnet")},
    )
    # Blocks are made only to be counted.
    warnings.simplefilter("ignore", UnusedElaboratable)
    results: dict[str, Any] = {}
    for network in options.networks:
        for policy in MACHINES:
            one = measure(network, policy)
            base = results.get(f"{network} int8", one)["cycles"]
            results[f"{network} {policy}"] = {**one, "gain": base / one["cycles"]}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
