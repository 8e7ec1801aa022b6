"""Floor 1: specs, number formats, golden functions, the golden machine and networks as graphs."""
