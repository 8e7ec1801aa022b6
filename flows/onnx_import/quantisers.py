"""QuantizeLinear and DequantizeLinear: from real numbers to integer codes of the file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from flows.onnx_import.constants import along, formats_along
from flows.onnx_import.elementwise import clipped
from flows.onnx_import.grids import Grids
from flows.onnx_import.network_error import NetworkError, shape_text
from flows.onnx_import.reader import OnnxNode
from flows.onnx_import.values import CODE_RANGES, Array, CodeTensor, Const, Value

__all__ = ["Grid", "dequantise", "dequantise_constant", "grid_of_node", "quantise",
           "quantise_constant"]  # fmt: skip

_CONSTANT_TYPES = {*CODE_RANGES, "int16", "uint16", "int32"}


@dataclass(frozen=True, eq=False)
class Grid:
    """Scale, zero point and type of the codes of one QuantizeLinear or DequantizeLinear.

    ``scale`` and ``zero_point`` are arrays of one number, or one along the node's axis.
    """

    scale: Array
    zero_point: Array
    kind: str
    axis: int

    def one(self, label: str) -> tuple[float, int]:
        """Scale and zero point of a whole tensor.

        Raises
        ------
        NetworkError
            If there is more than one.
        """
        if self.scale.size != 1 or self.zero_point.size != 1:
            raise NetworkError(
                f"scale of {label} must be one number for a tensor computed from the image, "
                f"not {max(self.scale.size, self.zero_point.size)} of them"
            )
        return float(self.scale.reshape(-1)[0]), int(self.zero_point.reshape(-1)[0])


def grid_of_node(
    node: OnnxNode, numbers: Sequence[NDArray[Any] | None], kind: str | None = None
) -> Grid:
    """The grid of a node.

    Parameters
    ----------
    numbers
        Scale and zero point, as far as the node has them.
    kind
        Type of the codes that a DequantizeLinear reads; None for a QuantizeLinear, whose codes are
        of its zero point's type, of the type it names (operator set 21), or else uint8.

    Raises
    ------
    NetworkError
        If the scale is no positive number (0 is one for constants: pruned channels), or the node
        is a block quantiser.
    """
    if node.attributes.get("block_size", 0):
        raise NetworkError(f"block_size of {node.label} must be 0, not a block quantiser's")
    if numbers[0] is None:
        raise NetworkError(f"scale of {node.label} must be a constant")
    scale = np.asarray(numbers[0], dtype=np.float64)
    zero = numbers[1] if len(numbers) > 1 else None
    if kind is None:
        kind = _written_type(node, zero)
    least = scale.min(initial=np.inf)
    if not np.all(np.isfinite(scale)) or not least >= 0 or scale.size == 0:
        raise NetworkError(f"scale of {node.label} must be positive and finite")
    point = np.zeros(1) if zero is None else np.asarray(zero).astype(np.float64)
    if scale.ndim > 1 or point.ndim > 1 or (zero is not None and scale.size != point.size):
        raise NetworkError(
            f"scale and zero point of {node.label} must be one number each, or one each along its "
            f"axis, not of shapes {shape_text(scale.shape)} and {shape_text(point.shape)}"
        )
    return Grid(scale, point, kind, int(node.attributes.get("axis", 1)))


def _written_type(node: OnnxNode, zero: NDArray[Any] | None) -> str:
    if zero is not None:
        return zero.dtype.name
    named = node.attributes.get("output_dtype", 0)
    if not named:
        return "uint8"
    return onnx.helper.tensor_dtype_to_np_dtype(named).name


def quantise(grids: Grids, node: OnnxNode, value: Value, grid: Grid) -> CodeTensor:
    """Codes of a tensor computed from the image: rounded and saturated where the file says."""
    scale, zero = grid.one(node.label)
    if grid.kind not in CODE_RANGES:
        raise NetworkError(
            f"type of {node.label} must be int8 or uint8 (or fewer bits; int32 for a bias), not "
            f"{grid.kind}"
        )
    if scale == 0:
        raise NetworkError(f"scale of {node.label} must be positive and finite, not 0")
    low, high = CODE_RANGES[grid.kind]
    if high - low < 255:
        value = clipped(value, scale * (low - zero), scale * (high - zero))
    found = CodeTensor(value=value, scale=scale, zero_point=zero, kind=grid.kind)
    rounded = grids.quantise(value, scale, zero - found.offset, node.label)
    return CodeTensor(value=rounded, scale=scale, zero_point=zero, kind=grid.kind)


def dequantise(grids: Grids, node: OnnxNode, codes: CodeTensor, grid: Grid) -> Value:
    """The real numbers that codes stand for by the scale and zero point of this node."""
    scale, zero = grid.one(node.label)
    if scale == 0:
        raise NetworkError(f"scale of {node.label} must be positive and finite, not 0")
    return grids.relabelled(codes, scale, zero, node.label).value


def quantise_constant(const: Const, grid: Grid, label: str) -> Const:
    """Codes of a constant: integers, as in the file."""
    if grid.kind not in _CONSTANT_TYPES:
        raise NetworkError(f"type of {label} must be an integer type, not {grid.kind}")
    if not np.all(grid.scale > 0):
        raise NetworkError(f"scale of {label} must be positive and finite, not 0")
    ranges = CODE_RANGES | {"int16": (-32768, 32767), "uint16": (0, 65535)}
    low, high = ranges.get(grid.kind, (-(1 << 31), (1 << 31) - 1))
    # In single precision, as the file's own numbers are: another tie would be another code.
    wide = along(grid.scale, grid.axis, const.shape).astype(np.float32)
    steps = np.rint(const.real.astype(np.float32) / wide).astype(np.float64)
    codes = np.clip(steps + along(grid.zero_point, grid.axis, const.shape), low, high)
    if np.isnan(codes).any():
        raise NetworkError(f"constant before {label} must be of numbers, not NaN")
    return Const(real=codes.astype(np.int64).astype(_narrow(grid.kind)))


def dequantise_constant(
    const: Const, grid: Grid, label: str, kinds: Sequence[str] | None, name: str
) -> Const:
    """A weight or another constant: its codes, their scales, and the row formats of ``kinds``.

    Where the scale is 0 (a pruned channel) the codes count as 0 on a grid of 1.
    """
    if grid.kind not in _CONSTANT_TYPES:
        raise NetworkError(
            f"type of {label} must be int8 or uint8 (or fewer bits; int32 for a bias), not "
            f"{grid.kind}"
        )
    scale = along(grid.scale, grid.axis, const.shape)
    zero = along(grid.zero_point, grid.axis, const.shape).astype(np.int64)
    codes = const.real.astype(np.int64) - zero
    if not np.all(grid.scale > 0):
        dead = scale == 0
        codes, scale = np.where(dead, 0, codes), np.where(dead, 1.0, scale)
    formats = None
    if kinds is not None:
        formats = formats_along(kinds, name, codes.shape, grid.axis)
    return Const(real=codes * scale, codes=codes, scale=scale, formats=formats)


def _narrow(kind: str) -> Any:
    """The numpy type of codes of a type."""
    return onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.DataType.Value(kind.upper()))
