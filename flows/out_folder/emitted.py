"""Files of a built folder that follow from its board and machine: written, and checked again.

A folder may come from somebody else, and what is in it is run: its Verilog becomes a program, its
Tcl script is given to Vivado. The checksums beside the files only show accidents. So the files are
made again and compared; as that takes seconds, their digests are kept in the user's own cache under
all that they follow from.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from flows.boards import Board
from flows.boards.project import FILES, project_files
from flows.errors import UserError
from flows.work.atomic import output_file
from flows.work.cache import cache_folder
from flows.work.kept_verilog import TOOLS
from flows.work.source_mark import source_mark
from hdl.emit import emit
from models.machine.spec import MachineSpec
from models.program.registers import Register

__all__ = ["check_emitted", "emitted"]


def emitted(board: Board, spec: MachineSpec) -> dict[str, str]:
    """Text of every file by name: of the machine, and of the board's project around it."""
    from hdl.machine import Machine

    verilog = emit(Machine(spec, board.family), "rowmac")
    registers = {register.name.lower(): int(register) for register in Register}
    files = project_files(board, verilog, registers)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    # Where nothing can be kept, it is made again the next time.
    with suppress(UserError), output_file(_kept(board, spec)) as scratch:
        scratch.write_text(json.dumps(digests))
    return files


def check_emitted(
    folder: Path,
    digests: Mapping[str, str],
    board: Board,
    spec: MachineSpec,
    on_emit: Callable[[], None] = lambda: None,
) -> None:
    """See that files are what :func:`emitted` makes, by their SHA-256.

    Parameters
    ----------
    on_emit
        told that they have to be made again, which takes seconds.

    Raises
    ------
    UserError
        If one is not: it was changed, or another version has made it.
    """
    wanted = _known(board, spec)
    if wanted is None:
        on_emit()
        files = emitted(board, spec)
        wanted = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    for name in FILES:
        if digests.get(name) != wanted[name]:
            raise UserError(
                f"{folder / name} must be what its board and machine yield, which it is not; it "
                "was changed, or another version of rowmac has made it: build the folder again"
            )


def _known(board: Board, spec: MachineSpec) -> dict[str, str] | None:
    try:
        found = json.loads(_kept(board, spec).read_text())
    except (OSError, ValueError, UserError):
        return None
    return found if isinstance(found, dict) and set(FILES) <= found.keys() else None


def _kept(board: Board, spec: MachineSpec) -> Path:
    """Where digests are kept, under what the files follow from."""
    facts = [
        source_mark(),
        [importlib.metadata.version(name) for name in TOOLS],
        board.facts(),
        asdict(spec),
    ]
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder("digests") / "emitted" / f"{name}.json"
