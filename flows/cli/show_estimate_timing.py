"""The static timing floor of a machine, beside the clock it is to run at."""

from typing import Any

from flows.boards import Board
from flows.cli.progress import StageProgress
from flows.cli.table import table
from flows.work.cache import made_folder
from models.machine.spec import MachineSpec

__all__ = ["print_timing", "timing"]


def timing(spec: MachineSpec, board: Board) -> dict[str, Any]:
    """Report of the whole machine; ``as_part_of`` says which family's delays it has."""
    from flows.estimate.timing.machine_timing import FAMILY, machine_timing

    kept = made_folder("timing", "timing reports")
    with StageProgress() as progress:
        progress.stage("Yosys: the whole machine", 0, 1)
        found = machine_timing(spec, kept=kept)
    return {"as_part_of": f"{FAMILY} -1", "own_family": board.family == FAMILY, **found}


def print_timing(found: dict[str, Any], clock_mhz: float) -> None:
    """The floor in words, and the units with their slowest paths."""
    from flows.estimate.timing.report import floor_text

    print()
    print(floor_text(found["floor_ns"], clock_mhz))
    print(
        f"  {found['endpoints']:,} paths between registers, up to {found['levels']} LUTs; slower "
        "than " + ", ".join(f"{ns} ns: {count:,}" for ns, count in found["over"].items())
    )
    if not found["own_family"]:
        print(f"  as a part of {found['as_part_of']}: there are no delays of this board's family")
    slowest = found["worst"][0]
    print(f"  slowest: {slowest['from']} -> {slowest['to']}")
    over = [f"> {ns} ns" for ns in found["over"]]
    rows = [
        (name, f"{one['floor_ns']:.2f}", one["endpoints"], *one["over"].values(), one["levels"])
        for name, one in found["units"].items()
    ]
    print(table(("unit", "floor, ns", "paths", *over, "LUTs"), rows))
