"""Writes Verilog that depends on nothing but the design."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["builtin_yosys", "emit"]


@contextmanager
def builtin_yosys() -> Iterator[None]:
    """Within, Amaranth uses the Yosys it brings, whatever else is installed."""
    name = "AMARANTH_USE_YOSYS"
    before = os.environ.get(name)
    os.environ[name] = "builtin"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def emit(component: Any, name: str) -> str:
    """Verilog of a component as a top module ``name``; the same text on every machine."""
    from amaranth.back import verilog

    with builtin_yosys():
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    return str(text)
