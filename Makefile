# `make demo` and `make test` are all one needs; both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs format models clean

demo: $(VENV)/installed-base
	$(BIN)/bakeoff run

# Two at a time: most tests wait for processes, deadlines and browsers. The tests of a file stay together, as their fixtures do.
test: $(VENV)/installed-tests
	$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/installed-tests
	$(BIN)/ruff format --check src tests benchmarks training
	$(BIN)/ruff check src tests benchmarks training
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, into build/site; a link that leads nowhere is an error.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,transformers,mlx,mlflow,ray]'
	touch $(VENV)/installed-base $@

$(VENV)/installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $(VENV)/installed-base $@
