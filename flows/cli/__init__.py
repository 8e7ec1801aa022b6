"""The command line: ``rowmac VERB``. One file a verb; nothing heavy is imported before it runs."""

from .main import main

__all__ = ["main"]
