"""Vector unit: everything that is not a matrix product."""
