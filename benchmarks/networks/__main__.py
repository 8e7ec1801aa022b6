"""Networks that nobody here made, on two boards: what works, and in how many cycles.

``python -m benchmarks.networks``: torchvision's and timm's shapes with random weights, quantised by
onnxruntime, and two named workloads. Each pair of network and board is imported, gets the machine
of ``rowmac build``, is mapped, and run on golden machine and integer graph, which must agree in
every code of the output. Networks of up to ``--simulate`` million multiply-accumulates run through
the generated Verilog as well. ``--machine`` names another machine, as ``rowmac build`` takes it;
those of ``benchmarks/networks/machines`` are faster ones for single networks. What was found out is
kept in ``--store``, under the digest of the network's file and the mark of this project's sources,
so that a run that was stopped goes on. Files of networks are kept in ``--files`` and made where
they are missing; packages that are missing leave a network out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.networks.row import checked, chosen_machine
from benchmarks.networks.simulated import simulated
from benchmarks.networks.store import CHECKED, SIMULATED, SYNTHESISED, Store
from benchmarks.networks.subject import Subject
from benchmarks.networks.synthesised import synthesised
from benchmarks.networks.table import HEAD, lines
from benchmarks.networks.torch_networks import NETWORKS, Missing
from benchmarks.networks.workload_subject import WORKLOAD_NETWORKS, WorkloadSubject
from benchmarks.report import arguments, show
from flows.boards import Board, find
from flows.boards.memory_port import MEMORIES
from flows.cli.table import table
from flows.machine.machine_file import read_machine
from models.machine.memory import NEAR
from models.machine.spec import MachineSpec

BUILD = Path(__file__).resolve().parents[2] / "build"
NAMES = (*WORKLOAD_NETWORKS, *NETWORKS)
BOARDS = ("arty-z7-20", "zcu102")
Row = dict[str, Any]


def rows(
    networks: Sequence[str],
    boards: Sequence[str],
    files: Path,
    store: Store,
    *,
    most_macs: float = 0,
    synthesise: bool = False,
    machine: MachineSpec | None = None,
    memory: str = NEAR.name,
) -> Iterator[Row]:
    """Rows as they are finished; one network is in memory at a time."""
    for name in networks:
        kind = WorkloadSubject if name in WORKLOAD_NETWORKS else Subject
        subject = kind(name, files, machine, memory)
        for board in map(find, boards):
            row: Row = {"network": name, "board": board.name, "cycles": None}
            try:
                key = subject.key  # with the digest of a file that is made now if there is none
            except Missing as error:
                yield row | {"fits": False, "reason": f"left out: {error}", "exact": None}
                continue
            row |= _kept(store, CHECKED, subject, board, checked)
            runs = row["exact"] is not None
            if runs and row["macs"] <= most_macs:
                row |= _kept(store, SIMULATED, subject, board, simulated)
            else:
                row |= store.find(SIMULATED, name, board.name, key) or {}
            if runs and synthesise:
                row |= _kept(store, SYNTHESISED, subject, board, _synthesised)
            yield row


def _kept(
    store: Store, kind: str, subject: Subject, board: Board, find_out: Callable[..., Row]
) -> Row:
    found = store.find(kind, subject.name, board.name, subject.key)
    if found is not None:
        return found
    print(f"{subject.name} on {board.name}: to be {kind}", file=sys.stderr)
    return store.keep(kind, subject.name, board.name, subject.key, find_out(subject, board))


def _synthesised(subject: Subject, board: Board) -> Row:
    return synthesised(chosen_machine(subject, board).spec, board)


def names(text: str) -> list[str]:
    """Names of networks with commas between; all of them if there is none."""
    found = [name for name in text.split(",") if name] or [*NAMES]
    for name in found:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(
                f"networks must be of {', '.join(NAMES)}, not {name!r}"
            )
    return found


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        networks={"type": names, "default": names(""), "metavar": "NAMES",
                  "help": f"with commas between, of {', '.join(NAMES)} (default: all)"},
        boards={"type": lambda text: text.split(","), "default": [*BOARDS], "metavar": "NAMES",
                "help": f"with commas between (default: {','.join(BOARDS)})"},
        simulate={"type": float, "default": 200, "metavar": "MMAC",
                  "help": "simulate networks of up to so many million MACs (default 200); 0: none"},
        machine={"type": Path, "metavar": "FILE.toml",
                 "help": "the machine, on its board (default: what a build chooses)"},
        memory={"choices": MEMORIES, "default": NEAR.name,
                "help": "the memory of simulation and estimate (default: near)"},
        synthesise={"action": "store_true", "help": "Yosys on every machine as well: minutes each"},
        files={"type": Path, "default": BUILD / "networks", "metavar": "DIR",
               "help": "folder of network files, made where missing (default: build/networks)"},
        store={"type": Path, "default": BUILD / "networks.jsonl", "metavar": "FILE",
               "help": "what was found out before (default: build/networks.jsonl)"},
    )  # fmt: skip
    boards, spec = options.boards, None
    if options.machine is not None:
        given = read_machine(options.machine)
        boards, spec = [given.board.name], given.spec
    found = [
        *rows(
            options.networks, boards, options.files, Store(options.store),
            most_macs=options.simulate * 1e6, synthesise=options.synthesise,
            machine=spec, memory=options.memory,
        )
    ]  # fmt: skip
    if options.json:
        show({"rows": found}, as_json=True)
    else:
        print(table(HEAD, lines(found)))
        for row in found:
            if row.get("reason"):
                print(f"{row['network']} on {row['board']}: {row['reason']}")
    if wrong := [row for row in found if row["exact"] is False or row.get("codes_wrong")]:
        of = ", ".join(f"{row['network']} on {row['board']}" for row in wrong)
        raise SystemExit(f"every code must be the integer graph's, not so of {of}")


if __name__ == "__main__":
    main()
