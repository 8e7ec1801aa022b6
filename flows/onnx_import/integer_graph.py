"""Builds the integer graph, backwards from the meaning of the output: fuse, emit, name."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from flows.onnx_import.elementwise import clipped, scaled
from flows.onnx_import.emit_operators import (
    REQUANTISED,
    addition_of,
    clamped,
    elementwise_operator,
    operator_of,
)
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.ranges import close
from flows.onnx_import.values import Codes, NetworkInput, Operation, Source, Value
from models.network.graph import Constant, IntegerGraph, Node, Operator
from models.numerics.quantized import TensorType

__all__ = ["build_graph"]

_Fused: TypeAlias = tuple[Operation | Codes | NetworkInput, Value, Codes | None]


def build_graph(output: Codes, name: str, holds: str = "float32") -> IntegerGraph:
    """Build the integer graph that computes ``output``.

    ``holds`` is the type of the file's own output: ``float32``, or that of its codes.
    """
    graph = _Builder(output).graph(name)
    tensors = dict(graph.tensors)
    tensors[graph.output] = replace(tensors[graph.output], host=holds)
    return replace(graph, tensors=tensors)


class _Builder:
    def __init__(self, output: Codes) -> None:
        self._output = output
        self._uses = _count_uses(output)
        self._names: dict[int, str] = {}
        self._taken: Counter[str] = Counter()
        self._tensors: dict[str, TensorType] = {}
        self._nodes: list[Node] = []
        self._input = ""

    def graph(self, name: str) -> IntegerGraph:
        order: list[Codes] = []
        _in_order(self._output, self._fused, order)
        for codes in order:
            try:
                self._emit(codes)
            except NetworkError:
                raise
            except MemoryError:
                raise NetworkError(f"weights of {codes.label} must fit into memory") from None
            except (ValueError, OverflowError, IndexError) as error:
                raise NetworkError(
                    f"{codes.label} must fit the integer operators: {error}"
                ) from error
        if not self._input:
            raise NetworkError(f"output of network {name} must depend on its input")
        if not self._nodes:
            raise NetworkError(f"network {name} must have an operator between input and output")
        return IntegerGraph(
            name=name,
            input=self._input,
            output=self._names[id(self._output)],
            tensors=self._tensors,
            nodes=tuple(self._nodes),
        )

    def _fused(self, codes: Codes) -> _Fused:
        """Return the source of ``codes``, the value on it, and intermediate codes or None.

        Codes with no other reader are fused into the operator before them if the result is
        bit-exact. A clip on their own grid becomes the operator's bounds. Any other value with one
        gain and function for all channels becomes its table on the intermediate codes.
        """
        value = codes.value
        source = value.source
        if isinstance(source, Codes) and self._uses[id(source)] == 1:
            before, inner, through = self._fused(source)
            if isinstance(before, Operation) and through is None:
                same = close(float(value.a[0]) * source.scale, codes.scale)
                plain = replace(value, low=-math.inf, high=math.inf).scaled
                if plain and same and source.zero_point == codes.zero_point and clamped(before):
                    factor = float(value.a[0])
                    narrow = clipped(inner, value.low / factor, value.high / factor)
                    gain, none = np.array([factor]), np.zeros(1)
                    return before, narrow if factor == 1 else scaled(narrow, gain, none), None
                if before.kind in REQUANTISED and value.uniform and inner.function is None:
                    return before, value, replace(source, value=inner)
        assert isinstance(source, Operation | Codes | NetworkInput)
        return source, value, None

    def _emit(self, codes: Codes) -> None:
        source, value, through = self._fused(codes)
        kind = TensorType(
            shape=codes.shape, bits=codes.bits, scale=codes.scale, zero_point=codes.zero_point
        )
        if isinstance(source, NetworkInput):
            if self._input:
                raise NetworkError(f"{source.label} must be quantised once, not on two grids")
            self._input = self._name(codes, _plain_name(source))
            self._tensors[self._input] = replace(kind, host=source.holds)
            return
        added = addition_of(codes, value, source) if isinstance(source, Codes) else None
        if added is not None:
            self._emit_addition(codes, source, kind, *added)
            return
        if isinstance(source, Codes):
            operator = elementwise_operator(codes, value, source)
        else:
            operator = operator_of(codes, source, value, through)
        title = self._name(codes, _plain_name(source if isinstance(source, Operation) else codes))
        self._tensors[title] = kind
        names = tuple(self._names[id(c)] for c in _inputs(source))
        self._nodes.append(Node(name=title, operator=operator, inputs=names, output=title))

    def _emit_addition(
        self,
        codes: Codes,
        source: Source,
        kind: TensorType,
        constant: Constant,
        constant_kind: TensorType,
        operator: Operator,
    ) -> None:
        title = _plain_name(source)
        addend = self._free(f"{title} offset")
        name = self._name(codes, title)
        self._tensors |= {addend: constant_kind, name: kind}
        self._nodes.append(Node(name=addend, operator=constant, inputs=(), output=addend))
        inputs = (self._names[id(source)], addend)
        self._nodes.append(Node(name=name, operator=operator, inputs=inputs, output=name))

    def _name(self, codes: Codes, wanted: str) -> str:
        self._names[id(codes)] = self._free(wanted)
        return self._names[id(codes)]

    def _free(self, wanted: str) -> str:
        self._taken[wanted] += 1
        count = self._taken[wanted]
        return wanted if count == 1 else f"{wanted}#{count}"


def _plain_name(source: Source) -> str:
    """Return the node's name from a label such as ``Conv 'stem'``."""
    found = re.search(r"'(.*)'", source.label)
    return found.group(1) if found else source.label


def _count_uses(output: Codes) -> Counter[int]:
    uses: Counter[int] = Counter({id(output): 1})
    seen: set[int] = set()
    stack = [output]
    while stack:
        codes = stack.pop()
        if id(codes) in seen:
            continue
        seen.add(id(codes))
        for dependency in _inputs(codes.value.source):
            uses[id(dependency)] += 1
            stack.append(dependency)
    return uses


def _inputs(source: Source) -> tuple[Codes, ...]:
    if isinstance(source, Codes):
        return (source,)
    return source.inputs if isinstance(source, Operation) else ()


def _in_order(output: Codes, fused: Callable[[Codes], _Fused], order: list[Codes]) -> None:
    """Append all codes that ``output`` depends on, inputs first."""
    done: set[int] = set()
    stack: list[tuple[Codes, bool]] = [(output, False)]
    while stack:
        codes, ready = stack.pop()
        if id(codes) in done:
            continue
        if ready:
            done.add(id(codes))
            order.append(codes)
            continue
        stack.append((codes, True))
        source, _, _ = fused(codes)
        stack.extend((c, False) for c in reversed(_inputs(source)))
