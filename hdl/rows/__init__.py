"""Row blocks of the array: dot products of one or two rows with every token, by number format."""
