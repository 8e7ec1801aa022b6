"""The units that load, store, hold weights and multiply."""
