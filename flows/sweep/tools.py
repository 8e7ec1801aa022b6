"""Check for the programs that stages of a sweep run."""

from __future__ import annotations

from flows.errors import UserError

__all__ = ["ToolMissingError", "require_tools"]


class ToolMissingError(UserError):
    """A program is not installed, which says nothing about a point."""


def require_tools(*, synthesise: bool, simulate: bool) -> None:
    """See that the programs of the stages are installed.

    Raises
    ------
    ToolMissingError
        If Yosys, or something that simulation needs, is not installed; the text says how to get it.
    """
    from sim import verilator

    try:
        if synthesise:
            from flows.estimate.resources.synthesis import yosys_version

            yosys_version()
        if simulate:
            verilator.environment()
            verilator.fingerprint()
    except (UserError, verilator.Missing) as error:
        raise ToolMissingError(str(error)) from None
