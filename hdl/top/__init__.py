"""The processor system of a board as host: bus bridge, and the top modules around the machine."""
