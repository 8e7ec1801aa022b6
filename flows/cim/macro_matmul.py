"""A layer with static weights as a matrix product of unsigned activations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flows.cim.k_order import COMPACT, Walk
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.decompose import paired_acts, paired_weights, polarise
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution, matmul_exact

Patches = NDArray[np.uint8]

CODE_OFFSET = 128
"""What makes a signed 8-bit code an unsigned activation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One convolution or linear layer on the macro.

    ``accumulator = product + correction``: activations are codes plus 128, so that what a zero
    point adds to a sum, and in a native ReLU macro the bias, are constants of an output.

    Attributes
    ----------
    name : str
    operator : Convolution
    spec : CimSpec
        The macro as this layer uses it: ``relu`` only where ReLU follows and the product is whole.
    weights : tuple of int64 [columns, k]
        One matrix, or two of one sign each on polarised macros; where the walk is paired, one
        with both signs of each tile.
    correction : int64 [out]
        ``-(input_zero + 128) * sum of weights``.
    walk : Walk
        Where elements and outputs lie.
    """

    name: str
    operator: Convolution
    spec: CimSpec
    weights: tuple[Integers, ...]
    correction: Integers
    walk: Walk = field(default=COMPACT)

    @property
    def bias(self) -> Integers | None:
        """What joins the sum of every column before conversion, so that its sign is ReLU's.

        None without ReLU.
        """
        if not self.spec.relu:
            return None
        shape = self.correction.shape
        bias = self.correction + np.broadcast_to(self.operator.requantize.bias, shape)
        return self.walk.outputs(bias).astype(np.int64)

    def accumulators(self, products: Integers) -> Integers:
        """Accumulators ``[n, out]`` of products ``[n, columns]`` (with :attr:`bias` if any)."""
        return self.walk.channels(products) + self.addend

    @property
    def addend(self) -> Integers:
        """What makes a product an accumulator ``[out]``."""
        if self.spec.relu:
            bias = self.operator.requantize.bias
            return -np.broadcast_to(bias, self.correction.shape).astype(np.int64)
        return self.correction

    def exact(self, acts: Patches) -> Integers:
        """Accumulators ``[n, out]`` without a macro."""
        products: Integers = matmul_exact(acts, np.sum(self.weights, axis=0).T)
        return self.walk.channels(products) + self.correction

    def activations(self, codes: Integers) -> tuple[Patches, tuple[int, int, int, int]]:
        """Activations of every position as they meet :attr:`weights`, and the outputs' shape."""
        acts, shape = patches(codes, self.operator)
        taps = acts.reshape(len(acts), *self.operator.weights.shape[1:])
        spread = self.walk.spread(taps).astype(np.uint8, copy=False)
        return (paired_acts(spread, self.spec.depth) if self.walk.paired else spread), shape


def make_layer(name: str, operator: Convolution, spec: CimSpec, walk: Walk = COMPACT) -> Layer:
    """How a convolution lies on a macro; one in groups with zeros between them."""
    operator = operator.dense()
    weights = walk.outputs(walk.spread(operator.weights)).astype(np.int64)
    sums = operator.weights.reshape(len(operator.weights), -1).sum(1)
    whole = spec.single_conversion and weights.shape[1] <= spec.depth
    follows = operator.requantize.low == operator.requantize.zero_point
    parts: tuple[Integers, ...] = (weights,)
    if walk.paired:
        parts = (paired_weights(weights, spec.depth),)
    elif spec.decomposition is Decomposition.POLARISED:
        parts = polarise(weights)
    return Layer(
        name=name,
        operator=operator,
        spec=replace(spec, relu=spec.relu and whole and follows),
        weights=parts,
        correction=-(operator.input_zero + CODE_OFFSET) * sums,
        walk=walk,
    )


def patches(codes: Integers, operator: Convolution) -> tuple[Patches, tuple[int, int, int, int]]:
    """Activations of every position: codes ``[n, height, width, in]`` to uint8 ``[n * h * w, k]``.

    Positions outside the image hold the code that stands for zero.

    Returns
    -------
    The patches, and the shape ``(n, h, w, out)`` of the accumulators.
    """
    count, height, width, channels = codes.shape
    out, kernel_h, kernel_w, _ = operator.weights.shape
    tall, wide, _ = operator.output_shape(height, width)
    top, left, bottom, right = operator.padding
    zero = operator.input_zero + CODE_OFFSET
    unsigned = (codes + CODE_OFFSET).astype(np.uint8)
    padded = np.pad(unsigned, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=zero)
    found = np.empty((count, tall, wide, kernel_h, kernel_w, channels), dtype=np.uint8)
    for ky in range(kernel_h):
        for kx in range(kernel_w):
            y, x = ky * operator.dilation[0], kx * operator.dilation[1]
            found[:, :, :, ky, kx] = padded[
                :,
                y : y + (tall - 1) * operator.stride[0] + 1 : operator.stride[0],
                x : x + (wide - 1) * operator.stride[1] + 1 : operator.stride[1],
            ]
    return found.reshape(count * tall * wide, -1), (count, tall, wide, out)
