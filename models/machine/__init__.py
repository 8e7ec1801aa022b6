"""What the machine is: its specification."""
