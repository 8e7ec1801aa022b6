"""The command line: ``rowmac VERB``. One file a verb; nothing heavy is imported before it runs."""

from flows.cli.main import main

__all__ = ["main"]
