# make run    sets everything up and starts the program          make run ARGS="--help", make run ARGS=picture.jpg
# make test   sets everything up; formatting, types, import rules, unit tests, then the tests in a real window
# make quick  less than a minute of that, for every commit: formatting, rules, and the fast tests of every file
# make unit   or lint, types, e2e: one of them      make unit ARGS="-k nms -n 0" gives its arguments to pytest
# make durations  measures anew which tests are not fast (tests/slow.tsv)
# make bench  the speed table of the README
# make words  brings the translations up to date with the sources, and says what is to be translated
# make soak   an hour of random use and whether anything grows or fails      make soak ARGS="--minutes 1"
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.SILENT:
.DELETE_ON_ERROR:
.PHONY: run setup test quick durations lint format types unit e2e bench soak words clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --require-virtualenv
NEEDS := pyproject.toml constraints.txt

run: $(VENV)/ready
	$(BIN)/python -m explorer.settings.system --install
	exec $(BIN)/cv-explorer $(ARGS)

setup: $(VENV)/ready-dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, and $(PYTHON) is " + sys.version.split()[0] + \
	  "; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	echo "Setting up $(VENV); the first time takes some minutes."
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# hatchling is there first, so that the editable install builds with the pinned one and not in a folder of its own.
$(VENV)/ready: $(NEEDS) | $(BIN)/python
	$(PIP) install -c constraints.txt hatchling
	$(PIP) install -c constraints.txt --no-build-isolation -e .
	touch $@

$(VENV)/ready-dev: $(NEEDS) | $(BIN)/python
	$(PIP) install -c constraints.txt hatchling
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $(VENV)/ready $@

# One after another, each with its seconds; those joined by + beside each other. pytest shares the tests between the cores.
# Without Xvfb the tests in windows are left out, and pytest's last lines say which.
test: $(VENV)/ready-dev
	$(BIN)/python -m tools.checks lint+types unit e2e -- $(ARGS)

quick: $(VENV)/ready-dev
	$(BIN)/python -m tools.checks lint quick -- $(ARGS)

durations: $(VENV)/ready-dev
	$(BIN)/python -m tools.checks unit -- --record-slow

lint types unit e2e: $(VENV)/ready-dev
	$(BIN)/python -m tools.checks $@ -- $(ARGS)

bench: $(VENV)/ready-dev
	$(BIN)/python -m explorer.settings.system --install xvfb xdotool
	$(BIN)/python tests/benchmarks/bench.py $(ARGS)

soak: $(VENV)/ready-dev
	$(BIN)/python -m explorer.settings.system --install xvfb
	$(BIN)/python -m tests.soak $(ARGS)

words: $(VENV)/ready-dev
	$(BIN)/python -m tools.words

format: $(VENV)/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .numba_cache *.egg-info
	find cvcore explorer tests tools -name __pycache__ -prune -exec rm -rf {} +
