"""QuantizeLinear and DequantizeLinear: real numbers to the file's integer codes, and back."""

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

    ``scale`` and ``zero_point`` are arrays of one number, or of one for each index of the node's
    axis.
    """

    scale: Array
    zero_point: Array
    kind: str
    axis: int

    def one(self, label: str) -> tuple[float, int]:
        """Return the scale and zero point of a whole tensor.

        Raises
        ------
        NetworkError
            If the grid has more than one.
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
    """Return the grid of a node.

    Parameters
    ----------
    numbers
        Scale and zero point; None for an input that is left out.
    kind
        Type of the codes that a DequantizeLinear reads. None for a QuantizeLinear: its codes have
        its zero point's type, else the type it names (operator set 21), else uint8.

    Raises
    ------
    NetworkError
        If the scale is not a positive number (constants may have 0, for pruned channels), or if the
        node is a block quantiser.
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
    """Quantise a tensor computed from the image: round and saturate exactly here."""
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
    """Convert codes to real numbers, by the scale and zero point of this node."""
    scale, zero = grid.one(node.label)
    if scale == 0:
        raise NetworkError(f"scale of {node.label} must be positive and finite, not 0")
    return grids.relabelled(codes, scale, zero, node.label).value


def quantise_constant(const: Const, grid: Grid, label: str) -> Const:
    """Quantise a constant to integers in the file's type."""
    if grid.kind not in _CONSTANT_TYPES:
        raise NetworkError(f"type of {label} must be an integer type, not {grid.kind}")
    if not np.all(grid.scale > 0):
        raise NetworkError(f"scale of {label} must be positive and finite, not 0")
    ranges = CODE_RANGES | {"int16": (-32768, 32767), "uint16": (0, 65535)}
    low, high = ranges.get(grid.kind, (-(1 << 31), (1 << 31) - 1))
    # Divide in single precision, as ONNX does: in double, a tie may round to another code.
    wide = along(grid.scale, grid.axis, const.shape).astype(np.float32)
    steps = np.rint(const.real.astype(np.float32) / wide).astype(np.float64)
    codes = np.clip(steps + along(grid.zero_point, grid.axis, const.shape), low, high)
    if np.isnan(codes).any():
        raise NetworkError(f"constant before {label} must be of numbers, not NaN")
    return Const(real=codes.astype(np.int64).astype(_narrow(grid.kind)))


def dequantise_constant(
    const: Const, grid: Grid, label: str, kinds: Sequence[str] | None, name: str
) -> Const:
    """Dequantise a weight or another constant; keep codes, scales, and the row formats ``kinds``.

    A scale of 0 (a pruned channel) becomes codes 0 with scale 1.
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
    """Return the numpy type for codes of a type."""
    return onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.DataType.Value(kind.upper()))
