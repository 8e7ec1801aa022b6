"""The macro's arithmetic as it is defined: converters, columns, noise."""
