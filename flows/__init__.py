"""Floor 3: what a user does: import, quantise, map, generate, simulate, report, command line."""
