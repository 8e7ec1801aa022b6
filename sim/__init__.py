"""Floor 2: simulation: Verilator, cocotb drivers and monitors, memories. Never meets `hdl`."""
