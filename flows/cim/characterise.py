"""What a macro's converters do on one die, as a laboratory would measure it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.cim.characteristic import Characteristic
from flows.cim.picture import available, plot_die
from flows.work.atomic import output_file
from models.cim.calibrate import calibrate, convert_counts, known_counts, residual
from models.cim.cim_spec import CimSpec
from models.cim.die import make_die
from models.cim.golden.adc import full_range, registers

Reals = NDArray[np.float64]

_CURVE_SAMPLES = 4096
_NOISE_SAMPLES = 4096


def characterise(
    spec: CimSpec,
    seed: int,
    samples: int,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Characteristic:
    """Measure a die.

    Parameters
    ----------
    samples : int
        Random conversions for the residual.
    """
    stages = 4
    die = make_die(spec, seed)
    window = full_range(spec)
    progress("transfer curve", 0, stages)
    acts, digits = known_counts(die, window, _CURVE_SAMPLES, seed=1)
    codes, counts = convert_counts(die, window, acts, digits, run=3)
    if spec.signed:
        others, negative = convert_counts(die, window, acts, -digits, run=5)
        codes, counts = np.hstack([codes, others]), np.hstack([counts, negative])
    levels, which = np.unique(counts[0], return_inverse=True)
    seen = np.bincount(which)
    mean = np.array([np.bincount(which, row) for row in codes]) / seen
    progress("thresholds", 1, stages)
    # Where a threshold lies is known to its integer; a laboratory finds it by averaging.
    edges = registers(die, window).thresholds[:, 1:] / window.step
    inl, dnl = _non_linearity(edges)
    progress("noise", 2, stages)
    middle = len(acts) // 2
    same = np.repeat(acts[middle : middle + 1], _NOISE_SAMPLES, axis=0)
    noise, _ = convert_counts(die, window, same, digits, run=4)
    progress("residual", 3, stages)
    before, true = residual(die, None, samples)
    after, _ = residual(die, calibrate(die), samples)
    return Characteristic(
        counts=levels.astype(np.float64),
        codes=mean,
        inl=inl,
        dnl=dnl,
        noise=noise[0],
        before=before,
        after=after,
        true=true,
    )


def _non_linearity(edges: Reals) -> tuple[Reals, Reals]:
    count = edges.shape[1]
    if count < 2:
        return np.zeros_like(edges), np.zeros((len(edges), 0))
    first, last = edges[:, :1], edges[:, -1:]
    line = first + (last - first) * np.arange(count) / (count - 1)
    width = (last - first) / (count - 1)
    return (edges - line) / width, np.diff(edges, axis=1) / width - 1


def write(found: Characteristic, folder: Path, title: str) -> list[str]:
    """Write ``die.npz``, ``die.json`` and, with matplotlib, ``die.png``; returns the paths."""
    files = []
    with output_file(folder / "die.npz") as scratch, scratch.open("wb") as stream:
        arrays = {name: getattr(found, name) for name in found.__dataclass_fields__}
        np.savez_compressed(stream, **arrays)
    files.append(str(folder / "die.npz"))
    with output_file(folder / "die.json") as scratch:
        scratch.write_text(json.dumps({"title": title, **found.facts()}, indent=2) + "\n")
    files.append(str(folder / "die.json"))
    if available():
        plot_die(found, folder / "die.png", title)
        files.append(str(folder / "die.png"))
    return files
