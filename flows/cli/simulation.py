"""What ``rowmac simulate`` shows: progress while it runs, then tables and the report."""
