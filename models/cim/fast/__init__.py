"""Fast implementation of the macro's arithmetic, bit-exact to :mod:`models.cim.golden`."""
