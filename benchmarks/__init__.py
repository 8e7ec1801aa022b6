"""Figures of the README and the docs, each printed by one command."""
