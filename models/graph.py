"""Former place of :mod:`models.network.graph`."""

from models.network.graph import run_graph

__all__ = ["run_graph"]
