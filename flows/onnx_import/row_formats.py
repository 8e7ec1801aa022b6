"""Row formats of weights, as metadata of a network file.

A file in QDQ form has the weights as integers, but not the number format of each row. Two entries
of ``metadata_props``, which other tools preserve or ignore, hold these formats:

* ``rowmac.row_formats``: ``{"version": 1, "rows": {initializer: [[format, count], ...]}}``, a
  run-length code along the axis of the weight's ``DequantizeLinear``, one format per output row. A
  weight that is not named is ``fixed8``.
* ``rowmac.policy``: the choice in readable form: name, ratio, group and so on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from flows.onnx_import.network_error import NetworkError
from flows.onnx_import.values import Const, Indices
from models.formats import FORMATS, find_format

__all__ = [
    "DEFAULT_FORMAT",
    "POLICY_KEY",
    "ROW_FORMATS_KEY",
    "format_indices",
    "names_of",
    "read_row_formats",
    "write_row_formats",
]

ROW_FORMATS_KEY = "rowmac.row_formats"
POLICY_KEY = "rowmac.policy"
DEFAULT_FORMAT = "fixed8"
_VERSION = 1
_ROWS_MAX = 1 << 20
"""Most rows of all weights together: a hundred times those of large networks."""
_NAMES = tuple(FORMATS)


def write_row_formats(
    model: onnx.ModelProto, rows: Mapping[str, Sequence[str]], policy: Mapping[str, Any]
) -> None:
    """Write the row formats of each named initializer, and the policy, to a model's metadata."""
    runs = {
        name: [[kind, len(list(same))] for kind, same in itertools.groupby(kinds)]
        for name, kinds in rows.items()
    }
    texts = {
        ROW_FORMATS_KEY: json.dumps({"version": _VERSION, "rows": runs}, separators=(",", ":")),
        POLICY_KEY: json.dumps(dict(policy), separators=(",", ":")),
    }
    kept = {entry.key: entry.value for entry in model.metadata_props} | texts
    onnx.helper.set_model_props(model, kept)


def read_row_formats(model: onnx.ModelProto, file: str) -> dict[str, tuple[str, ...]]:
    """Read the row formats of each initializer that the metadata names.

    Raises
    ------
    NetworkError
        If the metadata has another form or version, or an unknown format.
    """
    text = next((e.value for e in model.metadata_props if e.key == ROW_FORMATS_KEY), None)
    if text is None:
        return {}
    label = f"metadata {ROW_FORMATS_KEY!r} of network {file}"
    try:
        content = json.loads(text)
        version, runs = content["version"], content["rows"]
        if version != _VERSION:
            raise NetworkError(f"version of {label} must be {_VERSION}, not {version!r}")
        rows: dict[str, tuple[str, ...]] = {}
        left = _ROWS_MAX
        for name, parts in runs.items():
            rows[name] = _spread(parts, left)
            left -= len(rows[name])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(
            f"{label} must be JSON of the form "
            '{"version": 1, "rows": {initializer: [[format, count], ...]}}'
        ) from None
    for name, kinds in rows.items():
        for kind in set(kinds):
            try:
                find_format(kind)
            except ValueError as error:
                raise NetworkError(f"rows of {name!r}: {error}") from None
    return rows


def format_indices(kinds: Sequence[str]) -> Indices:
    """Return formats as numbers, to which every layout change of a weight can be applied."""
    return np.array([_NAMES.index(kind) for kind in kinds], dtype=np.int64)


def names_of(label: str, weights: Const) -> tuple[str, ...]:
    """Return the format of every row (axis 0) of a weight; empty if the file names none.

    Raises
    ------
    NetworkError
        If elements of a row differ in format: the file's axis is not that of the output rows.
    """
    if weights.formats is None:
        return ()
    table = weights.formats.reshape(len(weights.formats), -1)
    if np.any(table != table[:, :1]):
        raise NetworkError(f"row formats of {label} must be one a row of outputs, not a column")
    return tuple(_NAMES[index] for index in table[:, 0])


def _spread(parts: Any, left: int) -> tuple[str, ...]:
    names: list[str] = []
    for kind, count in parts:
        if not isinstance(kind, str) or type(count) is not int or not 0 < count <= _ROWS_MAX:
            raise ValueError("not a format and a count")
        if len(names) + count > left:
            raise NetworkError(
                f"metadata {ROW_FORMATS_KEY!r} must name at most {_ROWS_MAX:,} rows of weights"
            )
        names += [kind] * count
    return tuple(names)
