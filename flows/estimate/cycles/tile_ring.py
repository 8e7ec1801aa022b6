"""The ring of weight tiles on many machines: when it has room for more."""

from __future__ import annotations

import numpy as np

from flows.estimate.cycles.geometry import Column
from flows.estimate.machine_points import Points, bit_length

__all__ = ["TileRing"]

KEPT = 8
"""Number of products that are kept: tiles are freed in order, so that older ones have been."""
TILES = 15
"""Tiles that wait at most (:data:`hdl.engine.weight_store.TILES`, but one)."""


class TileRing:
    """Positions of tiles in the order of their entries, and times at which they are freed.

    Attributes
    ----------
    size : ``[n]`` entries of the ring
    written : ``[n]`` entries of all tiles so far
    """

    def __init__(self, points: Points) -> None:
        self.size = 2 << np.maximum(1, bit_length(points.depth_entries - 1))
        self.written = 0 * self.size
        self.newest = 0 * self.size  # when the last tile is freed
        self.length = 0 * self.size  # of the last tile
        self.products: list[tuple[Column, Column, Column, Column, Column]] = []

    def held(self, entries: Column) -> Column:
        """``[n]`` tiles of so many entries that the ring holds."""
        tiles: Column = np.clip(self.size // np.maximum(entries, 1), 2, TILES)
        return tiles

    def beside(self, entries: Column) -> Column:
        """``[n]`` tiles of so many entries that fit beside the last one of the product before."""
        tiles: Column = np.clip((self.size - self.length) // np.maximum(entries, 1), 1, TILES)
        return tiles

    def room(self, entries: Column) -> Column:
        """``[n]`` time from which there is room for a tile behind all others."""
        need = self.written + entries - self.size
        time = 0 * self.size
        for start, length, tiles, first, last in self.products:
            number = np.minimum(-(-(need - start) // np.maximum(length, 1)), tiles)
            step = (last - first) // np.maximum(tiles - 1, 1)
            freed = np.where(number == tiles, last, first + (number - 1) * step)
            time = np.where(need > start, np.maximum(time, freed), time)
        return time

    def write(self, entries: Column, tiles: Column, first: Column, last: Column) -> None:
        """Add a product's tiles, the first and the last of which are freed at these times."""
        self.products.append((self.written, entries, tiles, first, last))
        del self.products[:-KEPT]
        self.written = self.written + entries * tiles
        self.newest, self.length = last, entries
