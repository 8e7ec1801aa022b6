"""A run as Chrome's trace-event JSON, which Perfetto and chrome://tracing show.

The format's time unit is a microsecond; here one is a cycle, so that every time is a whole number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from flows.run.executed import Executed
from flows.run.moved import beats_of, moved
from flows.run.profile import Profile
from models.machine.spec import MachineSpec
from models.machine.units import UNIT_NAMES, WORKING_UNITS, Unit
from models.program.layout import LoadTarget, VectorOp, WeightSource

__all__ = ["WINDOWS", "trace_of"]

WINDOWS = 512
"""Of a counter track: the run in about so many equal ranges of cycles."""

_PROCESS = 1
_LAYERS = len(WORKING_UNITS)
"""The track behind those of the units."""
_NEXT = 16
"""From a unit's track to its next one."""

Event = dict[str, Any]


def trace_of(profile: Profile, title: str, clock_mhz: float) -> dict[str, Any]:
    """The trace of a run: ``traceEvents``, and the time unit under ``otherData``.

    A track for each unit, with a slice for each of its descriptors, and further ones for loads and
    stores under way at once; one for the layers, of the cycles that each adds to the run; counters
    of bytes read and written and of beats of the array.
    """
    tracks = _tracks(profile)
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "network": title,
            "time unit": "1 us is 1 cycle",
            "clock": f"{clock_mhz:g} MHz",
            "cycles": profile.cycles,
            "descriptor fetch": "not recorded",
        },
        "traceEvents": [
            *_names(title, clock_mhz, tracks),
            *_layers(profile),
            *_slices(profile, tracks),
            *_counters(profile),
        ],
    }


def _tracks(profile: Profile) -> dict[int, int]:
    """Track of each descriptor, by its index: of a unit's tracks the first one that is free."""
    ends: dict[Unit, list[int]] = defaultdict(list)
    found = {}
    for one in sorted(profile.done, key=lambda one: one.start):
        busy = ends[one.unit]
        free = next((n for n, end in enumerate(busy) if end <= one.start), len(busy))
        busy[free : free + 1] = [one.start + one.cycles]
        found[one.index] = int(one.unit) + free * _NEXT
    return found


def _names(title: str, clock_mhz: float, tracks: Mapping[int, int]) -> Iterator[Event]:
    name = f"{title} (1 us is 1 cycle of {clock_mhz:g} MHz)"
    yield {"ph": "M", "pid": _PROCESS, "name": "process_name", "args": {"name": name}}
    units = dict(enumerate((*UNIT_NAMES, "layers")))
    for track in sorted({*units, *tracks.values()}):
        number, first = divmod(track, _NEXT)
        unit = f"{units[first]} {number + 1}" if number else units[first]
        own = {"ph": "M", "pid": _PROCESS, "tid": track}
        yield {**own, "name": "thread_name", "args": {"name": unit}}
        order = -1 if track == _LAYERS else first * _NEXT + number
        yield {**own, "name": "thread_sort_index", "args": {"sort_index": order}}


def _layers(profile: Profile) -> Iterator[Event]:
    for one in profile.layers:
        if one.added:
            yield {
                "ph": "X", "pid": _PROCESS, "tid": _LAYERS, "cat": "layer",
                "name": one.layer.name, "ts": one.activity.stop - one.added, "dur": one.added,
                "args": {
                    "operator": one.layer.kind, "macs": one.layer.macs, "start": one.time.start,
                    "stop": one.time.stop, "work": one.time.work,
                    **{cause.value: cycles for cause, cycles in one.time.waits.items()},
                },
            }  # fmt: skip


def _slices(profile: Profile, tracks: Mapping[int, int]) -> Iterator[Event]:
    layers = {one.layer.tag: one.layer for one in profile.layers}
    shares = _shares(profile)
    for one in profile.done:
        layer = layers[one.tag]
        yield {
            "ph": "X", "pid": _PROCESS, "tid": tracks[one.index], "cat": UNIT_NAMES[one.unit],
            "name": layer.name, "ts": one.start, "dur": one.cycles,
            "args": {
                "operator": layer.kind, "tag": one.tag, "descriptor": one.index,
                "after": list(one.after),
                **_work(one, profile.network.spec, shares.get(one.tag, 0.0)),
            },
        }  # fmt: skip


def _shares(profile: Profile) -> dict[int, float]:
    """Multiply-accumulates of a beat, by layer: those of the network over all of its beats."""
    spec = profile.network.spec
    beats: dict[int, int] = defaultdict(int)
    for one in profile.done:
        if one.unit is Unit.MATRIX:
            beats[one.tag] += beats_of(one.descriptor, spec)
    macs = {one.layer.tag: one.layer.macs for one in profile.layers}
    return {tag: macs[tag] / count for tag, count in beats.items()}


def _work(one: Executed, spec: MachineSpec, share: float) -> Event:
    fields = one.descriptor.fields
    match one.unit:
        case Unit.LOAD:
            size = fields["beats"] * spec.axi_bytes
            target = LoadTarget(fields["target"]).name.lower()
            return {"bytes": size, "beats": fields["beats"], "target": target,
                    "window": fields["window"]}  # fmt: skip
        case Unit.STORE:
            size = fields["words"] * spec.word_pitch
            return {"bytes": size, "beats": size // spec.axi_bytes, "window": fields["window"]}
        case Unit.WEIGHT:
            source = WeightSource(fields["source"]).name.lower()
            return {"tiles": fields["tiles"], "entries": fields["entries"], "source": source}
        case Unit.MATRIX:
            beats = beats_of(one.descriptor, spec)
            return {"beats": beats, "macs": round(beats * share), "tiles": fields["tiles"],
                    "tokens": fields["tokens"]}  # fmt: skip
        case _:
            return {"function": VectorOp(fields["op"]).name.lower(), "rows": fields["rows"],
                    "channels": fields["channels"]}  # fmt: skip


def _counters(profile: Profile) -> Iterator[Event]:
    """Bytes and beats of each range of cycles, spread evenly over what moved or took them."""
    spec = profile.network.spec
    step = max(1, -(-profile.cycles // WINDOWS))
    names = ("bytes read", "bytes written", "beats")
    totals = {name: [0.0] * (profile.cycles // step + 2) for name in names}
    for one in profile.done:
        own = moved([one.descriptor], spec)
        beats = beats_of(one.descriptor, spec) if one.unit is Unit.MATRIX else 0
        for name, amount in zip(names, (own.read, own.written, beats), strict=True):
            if amount:
                _spread(totals[name], amount, one, step)
    for name, values in totals.items():
        for index, value in enumerate(values):
            yield {"ph": "C", "pid": _PROCESS, "name": f"{name} in {step} cycles",
                   "ts": index * step, "args": {name: round(value, 1)}}  # fmt: skip


def _spread(into: list[float], amount: int, one: Executed, step: int) -> None:
    for index in range(one.start // step, (max(one.start, one.stop - 1)) // step + 1):
        inside = min(one.stop, (index + 1) * step) - max(one.start, index * step)
        into[index] += amount * inside / max(one.cycles, 1)
