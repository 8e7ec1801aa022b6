"""A sample of mutants, each tried once; what was found is kept, so that a run can go on."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.mutants.changes import mutants_of
from benchmarks.mutants.mutant import Mutant
from benchmarks.mutants.relevant import relevant, sources
from benchmarks.mutants.trial import Copy

__all__ = ["EQUIVALENT", "Store", "campaign", "equivalents", "sample"]

EQUIVALENT = Path(__file__).parent / "equivalent.json"
"""Mutants that no test can see, by hand: file, text of the line, mutation, and the reason."""
TIMES, MORE_SECONDS = 4, 30
"""A mutant may take so many times as long as the unchanged source, and some seconds more."""
VERDICTS = ("killed", "survived", "equivalent", "timeout")


def sample(root: Path, count: int, seed: int, only: Sequence[str] = ()) -> list[Mutant]:
    """Mutants by chance; of a larger count the first are the same.

    One of each operator in turn: else nearly all would be constants.

    Parameters
    ----------
    only
        files or folders, from ``root``; all if empty.

    Raises
    ------
    LookupError
        if nothing that is mutated lies there.
    """
    files = [
        file
        for file in sources(root)
        if not only or any(file == name or file.startswith(f"{name}/") for name in only)
    ]
    if not files:
        raise LookupError(f"--only must name a source that is mutated, not {', '.join(only)}")
    kinds: dict[str, list[Mutant]] = {}
    for file in files:
        for mutant in mutants_of(root, file):
            kinds.setdefault(mutant.kind, []).append(mutant)
    chance = random.Random(seed)
    for kind in sorted(kinds):
        chance.shuffle(kinds[kind])
    chosen: list[Mutant] = []
    while len(chosen) < count and any(kinds.values()):
        chosen += [kinds[kind].pop() for kind in sorted(kinds) if kinds[kind]]
    return chosen[:count]


def equivalents(path: Path = EQUIVALENT) -> set[tuple[str, str, str]]:
    """(file, text of the line, mutation) of each mutant known to be equivalent."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {(one["file"], one["line"], one["mutation"]) for one in entries}


class Store:
    """Verdicts by mutant and seconds of unchanged tests, a JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.verdicts: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # A run that was killed may have left half a line.
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        for line in whole.splitlines():
            entry = json.loads(line)
            if "tests" in entry:
                self.seconds[entry["tests"]] = entry["seconds"]
            else:
                self.verdicts[entry["mutant"]] = entry["verdict"]

    def add(self, **entry: Any) -> None:
        """Keep an entry, also for this run."""
        if "tests" in entry:
            self.seconds[entry["tests"]] = entry["seconds"]
        else:
            self.verdicts[entry["mutant"]] = entry["verdict"]
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")


def campaign(
    root: Path,
    mutants: Iterable[Mutant],
    store: Store,
    *,
    jobs: int = 1,
    known: set[tuple[str, str, str]] | None = None,
    tests_of: Callable[[Path, str], list[str]] = relevant,
    again: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Try mutants that the store has no verdict for; counts, and every survivor.

    Parameters
    ----------
    jobs
        how many are tried at a time, each in a copy of the source of its own.
    known
        equivalent mutants, as :func:`equivalents` gives them.
    tests_of
        test files for a source file.
    again
        try survivors and timeouts of the store again: tests may have become better or quicker.
    tell
        called with a line for each.

    Raises
    ------
    RuntimeError
        if tests fail without a change.
    """
    mutants = list(mutants)
    known = equivalents() if known is None else known
    verdicts: dict[str, str] = {}
    waiting: list[Mutant] = []
    for mutant in mutants:
        kept = store.verdicts.get(mutant.key)
        if (mutant.file, mutant.text, mutant.mutation) in known:
            verdicts[mutant.key] = "equivalent"
        elif kept is None or (again and kept in ("survived", "timeout")):
            waiting.append(mutant)
        else:
            verdicts[mutant.key] = kept
    scratch = Path(tempfile.mkdtemp(prefix="rowmac-mutants-"))
    try:
        verdicts.update(_try_all(root, waiting, store, scratch, jobs, tests_of, tell))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    counts = {name: sum(verdicts[one.key] == name for one in mutants) for name in VERDICTS}
    survivors = [
        {"file": one.file, "number": one.line, "line": one.text, "mutation": one.mutation}
        for one in mutants
        if verdicts[one.key] == "survived"
    ]
    return {**counts, "survivors": survivors}


def _try_all(
    root: Path,
    waiting: list[Mutant],
    store: Store,
    scratch: Path,
    jobs: int,
    tests_of: Callable[[Path, str], list[str]],
    tell: Callable[[str], None],
) -> dict[str, str]:
    if not waiting:
        return {}
    free: SimpleQueue[Copy] = SimpleQueue()
    copies = [Copy(root, scratch / f"copy{number}") for number in range(min(jobs, len(waiting)))]
    tests = {file: tests_of(root, file) for file in {one.file for one in waiting}}
    for test in sorted({test for one in tests.values() for test in one} - store.seconds.keys()):
        trial = copies[0].unchanged([test])
        if trial.verdict != "survived":
            raise RuntimeError(f"{test} must pass without a change; run it by itself")
        store.add(tests=test, seconds=round(trial.seconds, 2))
        tell(f"{test} takes {trial.seconds:.1f} s unchanged")
    for copy in copies:
        if copy is not copies[0]:
            copy.share(copies[0])
        free.put(copy)
    verdicts: dict[str, str] = {}

    def attempt(mutant: Mutant) -> tuple[Mutant, str, float]:
        ordered = sorted(tests[mutant.file], key=lambda test: store.seconds[test])
        limit = TIMES * sum(store.seconds[test] for test in ordered) + MORE_SECONDS
        copy = free.get()
        try:
            trial = copy.try_mutant(mutant, ordered, limit)
        finally:
            free.put(copy)
        return mutant, trial.verdict, trial.seconds

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for done in as_completed([pool.submit(attempt, one) for one in waiting]):
                mutant, verdict, seconds = done.result()
                verdicts[mutant.key] = verdict
                store.add(
                    mutant=mutant.key, verdict=verdict, seconds=round(seconds, 2),
                    file=mutant.file, line=mutant.text, mutation=mutant.mutation,
                )  # fmt: skip
                tell(
                    f"{len(verdicts)} of {len(waiting)}: {verdict} in {seconds:.0f} s: "
                    f"{mutant.file}:{mutant.line} {mutant.mutation.splitlines()[0]}"
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in copies:
                copy.stop()
            raise
    return verdicts
