"""A sweep's report: one page and one table that need nothing else."""
