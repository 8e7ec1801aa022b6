"""LUTs, flip-flops, DSPs and block RAMs of a machine."""
