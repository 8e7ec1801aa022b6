"""Names of a machine's whole numbers: imports nothing, so that a command line can list them."""

__all__ = ["MAY_BE_ZERO", "NUMBERS", "OPTIONS"]

NUMBERS = (
    "lanes", "tokens", "rows", "vector_lanes", "depth", "banks", "bank_words", "param_entries",
    "row_group", "axi_width", "queue_depth", "act_bits", "part_sums",
)  # fmt: skip
"""Fields of :class:`models.machine.spec.MachineSpec` that are whole numbers, in its order."""

OPTIONS = tuple(name for name in NUMBERS if name != "rows")
"""Those given as a number each; rows are given as classes, or as a number of plain ones."""

MAY_BE_ZERO = ("part_sums",)
"""Those that a machine can do without; all others are at least 1."""
