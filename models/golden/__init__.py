"""The golden machine: executes programs on a memory image, in numpy, bit for bit like the RTL."""
