"""Reference definition of the macro's arithmetic: converters, columns, noise."""
