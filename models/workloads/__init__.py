"""Named networks by the shapes of their layers: no weights, for estimates and sweeps."""

from models.workloads.catalog import WORKLOADS, find_workload
from models.workloads.layer import Kind, LayerShape
from models.workloads.network import Workload

__all__ = ["WORKLOADS", "Kind", "LayerShape", "Workload", "find_workload"]
