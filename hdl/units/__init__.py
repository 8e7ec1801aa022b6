"""Load, weight, matrix and store units."""
