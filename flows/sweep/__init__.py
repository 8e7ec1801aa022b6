"""Sweeps over parameters of machines: points, a store that survives, and workers that may die."""
