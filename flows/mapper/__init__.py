"""Mapping: integer graph to program and memory image for one machine."""

from flows.mapper.map_network import (
    check_mapping,
    least_bank_words,
    map_network,
    refusal,
    with_room,
)
from flows.mapper.mapped import Lying, MappedLayer, MappedNetwork
from flows.mapper.place import MappingError

__all__ = [
    "Lying",
    "MappedLayer",
    "MappedNetwork",
    "MappingError",
    "check_mapping",
    "least_bank_words",
    "map_network",
    "refusal",
    "with_room",
]
