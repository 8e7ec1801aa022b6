"""Control: program fetch, dispatch with tokens, registers."""
