"""The macro's arithmetic again, faster, and equal to :mod:`models.cim.golden` in every bit."""
