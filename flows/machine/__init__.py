"""Which machine: the defaults of boards, and machines around a macro."""
