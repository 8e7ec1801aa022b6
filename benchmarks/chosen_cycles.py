"""Cycles of a named vision transformer's parts on a machine that a search chose: simulated.

A whole network would take hours: one encoder block is simulated, and what is before and behind the
blocks; all tokens, random weights. Points are appended to ``benchmarks/data/chosen_cycles.jsonl``
as they come; what is there is not measured again.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cycle_points import layer_cycles, random_codes
from benchmarks.vit_block import block_graph
from flows.estimate.cycles.cycle_points import (
    Point,
    layer_fields,
    point_cycles,
    read_points,
    spec_fields,
)
from flows.estimate.cycles.layer_graphs import layer_graph
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph
from models.network.workloads import find_workload

__all__ = ["BLOCK", "POINTS", "beside", "of_machine", "simulate"]

POINTS = Path(__file__).with_name("data") / "chosen_cycles.jsonl"
BLOCK = "whole block"
OUTSIDE = ("patches", "norm", "head")
"""Layers that are in no block."""


def graphs(network: str, spec: MachineSpec) -> dict[str, Callable[[], IntegerGraph]]:
    """What is simulated, by name; the block first, since without it the rest says little."""
    found: dict[str, Callable[[], IntegerGraph]] = {
        BLOCK: partial(block_graph, network, spec.classes)
    }
    for layer in find_workload(network).layers:
        if layer.name in OUTSIDE:
            found[layer.name] = partial(layer_graph, layer, spec.classes)
    return found


def _stored(file: Path) -> list[Point]:
    return read_points(file) if file.exists() else []


def of_machine(points: Sequence[Point], network: str, spec: MachineSpec) -> dict[str, Point]:
    """Points of this network on this very machine, by the part's name."""
    start = f"{network}/"
    return {
        one.network.removeprefix(start): one
        for one in points
        if one.network.startswith(start) and MachineSpec(**one.spec) == spec
    }


def simulate(network: str, spec: MachineSpec, file: Path = POINTS) -> None:
    """Measure what is not in the file yet; output codes are compared with the golden machine's."""
    done = of_machine(_stored(file), network, spec)
    for name, graph_of in graphs(network, spec).items():
        if name in done:
            continue
        print(f"simulating {name} of {network}", file=sys.stderr)
        graph = graph_of()
        layers, cycles = layer_cycles(graph, spec, random_codes(graph), golden=True)
        point = Point(
            machine=",".join(map(str, spec.classes)),
            spec=spec_fields(spec),
            network=f"{network}/{name}",
            note="",
            layers=[layer_fields(layer) for layer in layers],
            cycles=cycles,
            date=datetime.date.today().isoformat(),
        )
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as stream:
            stream.write(json.dumps(asdict(point), separators=(",", ":")) + "\n")


def beside(network: str, spec: MachineSpec, file: Path = POINTS) -> dict[str, Any]:
    """Simulated beside estimated cycles; nothing where the block was not simulated.

    ``network`` is put together of simulated parts: the patches with the image's load, as many times
    the block without load and store as the network has blocks, the last layer norm, and the head
    with its store.
    """
    found = of_machine(_stored(file), network, spec)
    if BLOCK not in found:
        return {}
    block = found[BLOCK]
    names = ("input", *(layer["name"] for layer in block.layers), "output")
    pairs = zip(block.cycles, point_cycles(block).tolist(), strict=True)
    result: dict[str, Any] = {
        "parts": {
            name: _pair(sum(one.cycles), int(point_cycles(one).sum()))
            for name, one in found.items()
        },
        "layers_of_the_block": {
            name: _pair(*pair) for name, pair in zip(names, pairs, strict=True)
        },
    }
    if set(OUTSIDE) <= set(found):
        blocks = sum(layer.name.endswith(".norm1") for layer in find_workload(network).layers)
        inner = slice(1, -1)
        used = [
            (1, "patches", slice(0, -1)),
            (blocks, BLOCK, inner),
            (1, "norm", inner),
            (1, "head", slice(1, None)),
        ]
        simulated = sum(times * sum(found[name].cycles[of]) for times, name, of in used)
        estimated = sum(
            times * int(point_cycles(found[name])[of].sum()) for times, name, of in used
        )
        result["network"] = {"blocks": blocks, **_pair(simulated, estimated)}
    return result


def _pair(simulated: int, estimated: int) -> dict[str, Any]:
    return {
        "simulated_cycles": simulated,
        "estimated_cycles": estimated,
        "error": estimated / simulated - 1,
    }
