"""Mapping: integer graph to program and memory image for one machine."""

from flows.mapper.mapping import MappedLayer, MappedNetwork, map_network
from flows.mapper.place import MappingError

__all__ = ["MappedLayer", "MappedNetwork", "MappingError", "map_network"]
