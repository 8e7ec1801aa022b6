"""Synthesises the parts of machines that resource estimates are fitted to and compared with.

``python -m benchmarks.resource_points [--minutes N]`` goes on where it was stopped: every part
synthesised is one line of the file of points. ``--stale`` also looks for parts whose Verilog is
another one by now, and synthesises those again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import arguments, show
from flows.estimate.resources.parts import Part, machine_parts
from flows.estimate.resources.synthesis import part_verilog, synthesise_part, yosys_version
from flows.estimate.stale import record
from flows.work.workers import LocalWorkers
from models.formats.row_classes import parse_row_classes
from models.machine.spec import MachineSpec

POINTS = Path(__file__).resolve().parents[1] / "flows/estimate/data/resource_points.jsonl"


def _machine(shape: tuple[int, int, int], rows: int | str, **others: Any) -> MachineSpec:
    lanes, tokens, vector_lanes = shape
    classes = () if isinstance(rows, int) else parse_row_classes(rows)
    count = rows if isinstance(rows, int) else sum(kind.rows for kind in classes)
    return MachineSpec(lanes=lanes, tokens=tokens, vector_lanes=vector_lanes, rows=count,
                       classes=classes, **others)  # fmt: skip


def calibration() -> list[tuple[MachineSpec, str]]:
    """Machines whose parts the coefficients are fitted to."""
    return [
        (_machine((4, 2, 4), 8, depth=256, banks=2, bank_words=512, param_entries=128,
                  row_group=8, axi_width=32, queue_depth=2), "xc7"),
        (_machine((8, 4, 8), "fixed8:8,pot4:8", depth=1024, banks=4, bank_words=2048,
                  axi_width=64, param_entries=512, queue_depth=4), "xc7"),
        (_machine((4, 4, 4), "binary:8", depth=512, banks=8, bank_words=1024, act_bits=6,
                  axi_width=128, param_entries=1024, row_group=32, queue_depth=8), "xcup"),
        (_machine((16, 1, 4), "fixed4:8,esb4.1:4", depth=2048, banks=1, bank_words=4096,
                  act_bits=5, axi_width=64, param_entries=256, row_group=16), "xc7"),
        (_machine((8, 2, 8), 8), "xcup"),
        (_machine((16, 2, 16), "fixed6:16,sp2:8,ternary:8", depth=4096, banks=2, bank_words=1024,
                  act_bits=7, axi_width=128, param_entries=512, row_group=64, queue_depth=4),
         "xcup"),
        (_machine((4, 1, 2), "fixed8:4", depth=128, banks=4, bank_words=512, row_group=4,
                  axi_width=32, param_entries=64, queue_depth=2), "xc7"),
        (_machine((8, 8, 16), "fixed8:16,pot3:16", depth=1024, banks=4, bank_words=1024,
                  act_bits=4, axi_width=128, param_entries=512), "xc7"),
        (_machine((8, 2, 8), 8), "xc7"),
        (_machine((8, 2, 4), "fixed5:4,pot5:4", depth=512, act_bits=8, banks=2), "xcup"),
        (_machine((4, 2, 4), "esb5.3:4,esb5.1:4", depth=512, act_bits=6, banks=2), "xc7"),
        (_machine((16, 4, 32), 32, depth=2048, axi_width=128), "xcup"),
    ]  # fmt: skip


_ARRAYS = {
    ((8, 2, 4), "xc7"): (8, "fixed8:4,pot4:4", "fixed4:4,binary:4", "esb4.2:4"),
    ((4, 2, 2), "xcup"): (4, "fixed6:4", "fixed8:2,sp2:2,binary:2", "ternary:4"),
    ((6, 2, 2), "xc7"): (6, "fixed8:4,esb4.1:4,binary:4", "pot5:4", "fixed8:2,fixed4:4"),
    ((12, 2, 4), "xcup"): (12, "fixed8:4,pot3:4", "fixed7:4,esb3.1:4", "fixed2:8"),
    ((4, 4, 8), "xc7"): (8, "fixed5:8,esb5.2:8", "fixed3:8,ternary:8", "binary:16"),
}
"""Held-out arrays: shape (lanes, tokens, vector lanes) and family, and their rows."""

EACH = 14
"""Machines around each held-out array."""


def held_out() -> list[tuple[MachineSpec, str]]:
    """Machines that estimates are compared with: each array in several random surroundings.

    Surroundings are drawn from a few of each shape, so that machines share parts.
    """
    machines = []
    for index, ((shape, family), arrays) in enumerate(_ARRAYS.items()):
        random = np.random.default_rng(2026 + index)

        def one(*values: int, random: np.random.Generator = random) -> int:
            return int(random.choice(values))

        group, params, narrow = one(4, 8, 16, 32), one(128, 256, 512, 1024), one(4, 5, 6, 7, 8)
        buses = random.choice((32, 64, 128), 2, replace=False).tolist()
        pads = [(banks, one(256, 512, 1024, 2048, 4096))
                for banks in random.choice((1, 2, 4, 8), 3, replace=False).tolist()]  # fmt: skip
        around = list(itertools.product(pads, buses, (2, 4, 8)))
        for rows in arrays:
            act_bits = 8 if isinstance(rows, int) else narrow
            depth = shape[0] * one(24, 64, 128, 200)
            for at in random.choice(len(around), EACH, replace=False):
                (banks, words), bus, queue = around[at]
                spec = _machine(shape, rows, act_bits=act_bits, depth=depth, row_group=group,
                                param_entries=params, axi_width=bus, banks=banks,
                                bank_words=words, queue_depth=queue)  # fmt: skip
                machines.append((spec, family))
    return machines


def part_id(part: Part, family: str) -> str:
    """What identifies a netlist in the file of points."""
    return json.dumps([part.name, family, dict(part.key)])


def read_points(path: Path = POINTS) -> dict[str, dict[str, Any]]:
    """Figures and the digest of the Verilog by :func:`part_id`; of two lines the last counts."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            name = json.dumps([entry["part"], entry["family"], entry["key"]])
            found[name] = {k: entry[k] for k in ("lut", "ff", "dsp", "verilog") if k in entry}
    return found


def digest(text: str) -> str:
    """Of a part's Verilog."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


Work = tuple[MachineSpec, str, int]
"""A machine, its family, and which of its parts."""


def synthesise_missing(
    machines: list[tuple[MachineSpec, str]],
    path: Path = POINTS,
    *,
    minutes: float = 1e9,
    stale: bool = False,
    jobs: int = 0,
) -> tuple[int, int]:
    """Add the parts of machines that the file does not have; how many there are and are missing.

    With ``stale`` a part whose Verilog has changed is missing as well; ``jobs`` are processes, 0
    for all cores.
    """
    known = read_points(path)
    wanted: dict[str, Work] = {}
    for spec, family in machines:
        for number, part in enumerate(machine_parts(spec, family)):
            wanted.setdefault(part_id(part, family), (spec, family, number))
    left = {
        name: work
        for name, work in wanted.items()
        if name not in known
        or (stale and digest(part_verilog(_part(work))) != known[name].get("verilog"))
    }
    path.parent.mkdir(exist_ok=True)
    begin = time.monotonic()
    tasks = list(left.values())
    done = 0
    with LocalWorkers(_synthesised, jobs) as workers:
        for entry in workers.run(tasks):
            with path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            done += 1
            name = json.dumps([entry["part"], entry["family"], entry["key"]])
            seconds = time.monotonic() - begin
            print(f"{done} of {len(tasks)} after {seconds:.0f} s: {name}", file=sys.stderr,
                  flush=True)  # fmt: skip
            if seconds > 60 * minutes:
                break
    return len(wanted), len(tasks) - done


def _part(work: Work) -> Part:
    spec, family, number = work
    return machine_parts(spec, family)[number]


def _synthesised(work: Work) -> dict[str, Any]:
    # Parts are made only to be named.
    warnings.simplefilter("ignore")
    part, family = _part(work), work[1]
    text = part_verilog(part)
    netlist = synthesise_part(part, family, text)
    return {"part": part.name, "family": family, "key": dict(part.key), "lut": netlist.lut,
            "ff": netlist.ff, "dsp": netlist.dsp, "yosys": yosys_version(),
            "verilog": digest(text)}  # fmt: skip


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        minutes={"type": float, "default": 1e9, "help": "stop after so many"},
        stale={"action": "store_true", "help": "also parts whose Verilog has changed"},
        jobs={"type": int, "default": 0, "help": "processes (all cores)"},
        out={"type": Path, "default": POINTS},
    )
    # Parts are made only to be named.
    warnings.simplefilter("ignore")
    machines = [*calibration(), *held_out()]
    wanted, missing = synthesise_missing(
        machines, options.out, minutes=options.minutes, stale=options.stale, jobs=options.jobs
    )
    if options.stale and not missing and options.out == POINTS:
        record("resources")
    show({"parts": wanted, "missing": missing}, as_json=options.json)


if __name__ == "__main__":
    main()
