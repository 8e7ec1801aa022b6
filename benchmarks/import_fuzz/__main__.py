"""Random and mutated network files through the importer, against onnxruntime.

``python -m benchmarks.import_fuzz --count 20000 --seed 1``: one file in ten is a mutated one. The
same count and seed give the same files; ``--store`` keeps what was done, so that a run goes on
where it was stopped. ``--files`` mutates copies of these files instead, one after the other.
``--keep FOLDER`` writes every file that a fault shows on.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.import_fuzz.campaign import campaign
from benchmarks.report import arguments, show


def main() -> None:
    """Command line."""
    options = arguments(
        __doc__ or "",
        count={"type": int, "default": 300},
        seed={"type": int, "default": 1},
        processes={"type": int, "default": 2},
        keep={"type": Path, "help": "folder for files with faults"},
        store={"type": Path, "help": "file of results to go on from"},
        files={"type": Path, "nargs": "+", "default": (), "help": "files to mutate instead"},
    )
    found = campaign(
        options.count, options.seed, processes=options.processes, keep=options.keep,
        store=options.store, files=tuple(options.files),
    )  # fmt: skip
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
