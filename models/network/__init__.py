"""Networks as graphs of integer operators, and named workloads by their shapes."""
