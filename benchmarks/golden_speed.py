"""Integer graph and golden machine on the example networks: images a CPU second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import arguments, show
from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.run.execute import golden_run
from models.machine.spec import MachineSpec
from models.network.graph import run_graph

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "fashion_mnist"


def speed(name: str, images: int) -> dict[str, Any]:
    """Images a CPU second of the graph (all at once) and of the machine (one by one)."""
    graph = load_network(EXAMPLES / f"{name}_int8.onnx")
    network = map_network(graph, MachineSpec())
    shape = graph.tensors[graph.input].shape
    codes = np.random.default_rng(1).integers(-128, 128, (images, *shape))
    start = time.process_time()
    run_graph(graph, codes)
    together = time.process_time() - start
    start = time.process_time()
    few = max(1, images // 20)
    for image in codes[:few]:
        golden_run(network, image)
    single = (time.process_time() - start) / few * images
    return {
        "graph_images_per_cpu_second": images / together,
        "machine_images_per_cpu_second": images / single,
        "graph_over_machine": single / together,
    }


def main() -> None:
    """Command line."""
    options = arguments(__doc__ or "", images={"type": int, "default": 200})
    results = {name: speed(name, options.images) for name in ("vit", "resnet")}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
