"""Single-point changes of the product's source: how many of them the tests notice.

``python -m benchmarks.mutants --count 200 --seed 1 --json`` prints one object: ``killed``,
``survived``, ``equivalent`` (by hand, ``equivalent.json``) and ``timeout`` are counts,
``survivors`` a list. The working tree stays as it is: each mutant is made in a copy. ``--store``
keeps verdicts, so that a run goes on where it was stopped; ``--again`` tries its survivors and
timeouts anew, after better tests. ``--only models/ops flows/mapper`` takes the sample from these
alone.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from benchmarks.mutants.campaign import Store, campaign, sample
from benchmarks.report import arguments, show

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        count={"type": int, "default": 50},
        seed={"type": int, "default": 1},
        jobs={"type": int, "default": 1, "help": "mutants tried at a time"},
        store={"type": Path, "default": ROOT / "build" / "mutants.jsonl"},
        only={"nargs": "+", "default": (), "help": "files or folders to mutate"},
        again={"action": "store_true", "help": "try survivors and timeouts of the store again"},
    )
    # Also where it runs in the background, nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        mutants = sample(ROOT, options.count, options.seed, options.only)
        options.store.parent.mkdir(parents=True, exist_ok=True)
        found = campaign(
            ROOT, mutants, Store(options.store), jobs=options.jobs, again=options.again,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    except (LookupError, RuntimeError, ValueError) as error:
        raise SystemExit(f"mutants: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("mutants: interrupted; the same command goes on") from None
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
