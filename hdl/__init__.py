"""Floor 2: Amaranth components. Never meets its neighbour `sim`."""
