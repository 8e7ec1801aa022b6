"""The highest precision whose machine meets a frame rate on a board."""
