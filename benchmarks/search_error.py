"""Cycles that search promises on machines of its own choice, against their simulated Verilog.

Random networks, each with a machine that ``rowmac search`` finds for it at a random rate that some
machine reaches. Measured points are kept, so that a run that was stopped goes on.
"""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cycle_points import layer_cycles, random_codes
from benchmarks.report import arguments, show
from flows.boards import find
from flows.estimate.cycles.cycle_points import (
    SEARCH_POINTS,
    SEARCH_SUMMARY,
    Point,
    layer_fields,
    network_errors,
    point_cycles,
    read_points,
    search_summary,
    spec_fields,
)
from flows.estimate.cycles.found_network import Network
from flows.estimate.cycles.graph_layers import graph_layers
from flows.estimate.cycles.layer_graphs import with_values
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.workload_graph import workload_graph
from flows.search.find import Found, Goal, search
from models.network.workloads.workload import Shapes

CLOCK_MHZ = 100.0
BOARDS = ("arty-z7-20", "arty-z7-20", "zcu102")
MOST_MACS = 256
"""Of an array: a simulator of more takes many minutes to build."""


def random_shapes(seed: int) -> Shapes:
    """A convolutional network or a transformer of odd sizes."""
    rng = np.random.default_rng([seed, 1])
    return _transformer(rng) if seed % 3 == 1 else _convolutional(rng)


def _convolutional(rng: np.random.Generator) -> Shapes:
    size = int(rng.integers(8, 29))
    net = Shapes(size, size, int(rng.integers(1, 4)))
    net.convolution("stem", int(rng.integers(5, 25)), int(rng.choice([3, 5])),
                    stride=int(rng.choice([1, 2])))  # fmt: skip
    for block in range(int(rng.integers(2, 6))):
        width = net.channels
        match rng.choice(["plain", "residual", "depthwise", "pool"]):
            case "plain":
                net.convolution(f"block{block}.conv", int(rng.integers(6, 49)),
                                int(rng.choice([1, 3])))  # fmt: skip
            case "residual":
                net.convolution(f"block{block}.conv1", int(rng.integers(6, 49)), 3)
                net.convolution(f"block{block}.conv2", width, int(rng.choice([1, 3])))
                net.add(f"block{block}.add")
            case "depthwise":
                net.convolution(f"block{block}.depthwise", width, 3, groups=width)
                net.convolution(f"block{block}.pointwise", int(rng.integers(6, 49)), 1)
            case "pool":
                if min(net.size) > 3:
                    net.pool(f"block{block}.pool", 2, stride=2)
                net.convolution(f"block{block}.conv", int(rng.integers(6, 49)), 3)
    net.pool("mean")
    net.linear("head", int(rng.integers(2, 40)))
    return net


def _transformer(rng: np.random.Generator) -> Shapes:
    patch = int(rng.choice([4, 5, 7]))
    side = int(rng.integers(2, 7))
    heads = int(rng.integers(1, 5))
    width = heads * int(rng.integers(8, 33))
    net = Shapes(side * patch, side * patch, int(rng.integers(1, 4)))
    net.convolution("patches", width, patch, stride=patch, padded=False)
    net.tokens(side * side + 1)
    for block in range(int(rng.integers(1, 3))):
        net.norm(f"block{block}.norm1")
        net.linear(f"block{block}.qkv", 3 * width)
        net.attention(f"block{block}.attention", heads, width // heads, width // heads)
        net.linear(f"block{block}.projection", width)
        net.add(f"block{block}.add1")
        net.norm(f"block{block}.norm2")
        net.linear(f"block{block}.mlp1", int(rng.integers(1, 5)) * width)
        net.linear(f"block{block}.mlp2", width)
        net.add(f"block{block}.add2")
    net.norm("norm")
    net.tokens(1)
    net.linear("head", int(rng.integers(2, 40)))
    return net


def random_network(seed: int) -> Network:
    """The network as a search is given it."""
    graph = workload_graph(f"random{seed}", random_shapes(seed).layers)
    layers = tuple(graph_layers(graph))
    return Network(name=graph.name, source=graph.name, layers=layers, graph=graph, of_file=False)


def proposed(seed: int) -> Found:
    """What search finds for the network of this seed, at a random part of the highest rate."""
    rng = np.random.default_rng([seed, 2])
    network, board = random_network(seed), find(BOARDS[seed % len(BOARDS)])
    goal = Goal(network=network, board=board, fps=1e9, clock_mhz=CLOCK_MHZ)
    fastest = search(goal).fastest
    assert fastest is not None
    fps = float(rng.uniform(0.1, 0.9)) * fastest.fps
    while True:
        goal = Goal(network=network, board=board, fps=fps, clock_mhz=CLOCK_MHZ)
        found = search(goal).machines[0]
        if found.spec.macs_per_cycle <= MOST_MACS:
            return found
        fps *= 0.8


def measure(seed: int) -> Point:
    """Simulate one image; the output must be the golden machine's."""
    found = proposed(seed)
    spec = found.spec
    print(f"seed {seed}: {spec.macs_per_cycle} MAC/cycle, {found.cycles:,} cycles", file=sys.stderr)
    graph = in_formats(random_network(seed).graph, spec)
    graph = with_values(graph, spec.classes, seed)
    layers, cycles = layer_cycles(graph, spec, random_codes(graph), golden=True)
    return Point(
        machine=f"seed {seed}",
        spec=spec_fields(spec),
        network=graph.name,
        note=f"searched: {found.cycles} cycles",
        layers=[layer_fields(layer) for layer in layers],
        cycles=cycles,
        date=datetime.date.today().isoformat(),
    )


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "", count={"type": int, "default": 30, "help": "networks (default 30)"},
        out={"type": Path, "default": SEARCH_POINTS},
    )  # fmt: skip
    known = {one.machine for one in read_points(options.out)} if options.out.exists() else set()
    for seed in range(options.count):
        if f"seed {seed}" in known:
            continue
        point = measure(seed)
        with options.out.open("a") as file:
            file.write(json.dumps(asdict(point), separators=(",", ":")) + "\n")
    points = [p for p in read_points(options.out) if int(p.machine.split()[1]) < options.count]
    errors = network_errors(points)
    if options.out == SEARCH_POINTS:
        SEARCH_SUMMARY.write_text(json.dumps(search_summary(points), indent=2) + "\n")
    found: dict[str, Any] = {
        **search_summary(points),
        "within_3_percent": int((np.abs(errors) <= 0.03).sum()),
        "by_network": {
            f"{one.network} on {one.spec['lanes'] if 'lanes' in one.spec else 8} lanes": {
                "simulated": sum(one.cycles),
                "estimated": int(point_cycles(one).sum()),
                "error": float(error),
            }
            for one, error in zip(points, errors, strict=True)
        },
    }
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
