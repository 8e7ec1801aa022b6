"""Emulation of a charge-domain compute-in-memory macro: :mod:`models.cim` as digital logic.

It reproduces every error and decision of the analog macro; it is not a design of that macro.
"""
