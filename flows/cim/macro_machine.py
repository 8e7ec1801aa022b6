"""A network on the macro of a machine: what each layer's part of the program is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flows.cim.adc_steps import Chosen
from flows.cim.k_order import machine_walks
from flows.cim.macro_matmul import CODE_OFFSET, make_layer
from flows.cim.macro_network import MacroNetwork, prepare
from flows.errors import UserError
from flows.mapper.macro_layer import MacroLayer
from models.cim.cim_spec import CimSpec
from models.cim.decompose import weight_slices
from models.cim.golden.adc import Window, registers
from models.cim.presets import find_preset
from models.machine.spec import MachineSpec
from models.network.flattened import flattened
from models.network.graph import IntegerGraph
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution


def network_slices(graph: IntegerGraph, spec: CimSpec) -> int:
    """Columns a weight needs in the widest layer of a network."""
    found = [
        len(weight_slices(part, spec).factors)
        for node in graph.nodes
        if isinstance(node.operator, Convolution)
        for part in make_layer(node.name, node.operator, spec).weights
    ]
    return max(found, default=1)


def check_slices(graph: IntegerGraph, spec: MachineSpec) -> None:
    """See that a machine's macro has columns enough for a weight of a network.

    Raises
    ------
    UserError
        If it has not.
    """
    macro = spec.macro
    assert macro is not None
    least = network_slices(graph, find_preset(macro.preset))
    if macro.slices < least:
        raise UserError(
            f"macro.slices must be at least {least} for the network's weights, not {macro.slices}"
        )


def on_machine(
    graph: IntegerGraph,
    spec: MachineSpec,
    images: Integers,
    *,
    rule: str = "calibrated",
    recalibrate: bool = False,
    chosen: Mapping[str, Chosen] | None = None,
) -> MacroNetwork:
    """The network on the machine's macro and die; its golden, conversion by conversion.

    Parameters
    ----------
    images : int [n, *input shape]
        Calibration images; of no use where ``chosen`` is given and nothing is recalibrated.
    """
    macro = spec.macro
    assert macro is not None
    graph = flattened(graph)
    return prepare(
        graph,
        macro.spec,
        images,
        rule=rule,
        die=macro.die,
        static=macro.static,
        dynamic=macro.dynamic,
        recalibrate=recalibrate,
        chosen=dict(chosen) if chosen else None,
        walks=machine_walks(graph, spec),
    )


def machine_layers(network: MacroNetwork, spec: MachineSpec) -> dict[str, MacroLayer]:
    """What the mapper needs of each layer with static weights, by the node's name."""
    macro = spec.macro
    assert macro is not None
    found, first = {}, 0
    for node in network.graph.nodes:
        if node.name not in network.layers:
            continue
        layer = network.layers[node.name]
        requantize = network.requantizer(layer)
        window = network.chosen[node.name].window
        period, valid = layer.walk.filling(layer.operator.weights.shape)
        found[node.name] = MacroLayer(
            window=window,
            registers=registers(network.die, window, network.trims.get(node.name)),
            relu=layer.spec.relu,
            bias=layer.bias,
            requantize=replace(requantize, bias=requantize.bias + layer.addend),
            first=first,
            period=period,
            valid=valid,
            act_offset=layer.operator.input_zero + CODE_OFFSET,
        )
        outputs, depth = layer.weights[0].shape
        shape = network.graph.tensors[node.output].shape
        tiles = -(-outputs // macro.rows) * -(-depth // macro.spec.depth)
        first += tiles * int(np.prod(shape[:-1])) * macro.spec.act_slices
    return found


def as_facts(network: MacroNetwork) -> dict[str, Any]:
    """What was chosen for the layers, to be written down; :func:`from_facts` reads it."""
    facts: dict[str, Any] = {
        "windows": {
            n: [c.window.step, c.window.offset, c.largest] for n, c in network.chosen.items()
        },
        "fitted": {
            n: {k: getattr(f, k).tolist() for k in ("bias", "multiplier", "shift")}
            for n, f in network.fitted.items()
        },
    }
    return facts


def from_facts(graph: IntegerGraph, spec: MachineSpec, facts: Mapping[str, Any]) -> MacroNetwork:
    """The network as it was when :func:`as_facts` wrote it down.

    Raises
    ------
    LookupError, TypeError, ValueError
        If the facts are no such thing.
    """
    chosen = {
        name: Chosen(window=Window(step=int(step), offset=int(offset)), largest=int(largest))
        for name, (step, offset, largest) in facts["windows"].items()
    }
    none = np.zeros((0, *graph.tensors[graph.input].shape), dtype=np.int64)
    network = on_machine(graph, spec, none, chosen=chosen)
    if chosen.keys() != network.layers.keys():
        raise ValueError("windows must be of the network's layers")
    for name, values in facts["fitted"].items():
        own = network.layers[name].operator.requantize
        network.fitted[name] = replace(
            own,
            bias=np.array(values["bias"], dtype=np.int64),
            multiplier=np.array(values["multiplier"], dtype=np.int64),
            shift=np.array(values["shift"], dtype=np.int64),
        )
    return network
