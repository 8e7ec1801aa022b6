"""Accuracy of a network on macros: converter bits, step rules, dies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.cim.accuracy_store import Store
from flows.cim.adc_steps import NOISE_SHARE, Chosen
from flows.cim.macro_matmul import make_layer
from flows.cim.macro_network import choose_all
from flows.cim.pieces import Piece, Piecework, count_right, setting
from flows.errors import UserError
from flows.work.workers import Workers
from models.cim.cim_spec import CimSpec
from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers
from models.ops.convolution import Convolution

CHUNK = 50
"""Images of a piece of work: what an interruption loses at most."""

Case = tuple[int, float, str]
"""Bits, noise and step rule."""

VERSION = 3
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
    noise : sequence of float
        Multiples of the spec's noise.
    static, dynamic, calibrated, recalibrate, keep_ends : bool
        As of :func:`flows.cim.macro_network.prepare`.
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
    noise: Sequence[float] = (1.0,)
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
            found = count_right(run_graph(sweep.graph, sweep.images[part]), sweep.labels[part])
            store.put(key, found)
        right += found
    return 100 * right / len(sweep.images)


def measure(
    sweep: Sweep,
    store: Store,
    workers: Workers[Piece, Piecework],
    progress: Callable[[str, int, int], None],
) -> list[dict[str, Any]]:
    """Accuracy of every combination, percent: one entry for each bits, noise and rule.

    Each has ``bits``, ``noise``, ``rule``, ``dies`` (percent by die), ``mean`` and ``spread``
    (standard deviation, 0 of one die).

    Parameters
    ----------
    workers : do what the store does not have (:func:`flows.cim.pieces.right_images`)

    Raises
    ------
    UserError
        If the preset cannot have so many bits, or noise is less than none.
    """
    starts = range(0, len(sweep.images), CHUNK)
    images = [[start, _images(sweep, slice(start, start + CHUNK))] for start in starts]
    cases = [(bits, noise, rule) for bits in sweep.bits for noise in sweep.noise
             for rule in sweep.rules]  # fmt: skip
    keys: dict[Case, dict[int, list[dict[str, Any]]]] = {}
    missing: list[dict[str, Any]] = []
    pieces: list[Piece] = []
    chosen: dict[Case, dict[str, Chosen]] = {}
    for bits, noise, rule in cases:
        try:
            physics = sweep.spec.physics.with_noise(noise)
            spec = replace(sweep.spec, adc_bits=bits, physics=physics)
        except ValueError as error:
            raise UserError(str(error)) from None
        keys[bits, noise, rule] = {}
        for die in sweep.dies:
            mine = keys[bits, noise, rule][die] = _keys(sweep, spec, rule, die, images)
            left = [key for key in mine if store.get(key) is None]
            if not left:
                continue
            # Only one rule asks for noise.
            use = bits, noise if rule == "snr" else 1.0, rule
            if use not in chosen:
                chosen[use] = _chosen(sweep, spec, rule)
            pieces += _pieces(sweep, spec, rule, die, chosen[use], left, len(missing))
            missing += left
    total = len(cases) * len(sweep.dies) * len(sweep.images)
    done = total - sum(len(piece.labels) for piece in pieces)
    progress("images", done, total)
    for number, right in workers.run(pieces):
        store.put(missing[number], right)
        done += len(pieces[number].labels)
        progress("images", done, total)
    return [_entry(sweep, store, case, keys[case]) for case in cases]


def _entry(
    sweep: Sweep, store: Store, case: Case, keys: Mapping[int, list[dict[str, Any]]]
) -> dict[str, Any]:
    total = len(sweep.images)
    right = {die: sum(store.get(key) or 0 for key in mine) for die, mine in keys.items()}
    dies = {die: 100 * count / total for die, count in right.items()}
    values = list(dies.values())
    return {
        "preset": sweep.preset,
        "bits": case[0],
        "noise": case[1],
        "rule": case[2],
        "images": total,
        "dies": dies,
        "mean": float(np.mean(values)),
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    }


def _keys(
    sweep: Sweep, spec: CimSpec, rule: str, die: int, images: Sequence[list[Any]]
) -> list[dict[str, Any]]:
    """What the results of every piece are kept under; ``images`` are its first and its digest."""
    return [
        {
            "version": VERSION,
            "digest": sweep.digest,
            "preset": sweep.preset,
            "spec": digest_of(repr(spec).encode()),
            "rule": [rule, NOISE_SHARE] if rule == "snr" else rule,
            "die": die,
            "images": some,
            "seen": len(sweep.seen),
            "how": [
                sweep.static,
                sweep.dynamic,
                sweep.calibrated,
                sweep.recalibrate,
                sweep.keep_ends,
            ],
        }
        for some in images
    ]


def _pieces(
    sweep: Sweep,
    spec: CimSpec,
    rule: str,
    die: int,
    chosen: dict[str, Chosen],
    keys: Sequence[Mapping[str, Any]],
    first: int,
) -> list[Piece]:
    made = setting(
        graph=sweep.graph,
        spec=spec,
        images=sweep.seen,
        rule=rule,
        die=die,
        static=sweep.static,
        dynamic=sweep.dynamic,
        calibrated=sweep.calibrated,
        recalibrate=sweep.recalibrate,
        keep_ends=sweep.keep_ends,
        chosen=chosen,
    )
    pieces = []
    for number, key in enumerate(keys, first):
        start = key["images"][0]
        part = slice(start, start + CHUNK)
        pieces.append(
            Piece(
                number=number,
                setting=made,
                codes=sweep.images[part],
                labels=sweep.labels[part],
                first=start,
            )
        )
    return pieces


def _chosen(sweep: Sweep, spec: CimSpec, rule: str) -> dict[str, Chosen]:
    """Of every layer; they do not depend on the die."""
    layers = {
        node.name: make_layer(node.name, node.operator, spec)
        for node in sweep.graph.nodes
        if isinstance(node.operator, Convolution)
    }
    return choose_all(sweep.graph, layers, sweep.seen, rule, dynamic=sweep.dynamic)


def _images(sweep: Sweep, part: slice) -> str:
    return digest_of(sweep.images[part].astype(np.int16).tobytes(), sweep.labels[part].tobytes())
