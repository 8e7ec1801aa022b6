"""An integer graph whose static-weight layers are computed by a macro."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from flows.cim.adc_steps import Chosen, choose
from flows.cim.k_order import COMPACT, Walk
from flows.cim.macro_matmul import Layer, Patches, make_layer
from models.cim.calibrate import calibrate
from models.cim.cim_spec import CimSpec
from models.cim.die import Die, make_die, used_with
from models.cim.fast.fast_product import fast_product
from models.cim.golden.adc import Trim
from models.cim.golden.weight_layout import When
from models.network.graph import IntegerGraph, Node, run_operator
from models.numerics.rescale import MULTIPLIER_MAX, Integers
from models.ops.convolution import Convolution
from models.ops.requantize import Requantize, requantize

_SEEN_ROWS = 512
"""Vectors of activations of a layer that the search of its window looks at."""
_SAMPLES = 1024
"""Known counts of a calibration."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MacroNetwork:
    """A network, a die, and what was chosen for each of its layers.

    Attributes
    ----------
    layers : dict of node name to Layer; those not in it are exact
    chosen : dict of node name to Chosen
    trims : dict of node name to Trim, empty without calibration of the die
    fitted : dict of node name to Requantize, empty without recalibration
        Batch normalisation with gain and bias fitted to the die.
    """

    graph: IntegerGraph
    die: Die
    layers: dict[str, Layer]
    chosen: dict[str, Chosen]
    trims: dict[str, Trim]
    fitted: dict[str, Requantize]

    def run(
        self,
        codes: Integers,
        first_run: int = 0,
        keep: Callable[[str, Integers], None] | None = None,
    ) -> Integers:
        """Output codes of images ``[n, *shape]``, the first of which is run ``first_run``.

        ``keep`` is called with name and codes of every tensor as it is made.
        """
        return walk(
            self.graph, codes, lambda node, x, first: self._layer(node, x, first, first_run), keep
        )

    def accumulators(
        self, layer: Layer, acts: Patches, tokens: int, run: int, first: int
    ) -> tuple[Integers, int]:
        """Accumulators ``[n, out]`` by the macro, and its conversions in each run."""
        total = np.zeros((len(acts), len(layer.weights[0])), dtype=np.int64)
        used = 0
        for weights in layer.weights:
            product = fast_product(
                acts,
                weights,
                die=used_with(self.die, relu=layer.spec.relu),
                window=self.chosen[layer.name].window,
                when=When(tokens=tokens, run=run, first=first + used),
                trim=self.trims.get(layer.name),
                bias=layer.bias,
            )
            total += product.values
            used += product.conversions
        return layer.accumulators(total), used

    def requantizer(self, layer: Layer) -> Requantize:
        """What makes a layer's accumulators codes."""
        return self.fitted.get(layer.name, layer.operator.requantize)

    def _layer(self, node: Node, x: Integers, first: int, run: int) -> tuple[Integers, int]:
        layer = self.layers.get(node.name)
        assert isinstance(node.operator, Convolution)
        if layer is None:
            return run_operator(node.operator, x), 0
        image = x if x.ndim == 4 else x[:, None]
        acts, shape = layer.activations(image)
        acc, used = self.accumulators(layer, acts, shape[1] * shape[2], run, first)
        y = requantize(acc.reshape(shape), self.requantizer(layer))
        return (y if x.ndim == 4 else y[:, 0]), used


def prepare(
    graph: IntegerGraph,
    spec: CimSpec,
    images: Integers,
    *,
    rule: str = "calibrated",
    die: int = 0,
    static: bool = True,
    dynamic: bool = True,
    calibrated: bool = True,
    recalibrate: bool = False,
    keep_ends: bool = False,
    chosen: dict[str, Chosen] | None = None,
    walks: Mapping[str, Walk] | None = None,
) -> MacroNetwork:
    """Put a network on a die.

    Parameters
    ----------
    images : int [n, *input shape]
        Codes of calibration images.
    rule : str
        How steps are chosen (:data:`flows.cim.adc_steps.RULES`).
    calibrated : bool
        Whether the die's own calibration is used (:mod:`models.cim.calibrate`).
    recalibrate : bool
        Whether gain and offset of every output are fitted to the die on the calibration images.
    keep_ends : bool
        Whether the first and the last layer stay exact.
    chosen : dict, optional
        Found before for the same network, spec and rule: it does not depend on the die.
    walks : dict of node name to Walk, optional
        Where a machine puts elements and outputs of each layer.
    """
    nodes = [n for n in graph.nodes if isinstance(n.operator, Convolution)]
    if keep_ends:
        nodes = nodes[1:-1]
    layers: dict[str, Layer] = {}
    for node in nodes:
        assert isinstance(node.operator, Convolution)
        walked = (walks or {}).get(node.name, COMPACT)
        layers[node.name] = make_layer(node.name, node.operator, spec, walked)
    found = chosen or choose_all(graph, layers, images, rule, dynamic=dynamic)
    made = make_die(spec, die, static=static, dynamic=dynamic)
    trims: dict[str, Trim] = {}
    if calibrated and made.static:
        known: dict[tuple[CimSpec, Chosen], Trim] = {}
        for name, layer in layers.items():
            use = layer.spec, found[name]
            if use not in known:
                own = used_with(made, relu=layer.spec.relu)
                window, largest = found[name].window, found[name].largest
                known[use] = calibrate(own, window, _SAMPLES, largest).trim(own)
            trims[name] = known[use]
    network = MacroNetwork(
        graph=graph, die=made, layers=layers, chosen=found, trims=trims, fitted={}
    )
    if recalibrate:
        _recalibrate(network, images)
    return network


def choose_all(
    graph: IntegerGraph,
    layers: dict[str, Layer],
    images: Integers,
    rule: str,
    *,
    dynamic: bool = True,
) -> dict[str, Chosen]:
    """Window and range of every layer, from what it sees in an exact run."""
    found: dict[str, Chosen] = {}

    def look(node: Node, x: Integers, first: int) -> tuple[Integers, int]:
        assert isinstance(node.operator, Convolution)
        layer = layers.get(node.name)
        if layer is not None:
            acts, _ = layer.activations(x if x.ndim == 4 else x[:, None])
            # By name: the same whichever other layers are on the macro.
            random = np.random.default_rng([1, *node.name.encode()])
            rows = random.permutation(len(acts))[:_SEEN_ROWS]
            found[node.name] = choose(layer, acts[rows], rule, dynamic=dynamic)
        return run_operator(node.operator, x), 0

    walk(graph, images, look)
    return found


def _recalibrate(network: MacroNetwork, images: Integers) -> None:
    """Fit every output's gain and offset, layer by layer, on what the layer before it yields."""

    def fit(node: Node, x: Integers, first: int) -> tuple[Integers, int]:
        layer = network.layers.get(node.name)
        assert isinstance(node.operator, Convolution)
        if layer is not None:
            acts, shape = layer.activations(x if x.ndim == 4 else x[:, None])
            # Runs of their own: not the noise the test images will meet.
            got, _ = network.accumulators(layer, acts, shape[1] * shape[2], 1 << 30, first)
            exact = layer.exact(acts)
            if layer.spec.relu:
                exact = np.maximum(exact, -node.operator.requantize.bias)
            network.fitted[node.name] = _fitted(node.operator.requantize, got, exact)
        return network._layer(node, x, first, 1 << 30)

    walk(network.graph, images, fit)


def _fitted(spec: Requantize, got: Integers, exact: Integers) -> Requantize:
    """Gain and bias that make ``got`` most like ``exact``, in the requantiser: it costs nothing.

    ``(g acc + o + bias) m = (acc + (o + bias) / g) (g m)``.
    """
    mean_got, mean_exact = got.mean(0), exact.mean(0)
    spread = exact - mean_exact
    common = (spread * (got - mean_got)).sum(0)
    slope = np.ones_like(mean_got)
    # The line of got over exact, inverted: noise in what was got would lower the other one.
    np.divide((spread**2).sum(0), common, out=slope, where=common > 0)
    # A channel without signal has no slope worth its name.
    slope = np.clip(slope, 0.5, 2.0)
    offset = mean_exact - slope * mean_got
    multiplier = np.rint(spec.multiplier * slope).astype(np.int64)
    shift = np.broadcast_to(spec.shift, multiplier.shape)
    large = (multiplier > MULTIPLIER_MAX) & (shift > 0)
    return replace(
        spec,
        bias=np.rint((offset + spec.bias) / slope).astype(np.int64),
        multiplier=np.minimum(np.where(large, multiplier >> 1, multiplier), MULTIPLIER_MAX),
        shift=np.where(large, shift - 1, shift),
    )


def walk(
    graph: IntegerGraph,
    codes: Integers,
    layer: Callable[[Node, Integers, int], tuple[Integers, int]],
    keep: Callable[[str, Integers], None] | None = None,
) -> Integers:
    """Run a graph with ``layer(node, input, conversions before)`` for static-weight layers.

    ``keep`` is called with name and codes of every tensor as it is made.
    """
    last = {t: i for i, node in enumerate(graph.nodes) for t in node.inputs}
    values: dict[str, Integers] = {graph.input: np.asarray(codes, dtype=np.int64)}
    used = 0
    for index, node in enumerate(graph.nodes):
        inputs = [values[t] for t in node.inputs]
        if isinstance(node.operator, Convolution):
            values[node.output], more = layer(node, inputs[0], used)
            used += more
        else:
            values[node.output] = run_operator(node.operator, *inputs, images=len(codes))
        if keep is not None:
            keep(node.output, values[node.output])
        for tensor in node.inputs:
            if last[tensor] == index and tensor != graph.output:
                values.pop(tensor, None)
    return values[graph.output]
