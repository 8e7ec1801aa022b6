"""Named networks by the shapes of their layers: no weights, for estimates and sweeps."""

from models.network.workloads.workload import Workload
from models.network.workloads.workload_catalog import WORKLOADS, find_workload
from models.network.workloads.workload_layer import Kind, LayerShape

__all__ = ["WORKLOADS", "Kind", "LayerShape", "Workload", "find_workload"]
