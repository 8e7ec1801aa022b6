"""Machine cycles per CPU second of the simulator, on the example networks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import arguments, show
from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.execute import build_simulator, run_images
from flows.run.simulation import simulator_cache
from flows.work.inputs import read_inputs
from models.machine.spec import MachineSpec

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "fashion_mnist"


def speed(name: str, images: int) -> dict[str, Any]:
    """Run images of an example network; cycles, speed and use of the array."""
    spec = MachineSpec()
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    network = map_network(graph, spec)
    codes = read_inputs(EXAMPLES / "samples.npz", graph.tensors[graph.input], images).codes
    system = build_simulator(spec, max(memory_layout(network).end, 1 << 22), simulator_cache())
    with tempfile.TemporaryDirectory() as work:
        results = run_images(system, network, codes, Path(work))
    cycles = sum(r.cycles for r in results)
    macs = sum(layer.macs for layer in network.layers)
    return {
        "images": images,
        "cycles_per_image": cycles / images,
        "cycles_per_cpu_second": cycles / sum(r.cpu_seconds for r in results),
        "mac_utilisation": macs / spec.macs_per_cycle * images / cycles,
    }


def main() -> None:
    """Command line."""
    options = arguments(__doc__ or "", images={"type": int, "default": 4})
    results = {name: speed(name, options.images) for name in ("vit", "resnet")}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
