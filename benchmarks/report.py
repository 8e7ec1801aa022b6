"""What every benchmark shares: its arguments, and one way to print results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any


def arguments(description: str, **options: Mapping[str, Any]) -> argparse.Namespace:
    """Parse the command line: ``--json`` and the options given as ``name={...}``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    for name, settings in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **settings)
    return parser.parse_args()


def show(results: Mapping[str, Any], *, as_json: bool) -> None:
    """Print results: a table of names and values, nested ones indented; or JSON."""
    if as_json:
        print(json.dumps(results))
        return
    _lines(results, "")


def _lines(results: Mapping[str, Any], indent: str) -> None:
    width = max(len(str(name)) for name in results)
    for name, value in results.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}")
            _lines(value, indent + "  ")
        else:
            text = f"{value:,.3f}" if isinstance(value, float) else str(value)
            print(f"{indent}{name:{width}}  {text}")
