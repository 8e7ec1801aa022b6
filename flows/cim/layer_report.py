"""What each layer of a network does on a macro: windows, conversions, cycles, error."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.cim.macro_matmul import Layer, Patches
from flows.cim.macro_network import MacroNetwork, walk
from models.cim.decompose import act_slices, weight_slices
from models.network.graph import Node, run_operator
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution


def layer_report(network: MacroNetwork, images: Integers) -> list[dict[str, Any]]:
    """One entry a layer, on what it sees in an exact run of ``images``.

    Each has ``name``, ``k`` and ``outputs``, ``step`` and ``offset`` (counts), ``conversions``
    (of a dot product), ``decisions`` (mean SAR cycles of a conversion), ``converted`` (share of
    activation slices that are converted, fewer than 1 with zero-skipping) and ``error`` (relative
    rms error of the accumulators on the die).
    """
    found: list[dict[str, Any]] = []

    def look(node: Node, x: Integers, first: int) -> tuple[Integers, int]:
        assert isinstance(node.operator, Convolution)
        layer = network.layers.get(node.name)
        used = 0
        if layer is not None:
            acts, shape = layer.activations(x if x.ndim == 4 else x[:, None])
            tokens = shape[1] * shape[2]
            got, used = network.accumulators(layer, acts, tokens, 0, first)
            found.append(_entry(network, layer, acts, got))
        return run_operator(node.operator, x), used

    walk(network.graph, images, look)
    return found


def _entry(network: MacroNetwork, layer: Layer, acts: Patches, got: Integers) -> dict[str, Any]:
    spec, window = layer.spec, network.chosen[layer.name].window
    exact = layer.exact(acts)
    decisions = float(spec.adc_bits)
    if spec.relu:
        bias = layer.operator.requantize.bias
        exact = np.maximum(exact, -bias)
        # What ended early is exactly zero with its bias.
        ended = float((got == -bias).mean())
        decisions = ended + (1 - ended) * spec.adc_bits
        got, exact = got + bias, exact + bias
    one = 1 << spec.fraction
    planes = sum(len(weight_slices(w, spec).factors) for w in layer.weights)
    tiles = -(-acts.shape[1] // spec.depth)
    power = max(float((exact**2.0).mean()), 1e-9)
    return {
        "name": layer.name,
        "k": int(acts.shape[1]),
        "outputs": len(layer.correction),
        "step": window.step / one,
        "offset": window.offset / one,
        "conversions": planes * spec.act_slices * tiles,
        "decisions": decisions,
        "converted": converted_share(layer, acts) if spec.zero_skip else 1.0,
        "error": float(np.sqrt(((got - exact) ** 2.0).mean() / power)),
    }


def converted_share(layer: Layer, acts: Patches) -> float:
    """Share of a group's activation slices up to its last one that is not all zeros."""
    spec = layer.spec
    digits, factors = act_slices(acts, spec)
    starts = np.arange(0, acts.shape[1], spec.depth)
    # Highest slice with anything in it, for each vector and group.
    any_set = np.logical_or.reduceat(digits > 0, starts, axis=2)
    index = np.arange(1, len(factors) + 1)[:, None, None]
    return float((any_set * index).max(0).mean() / len(factors))
