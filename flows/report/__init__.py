"""HTML reports: one file that needs nothing else."""

from .content import ImageEntry, LayerEntry, Report, Span
from .html import render

__all__ = ["ImageEntry", "LayerEntry", "Report", "Span", "render"]
