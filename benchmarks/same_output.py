"""Whether two commits make the same: Verilog and images to the last byte, codes, estimates.

Each commit is checked out into a scratch folder and its own ``rowmac`` builds every case there.
Compared are all files of the out folders (JSON files by their content, a manifest without the
version that made it), the codes of the integer graph for the sample images, and the figures of
``estimate``; with ``--simulate``, also cycles and counts of the simulated Verilog.
Exit status 1 where something differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import show

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("examples/fashion_mnist")
SAMPLES = str(FOLDER / "samples.npz")
MACRO = ("--engine", "cim:relu-macro", "--calibration", SAMPLES)
CASES: dict[str, tuple[str, ...]] = {
    "vit, arty": ("vit_int8.onnx", "--board", "arty-z7-20"),
    "resnet, arty": ("resnet_int8.onnx", "--board", "arty-z7-20"),
    "vit, zcu102": ("vit_int8.onnx", "--board", "zcu102"),
    "resnet of mixed rows, zcu102": ("quantised/resnet_rmsmp.onnx", "--board", "zcu102"),
    "vit of mixed rows, arty": ("quantised/vit_auto-vit-acc.onnx", "--board", "arty-z7-20"),
    "resnet, macro, arty": ("resnet_int8.onnx", "--board", "arty-z7-20", *MACRO),
}
ROWMAC = "import sys; from flows.cli import main; sys.exit(main())"
GRAPH = """
import hashlib, sys
from pathlib import Path
import numpy as np
from flows.inputs import read_inputs
from flows.onnx_import import load_network
from models.graph import run_graph
graph = load_network(Path(sys.argv[1]))
codes = run_graph(graph, read_inputs(Path(sys.argv[2]), graph.tensors[graph.input]).codes)
print(codes.size, hashlib.sha256(np.ascontiguousarray(codes, dtype=np.int64).tobytes()).hexdigest())
"""
VERSION_KEYS = ("rowmac", "version", "made_by")


def checked_out(revision: str, folder: Path) -> None:
    """The files of a commit in a folder; nothing of this checkout is touched."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def python(tree: Path, code: str, *arguments: str, good: tuple[int, ...] = (0,)) -> str:
    """Standard output of a program that imports a commit's packages.

    Raises
    ------
    SystemExit
        If its exit status is none of ``good``: what a crash leaves behind compares as equal.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(tree / "build")}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode not in good:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def content(path: Path) -> bytes:
    """Bytes of a file of an out folder; the manifest's without what made it."""
    data = path.read_bytes()
    if path.suffix != ".json":
        return data
    facts = json.loads(data)
    return json.dumps({k: v for k, v in facts.items() if k not in VERSION_KEYS}).encode()


def digest(data: bytes) -> str:
    """Hash of bytes."""
    return hashlib.sha256(data).hexdigest()


def case_marks(tree: Path, name: str, simulate: int) -> dict[str, str]:
    """What a commit makes of one case: names and hashes."""
    network, *options = CASES[name]
    file, out = str(FOLDER / network), tree / "out" / name.replace(" ", "_").replace(",", "")
    python(tree, ROWMAC, "build", file, *options, "-o", str(out))
    made = sorted(p for p in out.rglob("*") if p.is_file())
    marks = {f"{p.relative_to(out)}": digest(content(p)) for p in made}
    marks["codes of the graph"] = python(tree, GRAPH, file, SAMPLES).strip()
    if "--engine" not in options:
        board = options[options.index("--board") + 1]
        asked = ("--board", board, "--network", file, "--json")
        facts = python(tree, ROWMAC, "estimate", *asked, good=(0, 1))
        marks["estimate"] = digest(json.dumps(_figures(json.loads(facts))).encode())
    if simulate:
        count = ("--count", str(simulate), "--json")
        found = json.loads(python(tree, ROWMAC, "simulate", str(out), "--inputs", SAMPLES, *count))
        marks["simulation"] = digest(json.dumps(_figures(found)).encode())
    return marks


def _figures(found: Any) -> Any:
    """Facts without texts, which may be reworded, and without seconds of the computer."""
    if isinstance(found, dict):
        return {k: _figures(v) for k, v in found.items() if "second" not in k and _kept(v)}
    return [_figures(one) for one in found if _kept(one)] if isinstance(found, list) else found


def _kept(value: Any) -> bool:
    return not isinstance(value, str) and value not in ([], {})


def main() -> int:
    """Command line: two revisions; ``--simulate N`` images of each case."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", help="a revision of git")
    parser.add_argument("new", help="another; HEAD, say")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="images to simulate")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    different: list[str] = []
    same = 0
    with tempfile.TemporaryDirectory() as scratch:
        trees = [Path(scratch) / side for side in ("old", "new")]
        for revision, tree in zip((options.old, options.new), trees, strict=True):
            checked_out(revision, tree)
        for name in CASES:
            print(name, file=sys.stderr)
            old, new = (case_marks(tree, name, options.simulate) for tree in trees)
            for what in sorted({*old, *new}):
                if old.get(what) == new.get(what):
                    same += 1
                else:
                    different.append(f"{name}: {what}")
    show({"same": same, "different": different}, as_json=options.json)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
