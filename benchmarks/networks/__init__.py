"""Networks that nobody here made, from their library to output codes: does each one run?"""
