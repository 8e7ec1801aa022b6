"""The out folder: Verilog, project, memory image, manifest."""
