"""Start-up of the command line, against an empty Python started in the same way."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.report import arguments, show

COMMANDS = {
    "python": "pass",
    "rowmac --help": "from flows.cli import main; main(['--help'])",
    "rowmac boards": "from flows.cli import main; main(['boards'])",
}


def seconds(code: str, times: int) -> float:
    """Median wall seconds of a fresh interpreter."""
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def main() -> None:
    """Command line."""
    options = arguments(__doc__ or "", times={"type": int, "default": 9})
    results = {name: seconds(code, options.times) for name, code in COMMANDS.items()}
    results = {f"{name}, seconds": value for name, value in results.items()}
    show(results, as_json=options.json)


if __name__ == "__main__":
    main()
