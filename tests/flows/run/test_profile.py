"""Profiles and traces of a machine that does one descriptor after the other."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flows.mapper import MappedNetwork, map_network
from flows.run.execute import ImageResult
from flows.run.moved import Moved, beats_of, moved
from flows.run.perfetto import WINDOWS, trace_of
from flows.run.profile import FIRST, LAST, Profile, profile
from models.machine.units import UNIT_NAMES, WORKING_UNITS, Unit
from models.program.descriptor import Descriptor, decode_program
from models.program.layout import LoadTarget
from sim.system import EVENT
from tests.support.mixed_networks import mixed_network
from tests.support.specs import ODD

SPEC = replace(ODD, bank_words=ODD.bank_words // 4)
LENGTH, PAUSE = 7, 3


@pytest.fixture(scope="module")
def network() -> MappedNetwork:
    return map_network(mixed_network(0, SPEC), SPEC)


@pytest.fixture(scope="module")
def made(network: MappedNetwork) -> Profile:
    return profile(network, result(network))


def result(network: MappedNetwork, *, without: int = 0) -> ImageResult:
    """A run of one descriptor after the other; ``without`` the last ones."""
    program = decode_program(network.spec, network.image.tobytes())
    events = []
    at = PAUSE
    for one in program[: len(program) - without]:
        events += [(at, one.tag, one.unit, 1), (at + LENGTH, one.tag, one.unit, 0)]
        at += LENGTH + PAUSE
    return ImageResult(
        output=np.zeros(0, np.int64), trace={}, cycles=at, cpu_seconds=0, busy={}, stall={},
        events=np.array(events, EVENT),
    )  # fmt: skip


def test_layers_add_up(made: Profile, network: MappedNetwork) -> None:
    count = network.descriptors
    assert made.cycles == count * (LENGTH + PAUSE) + PAUSE
    assert made.outside == 2 * PAUSE
    assert sum(one.added for one in made.layers) == made.cycles - made.outside
    for one in made.layers:
        own = sum(d.tag == one.layer.tag for d in made.done)
        assert one.time.stop - one.time.start == own * (LENGTH + PAUSE) - PAUSE
        assert one.time.work + sum(one.time.waits.values()) == one.time.stop - one.time.start
    assert made.macs == sum(layer.macs for layer in network.layers)
    assert made.fetched == (count + 2) * 128


def test_bytes_add_up(made: Profile, network: MappedNetwork) -> None:
    program = [one.descriptor for one in made.done]
    assert made.moved == moved(program, SPEC)
    assert made.layers[-1].layer.name == LAST
    assert made.layers[-1].moved == Moved(written=network.output.size_bytes)


def test_beats_are_those_of_the_mapper(made: Profile) -> None:
    beats: dict[int, int] = defaultdict(int)
    for one in made.done:
        if one.unit is Unit.MATRIX:
            beats[one.tag] += beats_of(one.descriptor, SPEC)
    assert {one.layer.tag: one.layer.beats for one in made.layers if one.layer.beats} == beats


def test_bytes_of_loads_and_stores() -> None:
    def load(target: LoadTarget) -> Descriptor:
        return Descriptor(unit=Unit.LOAD, fields={"target": target, "beats": 1 << target})

    program = [load(target) for target in LoadTarget]
    program.append(Descriptor(unit=Unit.STORE, fields={"words": 5}))
    own = moved(program, SPEC)
    assert own.tensors == SPEC.axi_bytes
    assert own.weights == 2 * SPEC.axi_bytes
    assert own.parameters == (4 + 8 + 16 + 32 + 64) * SPEC.axi_bytes
    assert own.written == 5 * SPEC.word_pitch
    assert own.read == 127 * SPEC.axi_bytes


def test_where_tensors_lay(made: Profile, network: MappedNetwork) -> None:
    """The image comes in strips, maps pass through the work window, the last ones lie on chip."""
    layers = [one for one in made.layers if one.layer.name not in (FIRST, LAST)]
    assert layers[0].reads[0].place == "input"
    places = [*(where for one in layers for where in one.reads), *(one.makes for one in layers)]
    assert {where.place for where in places if where} == {"input", "work", "scratchpad"}
    assert str(layers[-1].makes) == "scratchpad"
    loads = sum(
        one.unit is Unit.LOAD and one.descriptor.fields["target"] == LoadTarget.SCRATCHPAD
        for one in made.done
    )
    assert sum(where.strips for one in layers for where in one.reads) == loads
    stores = sum(one.unit is Unit.STORE for one in made.done)
    assert sum(one.makes.strips for one in layers if one.makes) == stores - 1


def test_events_that_lack(network: MappedNetwork) -> None:
    with pytest.raises(ValueError, match="events of the store unit must be those of its"):
        profile(network, result(network, without=1))


def test_trace(made: Profile) -> None:
    """As the format has it: whole times, slices of a track side by side, every event complete."""
    trace = json.loads(json.dumps(trace_of(made, "a network", 125.0)))
    assert trace["otherData"]["time unit"] == "1 us is 1 cycle"
    assert trace["otherData"]["clock"] == "125 MHz"
    events = trace["traceEvents"]
    assert {one["ph"] for one in events} == {"M", "X", "C"}
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(names.values()) == [*UNIT_NAMES, "layers"]
    tracks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in events:
        if one["ph"] == "X":
            tracks[names[one["tid"]]].append(one)
    for slices in tracks.values():
        ends = [one["ts"] + one["dur"] for one in slices]
        assert all(isinstance(end, int) for end in ends)
        assert all(end <= one["ts"] for end, one in zip(ends, slices[1:], strict=False))
    assert sum(one["dur"] for one in tracks.pop("layers")) == made.cycles - made.outside
    kinds = {one.layer.name: one.layer.kind for one in made.layers}
    for name, slices in tracks.items():
        own = [one for one in made.done if UNIT_NAMES[one.unit] == name]
        assert [one["args"]["descriptor"] for one in slices] == [one.index for one in own]
        assert all(one["args"]["operator"] == kinds[one["name"]] for one in slices)
    for unit, what in ((Unit.LOAD, made.moved.read), (Unit.STORE, made.moved.written)):
        assert sum(one["args"]["bytes"] for one in tracks[UNIT_NAMES[unit]]) == what
    macs = sum(one["args"]["macs"] for one in tracks["matrix"])
    assert macs == pytest.approx(made.macs, abs=len(tracks["matrix"]))
    assert set(tracks) <= {UNIT_NAMES[unit] for unit in WORKING_UNITS}


def test_counters(made: Profile) -> None:
    """What each range of cycles has adds up to what the run has."""
    totals: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for one in trace_of(made, "a network", 100.0)["traceEvents"]:
        if one["ph"] == "C":
            name = one["name"].partition(" in ")[0]
            totals[name] += one["args"][name]
            counts[name] += 1
    assert max(counts.values()) <= WINDOWS + 2
    beats = sum(one.layer.beats for one in made.layers)
    want = {"bytes read": made.moved.read, "bytes written": made.moved.written, "beats": beats}
    assert set(totals) == set(want)
    for name, value in want.items():
        assert totals[name] == pytest.approx(value, abs=0.05 * counts[name])
