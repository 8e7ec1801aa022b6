"""Every tensor of a run against the golden machine and the integer graph: where they part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.mapper import MappedNetwork
from flows.mapper.mapped import MappedLayer
from flows.out_folder.build import Built
from flows.run.execute import ImageResult
from models.network.graph import run_graph
from models.numerics.rescale import Integers

__all__ = ["Difference", "first_difference", "tensors_of"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first element of the first tensor that not all three executions agree on.

    Attributes
    ----------
    image : which one, from 0
    tensor, layer, operator : the tensor, and what makes it
    element : its index in the tensor, without the image
    verilog, golden_machine, integer_graph : codes of that element
    codes, of : how many of the tensor's codes differ, and how many it has
    """

    image: int
    tensor: str
    layer: str
    operator: str
    element: tuple[int, ...]
    verilog: int
    golden_machine: int
    integer_graph: int
    codes: int
    of: int

    def line(self) -> str:
        """For people: what differs, got and want."""
        if self.golden_machine == self.integer_graph:
            want = f"want {self.golden_machine}"
        else:
            want = f"golden machine {self.golden_machine}, integer graph {self.integer_graph}"
        return (
            f"image {self.image}: the first tensor that differs is {self.tensor!r} of layer "
            f"{self.layer!r} ({self.operator}), {self.codes:,} of {self.of:,} codes; element "
            f"{list(self.element)}: got {self.verilog}, {want}"
        )


def tensors_of(built: Built, codes: Integers, number: int) -> dict[str, Integers]:
    """Codes of every tensor of one image ``[*shape]`` by the integer graph.

    Layers on a macro are computed by the macro's model, as run ``number``.
    """
    found: dict[str, Integers] = {}

    def keep(name: str, value: Integers) -> None:
        found[name] = value[0]

    if built.macro is None:
        run_graph(built.graph, codes[None], keep)
    else:
        built.macro.run(codes[None], number, keep)
    return found


def first_difference(
    mapped: MappedNetwork,
    image: int,
    got: ImageResult,
    machine: Mapping[str, Integers],
    graph: Mapping[str, Integers],
) -> Difference | None:
    """Compare the tensors of an image in the order in which they are made.

    Parameters
    ----------
    machine, graph : dict of tensor name to codes
        Of the golden machine and of the integer graph.
    """
    layers = {layer.output: layer for layer in mapped.layers}
    for name in mapped.trace:
        value = got.trace[name]
        differs = (value != machine[name]) | (value != graph[name])
        if differs.any():
            return _difference(image, name, layers.get(name), differs, value, machine, graph)
    return None


def _difference(
    image: int,
    name: str,
    layer: MappedLayer | None,
    differs: Any,
    value: Integers,
    machine: Mapping[str, Integers],
    graph: Mapping[str, Integers],
) -> Difference:
    element = tuple(int(i) for i in np.argwhere(differs)[0])
    return Difference(
        image=image,
        tensor=name,
        layer=layer.name if layer else name,
        operator=layer.kind if layer else "a view",
        element=element,
        verilog=int(value[element]),
        golden_machine=int(machine[name][element]),
        integer_graph=int(graph[name][element]),
        codes=int(differs.sum()),
        of=int(differs.size),
    )
