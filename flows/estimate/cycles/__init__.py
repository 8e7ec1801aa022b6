"""Cycles of a network on a machine."""
