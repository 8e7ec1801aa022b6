"""Writes reproducible Verilog: the text depends on the design alone."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["elaboration", "emit"]


@contextmanager
def elaboration() -> Iterator[None]:
    """Make Amaranth use its bundled Yosys within the block, whatever else is installed.

    If the block raises (on Ctrl-C, for instance), Amaranth's warnings of unused elaboratables are
    suppressed.
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
    """Return a component as Verilog with top module ``name``; the same text on every computer."""
    from amaranth.back import verilog

    with elaboration():
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    return str(text)
