"""Golden of the CiM macro: CPU time of an 8-bit multiply-accumulate, one thread.

Weights int8, one bit a cell, activations uint8, bit-serial, 7-bit converters with a full-range
step, 256 rows. A: 256 x 64 outputs, batch 1024. B: 1024 x 1024, four tiles of rows, batch 256.
``forms``: the preset of that name, 1024 x 64 magnitudes in fragments of 8 rows, batch 1024, one
count a step. ``ideal`` has no errors, ``static`` those of a die, ``noisy`` these and noise for each
decision.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from typing import Any

import numpy as np

from benchmarks.report import arguments, show
from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.die import make_die
from models.cim.fast.fast_product import fast_product
from models.cim.golden.adc import Window, full_range, unit_step
from models.cim.presets import find_preset

PLAIN = CimSpec(rows=256, columns=512, adc_bits=7)
FORMS = find_preset("forms")
CASES = {
    "A": (PLAIN, full_range(PLAIN), (256, 64, 1024)),
    "B": (PLAIN, full_range(PLAIN), (1024, 1024, 256)),
    "forms": (FORMS, unit_step(FORMS), (1024, 64, 1024)),
}
KINDS = {"ideal": (False, False), "static": (True, False), "noisy": (True, True)}


def measure(
    spec: CimSpec, window: Window, shape: tuple[int, int, int], repeat: int
) -> dict[str, Any]:
    """Nanoseconds of a multiply-accumulate for each kind of die, best of ``repeat``."""
    k, outputs, batch = shape
    random = np.random.default_rng(1)
    weights = random.integers(-127, 128, (outputs, k))
    if spec.decomposition is Decomposition.POLARISED:
        weights = np.abs(weights)
    acts = random.integers(0, 256, (batch, k))
    result = {}
    for kind, (static, dynamic) in KINDS.items():
        die = make_die(spec, 1, static=static, dynamic=dynamic)
        seconds = []
        for _ in range(repeat + 1):
            start = time.process_time()
            fast_product(acts, weights, die=die, window=window)
            seconds.append(time.process_time() - start)
        result[kind] = min(seconds[1:]) / (k * outputs * batch) * 1e9
    return result


def main() -> None:
    """Command line."""
    options = arguments(__doc__ or "", repeat={"type": int, "default": 5})
    results = {name: measure(*case, options.repeat) for name, case in CASES.items()}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
