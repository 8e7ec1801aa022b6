"""Static timing floor: what no placement can be faster than, from the netlist of Yosys.

A floor is no achieved clock: cells are where they would be best, the clock arrives everywhere at
once, and no net waits for another one's wires. A machine whose floor misses a clock cannot have
that clock; one whose floor meets it may still miss it.
"""
