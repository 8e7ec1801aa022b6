"""What parts of the machine need, as functions of its specification."""
