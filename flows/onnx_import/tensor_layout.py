"""Layout operators, which only move elements: each becomes a function from array to array.

The same function applies to the index of a Value, and to numbers, codes and scales of a Const.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flows.onnx_import.import_limits import CONSTANT_MAX, check_elements
from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.reader import OnnxNode

__all__ = ["LAYOUT_KINDS", "Move", "moves", "shown"]

Move: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
Numbers: TypeAlias = Sequence[NDArray[Any] | None]

LAYOUT_KINDS = frozenset(
    {
        "DepthToSpace",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)


def moves(node: OnnxNode, shape: tuple[int, ...], numbers: Numbers) -> list[Move]:
    """Return one move for every output of a layout node.

    Parameters
    ----------
    shape
        Shape of the node's first input.
    numbers
        The node's further inputs (axes, shapes, indices), which are constants; None if left out.

    Raises
    ------
    NetworkError
        If a required input is left out, or the numbers do not fit ``shape``.
    """
    for name, given in zip(node.inputs[1:], numbers, strict=True):
        if name and given is None:
            raise NetworkError(
                f"input {name!r} of {node.label} must be a constant, not computed from the image"
            )
    try:
        return _moves(node, shape, numbers)
    except NetworkError:
        raise
    except (ValueError, IndexError, TypeError):
        raise NetworkError(
            f"parameters of {node.label} must fit its input of shape {list(shape)}, not "
            f"{shown(numbers)}"
        ) from None


def shown(numbers: Numbers) -> str:
    """Format parameters for messages: only the first few of many."""
    texts = [
        "none" if n is None else np.array2string(np.asarray(n), threshold=8, separator=", ")
        for n in numbers
    ]
    return ", ".join(texts) or "nothing"


def _moves(node: OnnxNode, shape: tuple[int, ...], numbers: Numbers) -> list[Move]:
    attributes = node.attributes
    first = numbers[0] if numbers else None
    match node.kind:
        case "Identity" | "Dropout":
            return [lambda x: x]
        case "Reshape":
            target = _reshape_target(first, shape, bool(attributes.get("allowzero", 0)))
            return [lambda x: x.reshape(target)]
        case "Flatten":
            axis = attributes.get("axis", 1)
            rows = int(np.prod(shape[:axis]))
            return [lambda x: x.reshape(rows, -1)]
        case "Transpose":
            order = attributes.get("perm") or list(range(len(shape)))[::-1]
            return [lambda x: x.transpose(order)]
        case "Squeeze":
            axes = _axes(first, attributes)
            if axes is None:
                axes = tuple(a for a, size in enumerate(shape) if size == 1)
            return [lambda x: np.squeeze(x, axes)]
        case "Unsqueeze":
            axes = _axes(first, attributes) or ()
            return [lambda x: np.expand_dims(x, axes)]
        case "Expand":
            wide = np.broadcast_shapes(shape, tuple(_integers(first)))
            check_elements(f"result of {node.label}", wide, CONSTANT_MAX)
            return [lambda x: np.broadcast_to(x, wide)]
        case "Gather":
            axis = attributes.get("axis", 0)
            indices = np.asarray(first)
            rest = [n for a, n in enumerate(shape) if a != axis % max(len(shape), 1)]
            check_elements(f"result of {node.label}", [indices.size, *rest], CONSTANT_MAX)
            return [lambda x: np.take(x, indices, axis=axis)]
        case "Slice":
            cut = _slices(shape, numbers)
            return [lambda x: x[cut]]
        case "Split":
            return _split(node, shape, first)
        case "DepthToSpace" | "SpaceToDepth":
            return [_block_move(node, shape)]
    raise NetworkError(f"layout operator {node.label} must be one of {sorted(LAYOUT_KINDS)}")


def _integers(numbers: NDArray[Any] | None) -> list[int]:
    if numbers is None:
        raise ValueError("numbers are missing")
    return [int(n) for n in np.atleast_1d(numbers)]


def _axes(numbers: NDArray[Any] | None, attributes: dict[str, Any]) -> tuple[int, ...] | None:
    if numbers is not None:
        return tuple(_integers(numbers))
    given = attributes.get("axes")
    return None if given is None else tuple(given)


def _reshape_target(
    numbers: NDArray[Any] | None, shape: tuple[int, ...], allow_zero: bool
) -> tuple[int, ...]:
    target = _integers(numbers)
    if not allow_zero:
        target = [shape[axis] if size == 0 else size for axis, size in enumerate(target)]
    return tuple(target)


def _slices(shape: tuple[int, ...], numbers: Numbers) -> tuple[slice, ...]:
    starts, ends = _integers(numbers[0]), _integers(numbers[1])
    given_axes = numbers[2] if len(numbers) > 2 else None
    given_steps = numbers[3] if len(numbers) > 3 else None
    axes = list(range(len(starts))) if given_axes is None else _integers(given_axes)
    steps = [1] * len(starts) if given_steps is None else _integers(given_steps)
    cut = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # A negative step runs down to and including 0 when the end lies before it.
        stop = None if step < 0 and end < -shape[axis] else end
        cut[axis] = slice(start, stop, step)
    return tuple(cut)


def _split(node: OnnxNode, shape: tuple[int, ...], sizes: NDArray[Any] | None) -> list[Move]:
    axis = node.attributes.get("axis", 0)
    count = len(node.outputs)
    if sizes is not None:
        parts = _integers(sizes)
    else:
        part = -(-shape[axis] // count)
        parts = [min(part, shape[axis] - part * i) for i in range(count)]
    ends = np.cumsum(parts)
    if ends[-1] != shape[axis]:
        raise ValueError("split sizes must cover the axis")

    def cut(start: int, end: int) -> Move:
        return lambda x: np.take(x, np.arange(start, end), axis=axis)

    return [cut(int(end) - part, int(end)) for part, end in zip(parts, ends, strict=True)]


def _block_move(node: OnnxNode, shape: tuple[int, ...]) -> Move:
    """Move of DepthToSpace (DCR or CRD) or SpaceToDepth on ``[batch, channels, height, width]``."""
    block = node.attributes["blocksize"]
    batch, channels, height, width = shape
    if node.kind == "SpaceToDepth":
        folded = (batch, channels, height // block, block, width // block, block)
        final = (batch, channels * block**2, height // block, width // block)
        return lambda x: x.reshape(folded).transpose(0, 3, 5, 1, 2, 4).reshape(final)
    small = channels // block**2
    target = (batch, small, height * block, width * block)
    if node.attributes.get("mode", b"DCR") == b"CRD":
        shape6, order = (batch, small, block, block, height, width), (0, 1, 4, 2, 5, 3)
    else:
        shape6, order = (batch, block, block, small, height, width), (0, 3, 4, 1, 5, 2)
    return lambda x: x.reshape(shape6).transpose(order).reshape(target)
