"""Row blocks: for each number format, the dot products of its rows with every token."""
