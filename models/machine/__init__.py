"""What the machine is: its specification, the rules for it, its units."""
