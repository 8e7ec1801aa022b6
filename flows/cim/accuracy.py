"""Accuracy of a network on macros: converter bits, step rules, dies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.cim.layers import make_layer
from flows.cim.network import MacroNetwork, find_windows, prepare
from flows.cim.store import Store
from flows.errors import UserError
from models.cim.adc import Window
from models.cim.spec import CimSpec
from models.graph import IntegerGraph, run_graph
from models.ops.convolution import Convolution
from models.rescale import Integers

CHUNK = 50
"""Images of a piece of work: what an interruption loses at most."""

VERSION = 2
"""Of what a result means; results of another one are computed again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """What is to be measured.

    Parameters
    ----------
    graph : IntegerGraph
    digest : str
        Of the network's file and the calibration images: what results are kept under, with one of
        the images.
    preset : str; spec : CimSpec
    images : int [n, *shape]; labels : int [n]
    seen : int [m, *shape]
        Calibration images.
    bits, dies : sequence of int
    rules : sequence of str
    static, dynamic, calibrated, recalibrate, keep_ends : bool
        As of :func:`flows.cim.network.prepare`.
    """

    graph: IntegerGraph
    digest: str
    preset: str
    spec: CimSpec
    images: Integers
    labels: NDArray[np.int64]
    seen: Integers
    bits: Sequence[int]
    dies: Sequence[int]
    rules: Sequence[str]
    static: bool = True
    dynamic: bool = True
    calibrated: bool = True
    recalibrate: bool = False
    keep_ends: bool = False


def digest_of(*parts: bytes) -> str:
    """Short digest of files and arrays."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(hashlib.sha256(part).digest())
    return sha.hexdigest()[:16]


def exact_accuracy(sweep: Sweep, store: Store) -> float:
    """Percent of images the integer graph gets right without a macro."""
    right = 0
    for start in range(0, len(sweep.images), CHUNK):
        part = slice(start, start + CHUNK)
        key = {
            "version": VERSION,
            "digest": sweep.digest,
            "exact": [start, len(sweep.labels[part])],
        }
        found = store.get(key)
        if found is None:
            found = _right(run_graph(sweep.graph, sweep.images[part]), sweep.labels[part])
            store.put(key, found)
        right += found
    return 100 * right / len(sweep.images)


def measure(
    sweep: Sweep, store: Store, progress: Callable[[str, int, int], None]
) -> list[dict[str, Any]]:
    """Accuracy of every combination, percent: one entry for each bits and rule.

    Each has ``bits``, ``rule``, ``dies`` (percent by die), ``mean`` and ``spread`` (standard
    deviation, 0 of one die).

    Raises
    ------
    UserError
        If the preset cannot have so many bits.
    """
    found = []
    for bits in sweep.bits:
        try:
            spec = replace(sweep.spec, adc_bits=bits)
        except ValueError as error:
            raise UserError(str(error)) from None
        for rule in sweep.rules:
            windows: dict[str, Window] = {}
            dies = {}
            for die in sweep.dies:
                title = f"{bits} bits, {rule}, die {die}"
                dies[die] = _one(sweep, spec, rule, die, windows, store, title, progress)
            values = list(dies.values())
            found.append(
                {
                    "preset": sweep.preset,
                    "bits": bits,
                    "rule": rule,
                    "images": len(sweep.images),
                    "dies": dies,
                    "mean": float(np.mean(values)),
                    "spread": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
                }
            )
    return found


def _one(
    sweep: Sweep,
    spec: CimSpec,
    rule: str,
    die: int,
    windows: dict[str, Window],
    store: Store,
    title: str,
    progress: Callable[[str, int, int], None],
) -> float:
    network: MacroNetwork | None = None
    total, right = len(sweep.images), 0
    for start in range(0, total, CHUNK):
        progress(title, start, total)
        part = slice(start, start + CHUNK)
        key = {
            "version": VERSION,
            "digest": sweep.digest,
            "preset": sweep.preset,
            "spec": digest_of(repr(spec).encode()),
            "rule": rule,
            "die": die,
            "images": [start, _images(sweep, part)],
            "seen": len(sweep.seen),
            "how": [
                sweep.static,
                sweep.dynamic,
                sweep.calibrated,
                sweep.recalibrate,
                sweep.keep_ends,
            ],
        }
        found = store.get(key)
        if found is None:
            if network is None:
                network = _network(sweep, spec, rule, die, windows)
            found = _right(network.run(sweep.images[part], start), sweep.labels[part])
            store.put(key, found)
        right += found
    progress(title, total, total)
    return 100 * right / total


def _network(
    sweep: Sweep, spec: CimSpec, rule: str, die: int, windows: dict[str, Window]
) -> MacroNetwork:
    if not windows:
        layers = {
            node.name: make_layer(node.name, node.operator, spec)
            for node in sweep.graph.nodes
            if isinstance(node.operator, Convolution)
        }
        windows.update(find_windows(sweep.graph, layers, sweep.seen, rule))
    return prepare(
        sweep.graph,
        spec,
        sweep.seen,
        rule=rule,
        die=die,
        static=sweep.static,
        dynamic=sweep.dynamic,
        calibrated=sweep.calibrated,
        recalibrate=sweep.recalibrate,
        keep_ends=sweep.keep_ends,
        windows=windows,
    )


def _images(sweep: Sweep, part: slice) -> str:
    return digest_of(sweep.images[part].astype(np.int16).tobytes(), sweep.labels[part].tobytes())


def _right(outputs: Integers, labels: NDArray[np.int64]) -> int:
    return int((outputs.reshape(len(outputs), -1).argmax(1) == labels).sum())
