"""Which machine: from what users write, the defaults of boards, machines around a macro."""
