"""Third-party vectors as integer networks with the answers they must give."""
