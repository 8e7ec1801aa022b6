"""Many files: each made, imported and compared in a worker, counted and reported."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.import_fuzz.judge import compare, images_for, invalid
from benchmarks.import_fuzz.mutate import mutated_bytes, mutated_fields
from benchmarks.import_fuzz.networks import random_sketch
from benchmarks.import_fuzz.quantised import quantised, random_style, session
from benchmarks.import_fuzz.sketch import Sketch
from flows.onnx_import import NetworkError, load_network

__all__ = ["campaign", "examine", "random_file"]

SLOW_SECONDS, LARGE_BYTES = 10.0, 1 << 30
MUTATED = 10
"""One file in so many is a mutated one."""
MESSAGE_MAX = 500
IMAGES = 4


def campaign(
    count: int,
    seed: int,
    *,
    processes: int = 1,
    keep: Path | None = None,
    store: Path | None = None,
    files: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """Examine files 0 to ``count``; the same for the same seed.

    With ``files`` they are mutated copies of these; else random ones, one in ten mutated.
    """
    done: dict[int, dict[str, Any]] = {}
    if store is not None and store.exists():
        for line in store.read_text().splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["seed"] == seed:
                    done[entry["number"]] = entry
    work = [(seed, n, keep, files) for n in range(count) if n not in done]
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(store.open("a")) if store else None
        results: Any = map(_one, work)
        if processes > 1 and len(work) > 1:
            context = multiprocessing.get_context("spawn")
            # A worker's memory is only known at its height: a new one now and then.
            pool = stack.enter_context(context.Pool(processes, maxtasksperchild=2000))
            results = pool.imap_unordered(_one, work, chunksize=20)
        for entry in results:
            done[entry["number"]] = entry
            if sink:
                sink.write(json.dumps(entry) + "\n")
                sink.flush()
    return _summary([done[n] for n in sorted(done) if n < count])


def _one(work: tuple[int, int, Path | None, tuple[Path, ...]]) -> dict[str, Any]:
    return examine(*work)


def random_file(seed: int, number: int) -> tuple[bytes, Sketch]:
    """One valid file."""
    rng = np.random.default_rng([seed, number])
    net = random_sketch(rng)
    style = random_style(rng, net.opset)
    return quantised(rng, net, style, _ranges(net, rng)).SerializeToString(), net


def _ranges(net: Sketch, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """What every tensor of the float network holds on a few images."""
    nodes = [helper.make_node(s.kind, s.inputs, [s.output], **s.attributes) for s in net.steps]
    outputs = [helper.make_empty_tensor_value_info(s.output) for s in net.steps]
    constants = [numpy_helper.from_array(array, name) for name, array in net.constants.items()]
    graph = helper.make_graph(
        nodes, "float", [helper.make_tensor_value_info("image", TensorProto.FLOAT, net.shape)],
        outputs, constants,
    )  # fmt: skip
    version = helper.make_opsetid("", net.opset)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[version], ir_version=10)
    )
    run = session(model)
    images = rng.normal(0, 1, (3, *net.shape)).astype(np.float32)
    found = [run.run(None, {"image": image}) for image in images]
    ranges = {"image": (float(images.min()), float(images.max()))}
    for position, step in enumerate(net.steps):
        numbers = np.nan_to_num(np.concatenate([f[position].reshape(-1) for f in found]))
        numbers = np.clip(numbers, -1e6, 1e6)
        ranges[step.output] = float(numbers.min()), float(numbers.max())
    return ranges


def examine(
    seed: int, number: int, keep: Path | None = None, files: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """Make one file, import it, compare it."""
    entry: dict[str, Any] = {"seed": seed, "number": number, "fault": "", "text": ""}
    if files:
        content, net = files[number % len(files)].read_bytes(), Sketch((), 0)
    else:
        try:
            content, net = random_file(seed, number)
        except Exception as error:  # onnxruntime's errors: a sketch that it cannot run
            return entry | {"result": "not made", "notes": [], "text": str(error)[:200]}
    entry["notes"] = sorted(net.notes)
    rng = np.random.default_rng([seed, number, 3])
    mutated = bool(files) or number % MUTATED == MUTATED - 1
    if mutated:
        entry["notes"] = ["mutated"]
        change = mutated_bytes if rng.random() < 0.5 else mutated_fields
        with contextlib.suppress(Exception):
            content = change(rng, content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.onnx"
        path.write_bytes(content)
        begin = time.process_time()
        entry |= _imported(path, net, seed, number, mutated=mutated)
        entry["seconds"] = round(time.process_time() - begin, 3)
    entry["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if entry["fault"] and keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{entry['fault'].replace(' ', '_')}_{seed}_{number}.onnx").write_bytes(content)
    return entry


def _imported(path: Path, net: Sketch, seed: int, number: int, *, mutated: bool) -> dict[str, Any]:
    try:
        load_network(path)
    except NetworkError as error:
        text = str(error)
        bad = "\n" in text or len(text) > MESSAGE_MAX
        return {"result": "refused", "text": text, "fault": "message" if bad else ""}
    except Exception:  # anything but a NetworkError is what is looked for
        return {"result": "error", "fault": "traceback", "text": traceback.format_exc()[-1500:]}
    wrong = invalid(path)
    if wrong:
        return {"result": "imported", "fault": "invalid file imported"}
    if wrong is None:
        return {"result": "imported", "text": "onnxruntime has no kernel"}
    try:
        images = images_for(onnx.load(path), IMAGES, number)
        verdict = compare(path, images, soft=net.soft or mutated, seed=number)
    except Exception as error:  # onnxruntime may fail on a mutated file only when it runs it
        fault = "" if mutated else "traceback"
        return {"result": "imported", "fault": fault, "text": f"while running: {error}"[:1500]}
    if verdict is None:
        return {"result": "imported", "text": "not finite in onnxruntime"}
    fault = "beyond bound" if verdict.excess > 0 else ""
    return {
        "result": "imported", "steps": verdict.steps, "excess": verdict.excess, "fault": fault,
    }  # fmt: skip


def _summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    faults = Counter(e["fault"] for e in entries if e["fault"])
    results = Counter(e["result"] for e in entries)
    table: dict[str, Counter[str]] = {}
    for entry in entries:
        for note in entry["notes"]:
            row = table.setdefault(note, Counter())
            row["files"] += 1
            row[entry["result"]] += 1
            row["within a code"] += entry.get("steps", 9) <= 1.01
    worst = sorted((e for e in entries if e["fault"]), key=lambda e: -e.get("excess", 0.0))[:20]
    reasons = Counter(_shape(e["text"]) for e in entries if e["result"] == "refused")
    return {
        "files": len(entries),
        "imported": results["imported"],
        "refused": results["refused"],
        "beyond_bound": faults["beyond bound"] + faults["invalid file imported"],
        "tracebacks": faults["traceback"] + faults["message"],
        "slow": sum(e.get("seconds", 0) > SLOW_SECONDS for e in entries),
        "large": sum(e.get("bytes", 0) > LARGE_BYTES for e in entries),
        "within_a_code": sum(e.get("steps", 9) <= 1.01 for e in entries),
        "compared": sum("steps" in e for e in entries),
        "not_made": results["not made"],
        "worst": [
            {k: e[k] for k in ("seed", "number", "fault", "steps", "excess", "text") if k in e}
            for e in worst
        ],
        "by_operator": {note: dict(row) for note, row in sorted(table.items())},
        "refusals": dict(reasons.most_common(40)),
    }


def _shape(text: str) -> str:
    """A message without names and numbers."""
    words = ["…" if any(c.isdigit() or c in "'\"" for c in word) else word for word in text.split()]
    return " ".join(words)[:160]
