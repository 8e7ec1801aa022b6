"""The sequencer: each unit gets its descriptors in order, none before its tokens are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.mapper import map_network
from hdl.control.sequencer import TOKEN_BITS, Sequencer
from hdl.emit import emit
from models.machine.units import UNITS, Unit
from models.program.descriptor import Descriptor, decode_program
from models.program.layout import DESCRIPTOR_BYTES, FIELDS, HEADER, Field, pack, width
from models.program.legal import rules
from models.program.registers import ErrorCode
from sim.runner import Design, build
from tests.support.random_networks import random_network
from tests.support.specs import SMALL

BENCH = "tests.support.hdl.bench_sequencer"


def reach(field: Field) -> tuple[int, int]:
    """Least and largest value that it can hold."""
    low = -(1 << field.bits - 1) if field.signed else 0
    return low, low + (1 << field.bits) - 1


def legal_fields(rng: np.random.Generator, unit: Unit) -> dict[str, int]:
    """Random values of a unit's fields that keep its rules, often at their limits."""
    values = {}
    for name, field in FIELDS[unit].items():
        values[name] = int(rng.integers(*reach(field), endpoint=True))
    for rule in rules(SMALL)[unit]:
        *others, name = rule.fields
        most = reach(FIELDS[unit][name])[1]
        high = most if rule.high is None else rule.high
        if not rule.holds(values):
            values |= dict.fromkeys(others, 0)
            if rule.minus is not None:
                values[rule.minus] = 0
            limits = (rule.low, min(high, most))
            values[name] = int(rng.choice([*limits, int(rng.integers(limits[0], limits[1] + 1))]))
    return values


def random_program(rng: np.random.Generator, count: int) -> list[dict[str, int]]:
    """Any units, any bits, tokens at random; only what was given before is waited for."""
    there = np.zeros((UNITS, UNITS), dtype=int)
    most = int(rng.choice([1, 3, 255]))
    program = []
    units = rng.choice(UNITS, count, p=rng.dirichlet(np.ones(UNITS)))
    for unit in units.tolist():
        wait = [p for p in range(UNITS) if there[p, unit] and rng.random() < 0.5]
        there[wait, unit] -= 1
        signal = [c for c in range(UNITS) if there[unit, c] < most and rng.random() < 0.4]
        there[unit, signal] += 1
        program.append(
            {
                "unit": unit,
                "wait": sum(1 << p for p in wait),
                "signal": sum(1 << c for c in signal),
                "tag": int(rng.integers(1 << 16)),
                "fields": fields_and_more(rng, Unit(unit)),
            }
        )
    return program


def fields_and_more(rng: np.random.Generator, unit: Unit) -> int:
    """Legal fields, and anything in the bits behind them."""
    used = width(FIELDS[unit])
    more = int.from_bytes(rng.bytes(120), "little") >> used + 8
    return pack(FIELDS[unit], legal_fields(rng, unit)) | more << used


def mapped_program(kind: str, seed: int) -> list[dict[str, int]]:
    """What the mapper makes of a random network."""
    image = map_network(random_network(kind, seed), SMALL, trace=True).image.tobytes()
    return [
        {"unit": d.unit, "wait": d.wait, "signal": d.signal, "tag": d.tag,
         "fields": pack(FIELDS[d.unit], d.fields)}
        for d in decode_program(SMALL, image)
    ]  # fmt: skip


def job(program: list[dict[str, int]], *, ended: bool = True, **more: Any) -> dict[str, Any]:
    """A program for the bench: raw descriptors, and the bits that each unit takes of them."""
    raw = [
        pack(HEADER, {k: d[k] for k in ("unit", "wait", "signal", "tag")}) | d["fields"] << 32
        for d in program
    ]
    sizes = [width(FIELDS[Unit(u)]) for u in range(UNITS)]
    end = int.from_bytes(Descriptor(unit=Unit.END).encode(), "little")
    assert all(word < 1 << 8 * DESCRIPTOR_BYTES for word in raw)
    return {
        "raw": [*raw, end] if ended else raw,
        "program": [
            {**d, "fields": d["fields"] & ((1 << sizes[d["unit"]]) - 1)} if d["unit"] < UNITS else d
            for d in program
        ],
        "error": 0,
        **more,
    }


def run(
    jobs: list[dict[str, Any]], cache: Path, work: Path, seed: int, *, crowded: bool = False
) -> None:
    """All jobs in one simulator; the bench judges. ``crowded``: units begin all that they may."""
    text = emit(Sequencer(SMALL), "sequencer")
    simulator = build(Design(top="sequencer", generated={"sequencer": text}), cache)
    plusargs = {"jobs": "jobs.json", "stalls": str(seed), "crowded": str(int(crowded))}
    (work / "jobs.json").write_text(json.dumps(jobs))
    simulator.run(BENCH, work, seed=seed, plusargs=plusargs)


@pytest.mark.parametrize("seed", [1, 2])
def test_programs(seed: int, simulators: Path, tmp_path: Path) -> None:
    """Random and mapped ones; units of any speed; dispatch interrupted at random."""
    rng = np.random.default_rng(seed)
    jobs = [job([])]
    for slowest in (1, 4, 40):
        jobs.append(job(random_program(rng, 120), slowest=slowest))
        jobs.append(job(random_program(rng, 60), slowest=slowest, interrupted=True))
    for kind in ("attention", "convolution", "pooling", "chain"):
        jobs.append(job(mapped_program(kind, seed), slowest=20))
    run(jobs, simulators, tmp_path, seed, crowded=True)


@pytest.mark.parametrize("unit", range(UNITS, Unit.END))
def test_unknown_unit(unit: int, simulators: Path, tmp_path: Path) -> None:
    """Told, and never taken."""
    some = random_program(np.random.default_rng(unit), 10)
    bad = {"unit": unit, "wait": 0, "signal": 0, "tag": 0, "fields": 0}
    error = int(ErrorCode.BAD_DESCRIPTOR)
    run([job([*some, bad], error=error, ended=False)], simulators, tmp_path, unit)


def test_broken_rules(simulators: Path, tmp_path: Path) -> None:
    """A descriptor that breaks any one rule, by as little as can be, is told and never taken."""
    rng = np.random.default_rng(4)
    jobs = []
    for unit, unit_rules in rules(SMALL).items():
        for rule in unit_rules:
            name = rule.fields[-1]
            least, most = reach(FIELDS[unit][name])
            for total in (rule.low - 1, None if rule.high is None else rule.high + 1):
                if total is None or total < least:
                    continue
                values = legal_fields(rng, unit) | dict.fromkeys(rule.fields, 0)
                first = min(total, reach(FIELDS[unit][rule.fields[0]])[1])
                values[rule.fields[0]] = first
                if rule.op is not None:
                    values["op"] = rule.op
                if rule.minus is not None:
                    values[rule.minus] = 0
                if len(rule.fields) > 1:
                    values[name] = total - first
                if max(values[f] for f in rule.fields) > most and total > most:
                    continue  # the field cannot hold it
                bad = {"unit": unit, "wait": 0, "signal": 0, "tag": 0,
                       "fields": pack(FIELDS[unit], values)}  # fmt: skip
                jobs.append(job([bad], error=int(ErrorCode.BAD_DESCRIPTOR), ended=False))
    assert len(jobs) >= 30
    run(jobs, simulators, tmp_path, 4)


def test_token_overflow(simulators: Path, tmp_path: Path) -> None:
    """The token too much is told; the last one that fits, and one taken in between, are fine."""
    most = (1 << TOKEN_BITS) - 1
    rng = np.random.default_rng(0)
    load, matrix = (pack(FIELDS[u], legal_fields(rng, u)) for u in (Unit.LOAD, Unit.MATRIX))
    one = {"unit": Unit.LOAD, "wait": 0, "signal": 1 << Unit.MATRIX, "tag": 0, "fields": load}
    taker = {"unit": Unit.MATRIX, "wait": 1 << Unit.LOAD, "signal": 0, "tag": 1, "fields": matrix}
    error = int(ErrorCode.TOKEN_OVERFLOW)
    jobs = [
        job([one] * most),
        job([*[one] * most, *[taker] * most]),
        job([one, taker, *[one] * most]),
        job([one] * (most + 1), error=error, ended=False),
    ]
    run(jobs, simulators, tmp_path, 3)
