# `make demo` and `make test` are all one needs; both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs format models tools clean clients

demo: $(VENV)/installed-base
	$(BIN)/bakeoff run

# Three at a time: most tests wait for processes, deadlines and browsers. The tests of a file stay together, as their fixtures do;
# long files come first, or one of them would be left over at the end. Bytecode first too: where Python is told to write none
# (PYTHONDONTWRITEBYTECODE), each of the thousand processes that tests start would compile the package for itself, a second of CPU.
test: $(VENV)/installed-tests
	$(BIN)/python -m compileall -q src
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder tests/fault tests/integration tests/e2e tests/property tests/unit

# Clients that people use (LiteLLM's SDK, LangChain, llm, OpenAI's for Node), each in an environment of its own, against the gateway.
CLIENTS := build/clients
clients: $(VENV)/installed-tests
	test -d $(CLIENTS)/litellm || { $(PYTHON) -m venv $(CLIENTS)/litellm && $(CLIENTS)/litellm/bin/pip install --quiet litellm; }
	test -d $(CLIENTS)/others || { $(PYTHON) -m venv $(CLIENTS)/others && $(CLIENTS)/others/bin/pip install --quiet langchain-openai llm; }
	test -d $(CLIENTS)/node_modules || npm install --no-audit --no-fund --prefix $(CLIENTS) openai
	BAKEOFF_TEST_CLIENTS=$(CURDIR)/$(CLIENTS)/litellm:$(CURDIR)/$(CLIENTS)/others \
	BAKEOFF_TEST_NODE_MODULES=$(CURDIR)/$(CLIENTS)/node_modules \
	$(BIN)/pytest tests/integration/test_gateway_clients.py

check: $(VENV)/installed-tests
	$(BIN)/ruff format --check src tests benchmarks training
	$(BIN)/ruff check src tests benchmarks training
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, into build/site; a link that leads nowhere is an error.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Programs that read what `bakeoff export` writes for them, each in an environment of its own, since they do not agree with
# ours. Tests that need one that is not there say so and are skipped.
tools: $(VENV)/tools/litellm/installed $(VENV)/tools/ray/installed $(VENV)/tools/vllm-sr/installed $(VENV)/tools/schemas/installed

$(VENV)/tools/litellm/installed: PACKAGES = litellm[proxy]==1.108.*
$(VENV)/tools/ray/installed: PACKAGES = ray[serve]==2.60.*
$(VENV)/tools/vllm-sr/installed: PACKAGES = vllm-sr==0.4.*
$(VENV)/tools/schemas/installed: PACKAGES = kubernetes-validate compose-spec jsonschema pyyaml
$(VENV)/tools/%/installed: | $(BIN)/python
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(foreach package,$(PACKAGES),'$(package)')
	touch $@

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
