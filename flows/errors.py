"""Errors that are told in one line, without a traceback."""

from typing import Any

__all__ = ["OutputError", "RunError", "UserError"]


class UserError(Exception):
    """Something in what the user gave is not right; the text is one clear line."""


class RunError(Exception):
    """A simulated machine stopped with an error, broke a rule of its bus, or never ended."""


class OutputError(UserError):
    """A file cannot be written; all the rest is done, and is not lost with it.

    Attributes
    ----------
    result
        what the command has found, for those who read it as data.
    """

    def __init__(self, text: str, result: dict[str, Any]) -> None:
        super().__init__(text)
        self.result = result
