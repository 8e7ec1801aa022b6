"""The numbers of a machine that the command line has options for."""

__all__ = ["SPEC_FIELDS"]

SPEC_FIELDS = (
    "lanes", "tokens", "vector_lanes", "depth", "banks", "bank_words", "param_entries",
    "row_group", "axi_width", "queue_depth", "act_bits",
)  # fmt: skip
"""Numbers of a machine's spec with an option of the same name; ``--rows`` has its own."""
