"""A machine's true figures, part by part: what estimates are fitted to and compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.errors import UserError
from flows.estimate.machine_points import FAMILIES
from flows.estimate.resources.parts import Part, machine_parts
from flows.estimate.resources.synthesis import part_verilog, synthesise_part, yosys_version
from flows.work.atomic import output_file
from models.cost.memories import block_rams
from models.machine.spec import MachineSpec

__all__ = ["SynthesisedMachine", "part_figures", "synthesise_machine"]

Progress = Callable[[str, int, int], None]
"""Called with the current part, the number of parts done, and their total."""


@dataclass(frozen=True, kw_only=True)
class SynthesisedMachine:
    """Sums over the parts of a machine.

    Attributes
    ----------
    lut, ff, dsp : as Yosys counts cells
    bram36 : blocks of 36 Kb, by the memories' shapes
    parts : number of netlists they are the sums of
    yosys : its version
    """

    lut: int
    ff: int
    dsp: int
    bram36: int
    parts: int
    yosys: str


def synthesise_machine(
    spec: MachineSpec, family: str, *, cache: Path | None = None, progress: Progress | None = None
) -> SynthesisedMachine:
    """Synthesise every part of a machine once; minutes.

    Parameters
    ----------
    family : ``xc7`` or ``xcup``
    cache : folder of figures by the text of a part, so that an interrupted run continues
    progress : called before each part

    Raises
    ------
    UserError
        If the family is another one, the machine has a macro, or Yosys is not installed.
    """
    if family not in FAMILIES:
        raise UserError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    if spec.macro is not None:
        raise UserError("machine must be digital to be synthesised by parts, not with a macro")
    version = yosys_version()
    total = {"lut": 0, "ff": 0, "dsp": 0}
    parts = machine_parts(spec, family)
    for done, part in enumerate(parts):
        if progress:
            progress(part.name, done, len(parts))
        figures = part_figures(part, family, cache)
        for metric in total:
            total[metric] += part.count * figures[metric]
    if progress:
        progress("done", len(parts), len(parts))
    return SynthesisedMachine(
        **total, bram36=block_rams(spec), parts=len(parts), yosys=version
    )  # fmt: skip


def part_figures(part: Part, family: str, cache: Path | None) -> dict[str, int]:
    """LUT, FF and DSP of one part, from the cache if the same text was synthesised before."""
    text = part_verilog(part)
    name = hashlib.sha256(f"{yosys_version()} {family} {part.boxes}\n{text}".encode()).hexdigest()
    file = cache / f"{name}.json" if cache else None
    if file and file.exists():
        known: dict[str, int] = json.loads(file.read_text())
        return known
    netlist = synthesise_part(part, family, text)
    found = {"lut": netlist.lut, "ff": netlist.ff, "dsp": netlist.dsp}
    if file:
        with output_file(file) as final:
            final.write_text(json.dumps(found))
    return found
