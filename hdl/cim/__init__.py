"""Digital twin of a charge-domain compute-in-memory macro: :mod:`models.cim` as logic.

It emulates an analog macro, every error and decision included; it is not that macro's design.
"""
