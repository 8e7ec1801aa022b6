"""Quantises a float network on calibration images, layer after layer.

Layers are fitted in order, each on its actual inputs: those from the network with all earlier
layers quantised. Later layers can so compensate the errors of earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from flows.onnx_import.row_formats import write_row_formats
from flows.quantise.assignment import assign
from flows.quantise.calibrated_grids import Grid, power_of_two_grid, range_grid
from flows.quantise.calibration import Sample, sample_tensors
from flows.quantise.fitting import ROUNDINGS, Fitted, fit_layer
from flows.quantise.float_layers import Layer, find_layers
from flows.quantise.float_network import FloatNetwork
from flows.quantise.moments import Moments, MomentSums
from flows.quantise.policies import Policy, Rows
from flows.quantise.quant_points import Point, find_points
from flows.quantise.runtime import Floats, Runner
from flows.quantise.writer import with_quantisers
from models.formats import find_format

__all__ = ["Choices", "Quantised", "quantise_network"]

Progress = Callable[[str, int, int], None]
_SAFE_FORMAT = "fixed8"


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """Choices of the user.

    Attributes
    ----------
    ratio
        Shares of the policy's formats in percent.
    group
        Consecutive output rows in which the ratio holds; 0 for the whole layer.
    activation_bits
        Bits of the inputs of all layers but the first and the last; 4 to 8.
    keep_ends
        First and last layer are ``fixed8``; None for the policy's own choice.
    """

    policy: Policy
    ratio: tuple[float, ...]
    group: int = 16
    activation_bits: int = 8
    rounding: str = ROUNDINGS[0]
    keep_ends: bool | None = None

    @property
    def ends_kept(self) -> bool:
        """True if first and last layer are ``fixed8``."""
        return self.policy.keep_ends if self.keep_ends is None else self.keep_ends

    def facts(self) -> dict[str, Any]:
        """Return the choices as metadata of the file and for reports."""
        return {
            "name": self.policy.name,
            "formats": list(self.policy.formats),
            "ratio": list(self.ratio),
            "group": self.group,
            "activation_bits": self.activation_bits,
            "rounding": self.rounding,
            "keep_ends": self.ends_kept,
        }


@dataclass(frozen=True, eq=False)
class Quantised:
    """A quantised file, and each layer with its fit."""

    model: onnx.ModelProto
    layers: tuple[tuple[Layer, Fitted], ...]


def quantise_network(
    network: FloatNetwork,
    images: Floats,
    choices: Choices,
    progress: Progress = lambda stage, done, total: None,
) -> Quantised:
    """Quantise a network by a policy, on calibration images ``[n, *shape]``."""
    layers, points = find_layers(network), find_points(network)
    ends = _ends(network, layers)
    samples = sample_tensors(
        network,
        [point.tensor for point in points],
        images,
        lambda done: progress("activations", done, len(images)),
    )
    grids = _grids(network, points, samples, choices, ends)
    fitted: list[tuple[Layer, Fitted]] = []
    for together in _by_input(layers):
        progress("layers", len(fitted), len(layers))
        moments = _moments(network, grids, fitted, together, images)
        for layer, found in zip(together, moments, strict=True):
            rows = Rows(layer.matrix, found.second)
            if (choices.ends_kept and layer.position in ends) or _lacks_zero(layer, choices):
                formats: tuple[str, ...] = (_SAFE_FORMAT,) * layer.rows
            else:
                formats = assign(choices.policy, choices.ratio, rows, choices.group)
            done = fit_layer(
                layer,
                formats,
                found,
                rounding=choices.rounding,
                power_of_two=choices.policy.power_of_two,
            )
            fitted.append((layer, done))
    progress("layers", len(layers), len(layers))
    model, kinds = with_quantisers(network, grids, fitted)
    write_row_formats(model, kinds, choices.facts())
    return Quantised(model, tuple(fitted))


def _ends(network: FloatNetwork, layers: Sequence[Layer]) -> set[int]:
    """Return the positions of layers with no layer before or after them."""
    positions = {layer.position for layer in layers}
    above: dict[str, frozenset[int]] = {}
    read: set[int] = set()
    ends: set[int] = set()
    for position, node in enumerate(network.model.graph.node):
        before = frozenset().union(*(above.get(name, frozenset()) for name in node.input))
        if position in positions:
            read |= before
            if not before:
                ends.add(position)
            before |= {position}
        above |= dict.fromkeys(node.output, before)
    return ends | (positions - read)


def _grids(
    network: FloatNetwork,
    points: Sequence[Point],
    samples: dict[str, Sample],
    choices: Choices,
    ends: set[int],
) -> dict[str, Grid]:
    grids = {}
    joined = {point.partner for point in points if point.partner}
    for point in points:
        inner = bool(point.readers) and not ends.intersection(point.readers)
        narrow = inner and point.tensor not in {network.input, *joined} and not point.partner
        bits = choices.activation_bits if narrow else 8
        sample = samples[point.tensor]
        if choices.policy.power_of_two:
            grids[point.tensor] = power_of_two_grid(point, sample)
        else:
            grids[point.tensor] = range_grid(point, sample, bits)
    for point in points:
        if point.partner:
            grids[point.tensor] = grids[point.partner]
    return grids


def _lacks_zero(layer: Layer, choices: Choices) -> bool:
    """Test that a layer needs weights of 0 and that a format of the policy has none."""
    return layer.needs_zero and any(
        0 not in find_format(kind).grid for kind in choices.policy.formats
    )


def _by_input(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Group layers that read the same tensor, in the order of the first of each group."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(layer.input, []).append(layer)
    return list(found.values())


def _moments(
    network: FloatNetwork,
    grids: dict[str, Grid],
    fitted: Sequence[tuple[Layer, Fitted]],
    layers: Sequence[Layer],
    images: Floats,
) -> list[Moments]:
    """Return the moments of the inputs of layers that read the same tensor."""
    model, _ = with_quantisers(network, grids, fitted, float_weights=True)
    tensor = model.graph.node[_position(model, layers[0])].input[0]
    sums = [MomentSums(layer, len(images)) for layer in layers]
    plain, real = _reader(network.model, layers[0].input), _reader(model, tensor)
    for floats, quantised in zip(plain(images), real(images), strict=True):
        for one in sums:
            one.add(floats, quantised)
    return [one.moments() for one in sums]


def _position(model: onnx.ModelProto, layer: Layer) -> int:
    names = [node.name for node in model.graph.node]
    return names.index(layer.name)


def _reader(model: onnx.ModelProto, tensor: str) -> Callable[[Floats], Any]:
    """Return a function from images, a batch at a time, to one tensor."""
    runner = Runner(model, [tensor])
    if any(entry.name == tensor for entry in model.graph.input):
        return lambda images: (
            images[start : start + runner.batch] for start in range(0, len(images), runner.batch)
        )
    return lambda images: (found[0] for found in runner.batches(images))
