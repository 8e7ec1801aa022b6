"""Integer operators: one file each, a frozen spec and the golden function of the same name."""
