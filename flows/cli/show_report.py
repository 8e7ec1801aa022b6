"""Work and output of ``rowmac report``."""

import argparse
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.cli.progress import StageProgress
from flows.errors import UserError
from flows.machine.machine_file import MachineFile, machine_toml
from flows.sweep.around_file import file_of
from flows.sweep.stored_sweep import Stored, read_store
from flows.sweep.sweep_report.csv_file import write_csv
from flows.sweep.sweep_report.page import render
from flows.sweep.sweep_report.sweep_content import Group, groups, refusals, select
from flows.work.atomic import output_file

__all__ = ["show"]

STAGES = ("reading the store", "fronts", "writing")


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Write page and table; the result holds each group's chosen point."""
    _check(options.store, options.output, options.csv, options.write_machine)
    with StageProgress() as progress:
        progress.stage(STAGES[0], 0, len(STAGES))
        stored = read_store(options.store)
        stored = replace(stored, entries=select(stored.entries, options.network))
        progress.stage(STAGES[1], 1, len(STAGES))
        found = groups(stored.entries, options.choose)
        machine = None if options.write_machine is None else _machine(found)
        progress.stage(STAGES[2], 2, len(STAGES))
        _write(options, stored, found, machine)
    result = _result(options, stored, found)
    if not options.json:
        _print(result)
    return result


def _check(store: Path, page: Path, table: Path | None, machine: Path | None) -> None:
    """See that store, page, table and machine are different files."""
    kept = {"the store": store}
    for name, what, file in (
        ("-o/--output", "the page", page),
        ("--csv", "the table", table),
        ("--write-machine", "the machine", machine),
    ):
        if file is None:
            continue
        for other, known in kept.items():
            if _same(file, known):
                raise UserError(f"{name} must be another file than {other}, not {file}")
        kept[what] = file


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _machine(found: list[Group]) -> MachineFile:
    """The one machine that is chosen.

    Raises
    ------
    UserError
        If it is none, or one of several.
    """
    points = [g.entries[g.chosen].point for g in found if g.chosen is not None and not g.macro]
    if len(points) != 1:
        raise UserError(
            "--write-machine must be of a store with one chosen machine, not with "
            f"{len(points) or 'none'} (--network takes the points of one network)"
        )
    return file_of(points[0])


def _write(
    options: argparse.Namespace, stored: Stored, found: list[Group], machine: MachineFile | None
) -> None:
    """Write all files, or none if one fails."""
    with ExitStack() as outputs:
        page = outputs.enter_context(output_file(options.output))
        page.write_text(render(stored, found), encoding="utf-8", errors="backslashreplace")
        if options.csv is not None:
            table = outputs.enter_context(output_file(options.csv))
            write_csv(table, stored.entries, found)
        if machine is not None:
            file = outputs.enter_context(output_file(options.write_machine))
            file.write_text(machine_toml(machine), encoding="utf-8")


def _result(options: argparse.Namespace, stored: Stored, found: list[Group]) -> dict[str, Any]:
    return {
        "report": str(options.output),
        "csv": None if options.csv is None else str(options.csv),
        "machine_file": None if options.write_machine is None else str(options.write_machine),
        "model": stored.model,
        "points": len(stored.entries),
        "errors": [
            {"stage": stage, "reason": text, "count": count}
            for stage, text, count in refusals(stored.entries)
        ],
        "groups": [
            {
                "network": group.network or None,
                "board": group.board.name,
                "macro": group.macro,
                "points": len(group.entries),
                "fitting": len(group.fitting),
                "front": len(group.best),
                "shown": len(group.shown),
                "published": len(group.anchors),
                "rule": group.rule,
                "chosen": _chosen(group),
            }
            for group in found
        ],
    }


def _chosen(group: Group) -> dict[str, Any] | None:
    if group.chosen is None:
        return None
    entry = group.entries[group.chosen]
    return {"point": entry.point, **entry.values}


def _print(result: dict[str, Any]) -> None:
    for group in result["groups"]:
        points = (
            f"{group['network'] or 'no network'} on {group['board']}: {group['points']:,} points"
        )
        if group["macro"]:
            print(f"{points} around macros, whose cost is not modelled")
            continue
        print(f"{points}, {group['fitting']:,} fit, {group['front']:,} on the Pareto front")
        chosen = group["chosen"]
        if chosen is None:
            print(f"  no point chosen: none meets the rule: {group['rule']}")
            continue
        value = chosen["estimate"]
        gain = f"{value['fps']:,.1f} images a second, " if "fps" in value else ""
        print(
            f"  chosen: {gain}{value['lut']:,} LUTs, {value['dsp']:,} DSP slices, "
            f"{value['bram36']:,} block RAMs (estimates)"
        )
    refused = sum(error["count"] for error in result["errors"])
    if refused:
        print(f"{refused:,} refused, with reasons on the page")
    print(f"page: {result['report']}")
    if result["csv"] is not None:
        print(f"table: {result['csv']}")
    if result["machine_file"] is not None:
        print(f"machine: {result['machine_file']}")
