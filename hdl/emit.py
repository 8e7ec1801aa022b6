"""Writes reproducible Verilog: the text depends on the design alone."""

import gc
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["elaboration", "emit"]


@contextmanager
def elaboration() -> Iterator[None]:
    """Make Amaranth use its bundled Yosys within the block, whatever else is installed.

    Nothing is collected as garbage meanwhile: a netlist is millions of objects that all stay, and
    to look through them again and again is up to half of the time.

    If the block raises (on Ctrl-C, for instance), Amaranth's warnings of unused elaboratables are
    suppressed.
    """
    name = "AMARANTH_USE_YOSYS"
    before, collects = os.environ.get(name), gc.isenabled()
    os.environ[name] = "builtin"
    gc.disable()
    try:
        yield
    except BaseException:
        from amaranth.hdl import UnusedElaboratable

        warnings.simplefilter("ignore", UnusedElaboratable)
        raise
    finally:
        if collects:
            gc.enable()
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


_ZEROS = re.compile(r"^  initial begin\n(?:    \S+ ?\[\d+\] = \d+'h0+;\n)+  end\n", re.MULTILINE)


def emit(component: Any, name: str) -> str:
    """Return a component as Verilog with top module ``name``; the same text on every computer.

    Memories that hold only zeros at power-up have no initial value in the text, where a line for
    each word would be two fifths of it. FPGAs load zeros all the same, and Verilator begins with
    zeros; simulators with unknown values show such a word as unknown until it is written.
    """
    from amaranth.back import verilog

    with elaboration():
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    return _ZEROS.sub("", str(text))
