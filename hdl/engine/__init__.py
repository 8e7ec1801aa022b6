"""Matrix engines behind one contract."""
