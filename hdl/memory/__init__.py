"""On-chip memories and the ports to them."""
