"""Networks of the project's own catalog of shapes: random weights in the boards' formats."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from benchmarks.cycle_points import random_codes
from benchmarks.networks.subject import Subject
from flows.boards import find
from flows.estimate.cycles.layer_graphs import with_values
from flows.estimate.cycles.network_formats import in_formats
from flows.estimate.cycles.workload_graph import workload_graph
from flows.machine.default import default_machine
from models.network.graph import IntegerGraph
from models.network.workloads import find_workload
from models.numerics.rescale import Integers

__all__ = ["WORKLOAD_NETWORKS", "WorkloadSubject"]

WORKLOAD_NETWORKS = ("ds-cnn", "resnet-8")
"""Those of MLPerf Tiny that are small enough to be run as a whole everywhere."""
_LIKE = "arty-z7-20"
"""Every board's default machine has rows of these number formats."""


class WorkloadSubject(Subject):
    """A named workload; there is no file, so nobody else has an opinion."""

    @cached_property
    def digest(self) -> str:
        """Its shapes and weights follow from the sources."""
        return "workload"

    @cached_property
    def graph(self) -> IntegerGraph:
        """The integer graph."""
        spec = default_machine(find(_LIKE))
        shapes = in_formats(workload_graph(self.name, find_workload(self.name).layers), spec)
        return with_values(shapes, spec.classes, 0)

    @cached_property
    def codes(self) -> Integers:
        """An image of random codes."""
        return random_codes(self.graph)

    @cached_property
    def opinions(self) -> dict[str, Any] | None:
        """None."""
        return None
