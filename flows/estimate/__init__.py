"""Estimates of a machine's resources and cycles, each with its measured error."""
