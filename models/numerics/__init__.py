"""Integer rounding, and tensors of codes."""
