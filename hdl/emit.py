"""Writes Verilog that depends on nothing but the design."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["elaboration", "emit"]


@contextmanager
def elaboration() -> Iterator[None]:
    """Within, Amaranth uses the Yosys it brings, whatever else is installed.

    If the block raises (Ctrl-C, say), Amaranth does not complain of what was left half-used.
    """
    name = "AMARANTH_USE_YOSYS"
    before = os.environ.get(name)
    os.environ[name] = "builtin"
    try:
        yield
    except BaseException:
        from amaranth.hdl import UnusedElaboratable

        warnings.simplefilter("ignore", UnusedElaboratable)
        raise
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def emit(component: Any, name: str) -> str:
    """Verilog of a component as a top module ``name``; the same text on every machine."""
    from amaranth.back import verilog

    with elaboration():
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    return str(text)
