"""Errors that are told in one line, without a traceback."""

__all__ = ["RunError", "UserError"]


class UserError(Exception):
    """Something in what the user gave is not right; the text is one clear line."""


class RunError(Exception):
    """A simulated machine stopped with an error, broke a rule of its bus, or never ended."""
