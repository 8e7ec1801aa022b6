"""HTML reports: one file that needs nothing else."""

from flows.report.content import ImageEntry, LayerEntry, Report, Span
from flows.report.html import render

__all__ = ["ImageEntry", "LayerEntry", "Report", "Span", "render"]
