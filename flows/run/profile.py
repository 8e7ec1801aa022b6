"""A network's layers in one run: time and what they waited for, bytes, and where tensors lay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.mapper import Lying, MappedLayer, MappedNetwork
from flows.run.activity import LayerActivity, intervals, layer_activities
from flows.run.execute import ImageResult
from flows.run.executed import Executed, executed
from flows.run.moved import Moved, moved
from flows.run.waits import LayerTime, Waits
from models.machine.units import Unit
from models.program.descriptor import decode_program
from models.program.layout import (
    DESCRIPTOR_BYTES,
    INPUT_WINDOW,
    OUTPUT_WINDOW,
    WORK_WINDOW,
    LoadTarget,
)

__all__ = ["FIRST", "LAST", "LayerProfile", "Profile", "Where", "profile"]

FIRST, LAST = "(input)", "(output)"
"""Names of what is no layer: the load of the input before all layers, the store of the output."""

_WINDOWS = {
    None: "scratchpad", INPUT_WINDOW: "input", OUTPUT_WINDOW: "output", WORK_WINDOW: "work",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a tensor lay: ``scratchpad``, or the memory window ``input``, ``output`` or ``work``.

    ``strips`` is in how many pieces the layer moved it from or to memory; 0 in the scratchpad.
    """

    name: str
    place: str
    strips: int = 0

    def __str__(self) -> str:
        if not self.strips:
            return self.place
        return f"{self.place} in {self.strips} strip{'s' * (self.strips > 1)}"


@dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """A layer, or what is before or behind all layers.

    Attributes
    ----------
    added
        cycles by which the end of the run came later for it: from the latest end of the layers
        before it to its own, 0 if that is earlier. All of them, and the cycles of no layer, add up
        to the run.
    """

    activity: LayerActivity
    time: LayerTime
    added: int
    moved: Moved
    reads: tuple[Where, ...]
    makes: Where | None

    @property
    def layer(self) -> MappedLayer:
        """What the mapper knows of it."""
        return self.activity.layer


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One image's run, layer by layer.

    Attributes
    ----------
    layers
        in the network's order; those without descriptors (views of tensors) are none.
    done
        descriptors of the run, in program order.
    cycles
        of the run, by the machine's own counter.
    fetched
        bytes of the program that the machine read beside what the descriptors moved.
    """

    network: MappedNetwork
    layers: tuple[LayerProfile, ...]
    done: tuple[Executed, ...]
    cycles: int
    fetched: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the network."""
        return sum(one.layer.macs for one in self.layers)

    @property
    def moved(self) -> Moved:
        """Bytes of all layers, fetched descriptors apart."""
        return sum((one.moved for one in self.layers), Moved())

    @property
    def outside(self) -> int:
        """Cycles of no layer: before the first unit began, and after the last one ended."""
        return self.cycles - sum(one.added for one in self.layers)

    @property
    def utilisation(self) -> float:
        """Multiply-accumulates over what the array could have done in the run."""
        return self.macs / self.cycles / self.network.spec.macs_per_cycle


def profile(network: MappedNetwork, run: ImageResult) -> Profile:
    """The profile of a run.

    Raises
    ------
    ValueError
        if the run's events are not all there.
    """
    program = decode_program(network.spec, network.image.tobytes())
    found = intervals(run.events)
    done = executed(program, found)
    waits = Waits(done, network.spec)
    own: dict[int, list[Executed]] = {}
    for one in done:
        own.setdefault(one.tag, []).append(one)
    layers = []
    behind = min((one.start for one in done), default=0)
    activities = layer_activities(_with_ends(network), found, network.spec.macs_per_cycle)
    for activity in activities:
        layer = activity.layer
        time = waits.layer(layer.tag)
        assert time is not None
        layers.append(
            LayerProfile(
                activity=activity,
                time=time,
                added=max(0, activity.stop - behind),
                moved=moved([one.descriptor for one in own[layer.tag]], network.spec),
                reads=tuple(_where(lying, own[layer.tag], Unit.LOAD) for lying in layer.reads),
                makes=_where(layer.makes, own[layer.tag], Unit.STORE) if layer.makes else None,
            )
        )
        behind = max(behind, activity.stop)
    return Profile(
        network=network,
        layers=tuple(layers),
        done=tuple(done),
        cycles=run.cycles,
        fetched=(len(program) + 2) * DESCRIPTOR_BYTES,
    )


def _with_ends(network: MappedNetwork) -> list[MappedLayer]:
    last = max((layer.tag for layer in network.layers), default=0) + 1
    return [
        MappedLayer(tag=0, name=FIRST, kind="load", output="", shape=()),
        *network.layers,
        MappedLayer(tag=last, name=LAST, kind="store", output="", shape=()),
    ]


def _where(lying: Lying, own: Sequence[Executed], unit: Unit) -> Where:
    if lying.window is None:
        return Where(name=lying.name, place=_WINDOWS[None])
    end = lying.offset + lying.size
    strips = sum(
        one.unit is unit
        and one.descriptor.fields["window"] == lying.window
        and lying.offset <= one.descriptor.fields["offset"] < end
        and one.descriptor.fields.get("target", LoadTarget.SCRATCHPAD) == LoadTarget.SCRATCHPAD
        for one in own
    )
    return Where(name=lying.name, place=_WINDOWS[lying.window], strips=strips)
