"""Measures cycles of layers on simulated machines: what the cycle model's error is stated from.

Appends to ``flows/estimate/data/cycle_points.jsonl``; what is there already is not measured again:
a run can be interrupted and continued.
"""

from __future__ import annotations

import datetime
import functools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mixed_rows import MACHINES as POLICY_ROWS
from benchmarks.report import arguments, show
from flows.estimate.cycles.cycle_points import (
    POINTS,
    SUMMARY,
    Point,
    error_summary,
    layer_fields,
    layer_front,
    point_cycles,
    read_points,
    spec_fields,
)
from flows.estimate.cycles.graph_layers import mapped_layers
from flows.estimate.cycles.layer_graphs import layer_graph
from flows.estimate.cycles.machine_layer import Layer
from flows.estimate.stale import code_mark, record
from flows.mapper import map_network
from flows.onnx_import import load_network
from flows.out_folder.memory_layout import memory_layout
from flows.run.activity import intervals
from flows.run.execute import build_simulator, golden_run, run_images
from flows.run.simulation import simulator_cache
from flows.work.inputs import read_inputs
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.network.workloads import LayerShape, find_workload
from models.numerics.rescale import Integers
from sim.system import System

MEMORY_BYTES = 1 << 23
LARGE_ARRAY = 2048
"""Multiply-accumulates a cycle from which Verilator leaves conditions where they are."""
EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "fashion_mnist"
# Deep weight rows and large scratchpads: whole layers of large networks fit.
LARGE: dict[str, Any] = {"depth": 4608, "bank_words": 16384}
MACHINES = {
    "default": MachineSpec(**LARGE),
    "zcu102": MachineSpec(tokens=4, rows=16, vector_lanes=16, axi_width=128, **LARGE),
    "classes": MachineSpec(
        tokens=4, rows=32, vector_lanes=16, axi_width=128,
        classes=parse_row_classes("fixed8:16,pot4:16"), **LARGE,
    ),
    "narrow": MachineSpec(
        lanes=4, rows=4, vector_lanes=4, banks=2, param_entries=256, row_group=4, axi_width=32,
        **LARGE,
    ),
    "odd": MachineSpec(lanes=6, tokens=3, rows=9, vector_lanes=3, row_group=8, **LARGE),
    **{
        f"arty {rows}": MachineSpec().with_classes(parse_row_classes(rows))
        for rows in dict.fromkeys(POLICY_ROWS.values())
    },
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """A network to measure on a machine; ``graph`` makes it."""

    machine: str
    network: str
    layer: LayerShape | None = None
    file: Path | None = None
    note: str = ""

    def graph(self) -> IntegerGraph:
        """The network."""
        if self.file is not None:
            return load_network(self.file)
        assert self.layer is not None
        return layer_graph(self.layer, MACHINES[self.machine].classes)


def works() -> Iterator[Work]:
    """Everything that is measured."""
    for machine in ("default", "zcu102"):
        for name in ("vit", "resnet"):
            yield Work(machine, f"{name}_int8", file=EXAMPLES / f"{name}_int8.onnx")
    for machine in ("default", "zcu102", "classes"):
        for workload in ("deit-tiny", "resnet-18"):
            for layer, note in _distinct(workload):
                yield Work(machine, f"{workload}/{layer.name}", layer=layer, note=note)
    for machine in ("narrow", "odd"):
        for workload in ("deit-tiny", "resnet-8"):
            for layer, note in _distinct(workload):
                yield Work(machine, f"{workload}/{layer.name}", layer=layer, note=note)
    for machine in ("default", "classes"):
        for workload in ("ds-cnn", "mobilenet-v2"):
            for layer, note in _distinct(workload):
                if layer.groups > 1:
                    yield Work(machine, f"{workload}/{layer.name}", layer=layer, note=note)
    for policy, rows in POLICY_ROWS.items():
        for name in ("vit", "resnet"):
            file = EXAMPLES / "quantised" / f"{name}_{policy}.onnx"
            yield Work(f"arty {rows}", f"{name}_{policy}", file=file)


def _distinct(workload: str) -> Iterator[tuple[LayerShape, str]]:
    """Each shape once; what the largest machine's memory cannot hold, with fewer positions."""
    seen = set()
    for layer in find_workload(workload).layers:
        shape = replace(layer, name="")
        if shape in seen:
            continue
        seen.add(shape)
        note = ""
        while layer.rows > 1 and layer.positions * max(layer.outputs, 4 * layer.depth) > 400_000:
            layer = replace(layer, rows=layer.rows // 2)
            note = f"{layer.rows} of its lines"
        yield layer, note


@functools.cache
def _simulator(spec: MachineSpec, memory_bytes: int) -> System:
    # On large arrays the time this takes is quadratic: not done after ten minutes for 4,096 MAC.
    options = ("-fno-merge-cond-motion",) if spec.macs_per_cycle >= LARGE_ARRAY else ()
    return build_simulator(spec, memory_bytes, simulator_cache(), options=options)


def random_codes(graph: IntegerGraph) -> Integers:
    """An image ``[1, *shape]`` of no meaning."""
    shape = graph.tensors[graph.input].shape
    return np.random.default_rng(1).integers(-127, 128, (1, *shape))


def layer_cycles(
    graph: IntegerGraph,
    spec: MachineSpec,
    codes: Integers,
    memory_bytes: int = MEMORY_BYTES,
    *,
    golden: bool = False,
) -> tuple[list[Layer], list[int]]:
    """The model's layers of a network, and what each delays the end by in simulated Verilog.

    ``golden``: the output must equal the golden machine's.
    """
    network = map_network(graph, spec)
    if memory_layout(network).end > memory_bytes:
        raise SystemExit(f"{graph.name} must fit {memory_bytes} bytes of simulated memory")
    system = _simulator(spec, memory_bytes)
    with tempfile.TemporaryDirectory() as folder:
        (result,) = run_images(system, network, codes, Path(folder))
    if golden and not (result.output == golden_run(network, codes[0])[0]).all():
        raise AssertionError(f"{graph.name} must equal the golden machine")
    ends = [0] * (len(network.layers) + 2)
    for one in intervals(result.events):
        ends[one.tag] = max(ends[one.tag], one.stop)
    return mapped_layers(graph, network), layer_front(ends, result.cycles)


def measure(work: Work) -> Point:
    """Simulate one image on the machine's Verilog."""
    spec = MACHINES[work.machine]
    graph = work.graph()
    kind = graph.tensors[graph.input]
    if work.file is not None:
        codes = read_inputs(EXAMPLES / "samples.npz", kind, 1).codes
    else:
        codes = random_codes(graph)
    layers, cycles = layer_cycles(graph, spec, codes)
    return Point(
        machine=work.machine,
        spec=spec_fields(spec),
        network=work.network,
        note=work.note,
        layers=[layer_fields(layer) for layer in layers],
        cycles=cycles,
        date=datetime.date.today().isoformat(),
        mark=code_mark("cycles"),
    )


def tables(points: Sequence[Point]) -> dict[str, Any]:
    """Errors of whole images by machine, and of layers by what they do; as fractions."""
    images: dict[str, list[float]] = {name: [] for name in MACHINES}
    layers: dict[str, list[float]] = {}
    for one in points:
        found = point_cycles(one)
        images.setdefault(one.machine, []).append(found.sum() / sum(one.cycles) - 1)
        works = ("input", *(layer["work"] for layer in one.layers), "output")
        for work, estimated, measured in zip(works, found, one.cycles, strict=True):
            if measured:
                layers.setdefault(work, []).append(estimated / measured - 1)
    return {
        "images_by_machine": {name: _spread(errors) for name, errors in images.items() if errors},
        "layers_by_work": {name: _spread(errors) for name, errors in layers.items()},
    }


def _spread(errors: Sequence[float]) -> dict[str, float]:
    sizes = np.abs(errors)
    return {
        "points": len(sizes),
        "median": float(np.median(sizes)),
        "p95": float(np.quantile(sizes, 0.95)),
        "max": float(sizes.max()),
    }


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "", machine={"help": "only this one", "choices": tuple(MACHINES)},
        out={"type": Path, "default": POINTS},
    )  # fmt: skip
    done: list[dict[str, Any]] = []
    if options.out.exists():
        done = [json.loads(line) for line in options.out.read_text().splitlines()]
    known = {(one["machine"], one["network"]) for one in done}
    wanted = [w for w in works() if options.machine in (None, w.machine)]
    wanted = [w for w in wanted if (w.machine, w.network) not in known]
    # One machine after the other: each needs a simulator.
    wanted.sort(key=lambda w: list(MACHINES).index(w.machine))
    for index, work in enumerate(wanted):
        print(f"{index + 1} of {len(wanted)}: {work.network} on {work.machine}", file=sys.stderr)
        point = measure(work)
        with options.out.open("a") as file:
            file.write(json.dumps(asdict(point), separators=(",", ":")) + "\n")
    points = read_points(options.out)
    summary = error_summary(points)
    if options.out == POINTS:
        SUMMARY.write_text(json.dumps(summary, indent=2) + "\n")
        marked = {(one.machine, one.network) for one in points if one.mark == code_mark("cycles")}
        if {(w.machine, w.network) for w in works()} <= marked:
            record("cycles")
    found = {"measured": len(wanted), "before": len(known), **summary, **tables(points)}
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
