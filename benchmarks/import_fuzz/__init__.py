"""Differential fuzzing of the importer: random and mutated files against onnxruntime."""
