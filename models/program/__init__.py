"""The program format: descriptors, their layout, and the memory image (see docs/program.md)."""
