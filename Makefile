# Everything a fresh machine needs is set up by the targets themselves, in .venv.
# Needed beforehand: Python 3.11 or newer, make, a C++ compiler and perl.
# PYTHON=... chooses the interpreter the environment is made with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
DEMO := build/demo

.PHONY: demo test test-quick lint clean
.DELETE_ON_ERROR:

# The ViT through the generated Verilog: 8 real images, then a table and an HTML report.
demo: $(VENV)/.stamp-sim
	$(BIN)/rowmac build examples/fashion_mnist/vit_int8.onnx --board arty-z7-20 -o $(DEMO)
	$(BIN)/rowmac simulate $(DEMO) --inputs examples/fashion_mnist/samples.npz --count 8

test: $(VENV)/.stamp-torch
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

# No simulator, synthesis or exporter: models, mapper, importer, command line.
test-quick: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (simulator or synthesis or torch or slow)" $(PYTEST_ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-sim: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[sim]'
	touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.stamp-sim

# Tests that export networks need PyTorch. Only its CPU build is installed unasked: the default
# one pulls gigabytes of GPU libraries. Where there is none, those tests skip and say so (or fail,
# with PYTEST_ARGS=--no-skips), and the next run tries again.
$(VENV)/.stamp-torch: $(VENV)/.stamp-dev
	$(BIN)/python .ci/install_torch.py $(TORCH) && touch $@ || true
