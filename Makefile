# `make demo` and `make test` are all one needs; both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format models clean

demo: $(VENV)/installed-base
	$(BIN)/bakeoff run

test: $(VENV)/installed-tests
	$(BIN)/pytest

check: $(VENV)/installed-tests
	$(BIN)/ruff format --check src tests benchmarks training
	$(BIN)/ruff check src tests benchmarks training
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-tests
	$(BIN)/ruff format src tests benchmarks training
	$(BIN)/ruff check --fix src tests benchmarks training

# Trains the bundled models anew; how long that takes is in training/README.md.
models:
	sh training/reproduce.sh

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bakeoff needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,transformers,mlx,mlflow]'
	touch $(VENV)/installed-base $@
