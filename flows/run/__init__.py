"""Running a built network: simulator, golden machine, comparison."""
