"""The one exception of the importer: everything a user may have to hear about a network file."""

from __future__ import annotations

__all__ = ["NetworkError"]


class NetworkError(ValueError):
    """A network file that cannot be imported; the text names the node and what is supported."""
