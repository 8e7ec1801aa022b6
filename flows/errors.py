"""Errors that are the user's to mend: one line, no traceback."""

__all__ = ["UserError"]


class UserError(Exception):
    """Something in what the user gave is not right; the text is one clear line."""
