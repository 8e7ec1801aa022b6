"""Mapping: integer graph to program and memory image for one machine."""

from flows.mapper.mapping import MappedLayer, MappedNetwork, MappingError, map_network

__all__ = ["MappedLayer", "MappedNetwork", "MappingError", "map_network"]
