"""What was found out before, so that a run that was stopped goes on."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.work.source_mark import source_mark

__all__ = ["CHECKED", "SIMULATED", "SYNTHESISED", "Store"]

CHECKED, SIMULATED, SYNTHESISED = "checked", "simulated", "synthesised"
"""Kinds of records: a row without what takes minutes to hours, and each of these."""


class Store:
    """Records of a file of JSON lines, under network, board and all that they follow from.

    That is the digest of the network's file and the mark of this project's sources, which decide
    the machine. Its fingerprint is in each record as well.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[tuple[str, ...], dict[str, Any]] = {}
        lines = file.read_text().splitlines() if file.exists() else []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the end of a run that was stopped
            self.known[tuple(record["key"])] = record["found"]

    def find(self, kind: str, network: str, board: str, digest: str) -> dict[str, Any] | None:
        """What is known of a pair; None if nothing is."""
        return self.known.get(_key(kind, network, board, digest))

    def keep(
        self, kind: str, network: str, board: str, digest: str, found: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Append a record; what it says, with the date."""
        key = _key(kind, network, board, digest)
        dated = {**found, f"{kind}_on": datetime.date.today().isoformat()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as sink:
            sink.write(json.dumps({"key": key, "found": dated}, separators=(",", ":")) + "\n")
        self.known[key] = dated
        return dated


def _key(kind: str, network: str, board: str, digest: str) -> tuple[str, ...]:
    return kind, network, board, digest, source_mark()
