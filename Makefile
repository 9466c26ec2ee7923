# Every target makes its own virtual environment, so that no step stands before it:
#   make tour    see networks learn            make test    everything that must hold (<= 15 minutes on 2 cores)

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
ifeq ($(OS),Windows_NT)
SCRIPTS := Scripts
else
SCRIPTS := bin
endif
BIN := $(VENV)/$(SCRIPTS)
RELEASE := $(VENV)-release/$(SCRIPTS)
WHEEL := $(VENV)-wheel/$(SCRIPTS)
PIP := -m pip install --quiet --disable-pip-version-check
INSTALLED_FROM := pyproject.toml constraints.txt

.PHONY: help tour test test-all bench lint format release-check clean

help:
	@echo "make tour           see networks learn on real input: figures and a report in ./pellucid-tour"
	@echo "make test           style, types, imports and tests: at most 15 minutes on 2 cores, no network"
	@echo "make test-all       the same, and the tests that take long"
	@echo "make bench          Pellucid and its peers, timed on this machine"
	@echo "make lint           style, types and imports only"
	@echo "make format         put the style in order"
	@echo "make release-check  build wheel and sdist, install the wheel alone, run what README.md promises"
	@echo "make clean          remove what these targets made"

tour: $(VENV)/.base
	$(BIN)/pellucid tour --quick

test: lint
	$(BIN)/python -m pytest -n $(WORKERS)

test-all: lint
	$(BIN)/python -m pytest -n $(WORKERS) -m "long or not long"

bench: $(VENV)/.bench
	$(BIN)/pellucid bench

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The wheel is installed alone, beside nothing of this folder: what it lacks shows here.
release-check:
	rm -rf dist $(VENV)-release $(VENV)-wheel
	$(PYTHON) -m venv $(VENV)-release
	$(RELEASE)/python $(PIP) build twine
	$(RELEASE)/python -m build --outdir dist .
	$(RELEASE)/python -m twine check --strict dist/*
	$(PYTHON) -m venv $(VENV)-wheel
	$(WHEEL)/python $(PIP) dist/*.whl
	$(WHEEL)/pellucid run neuron --json
	$(WHEEL)/python tests/readme.py README.md README.zh-CN.md

clean:
	rm -rf $(VENV) $(VENV)-release $(VENV)-wheel dist build pellucid-tour
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp says what the environment holds; it is stale as soon as the requirements change.
$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.made $(INSTALLED_FROM)
	$(BIN)/python $(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.made $(INSTALLED_FROM)
	$(BIN)/python $(PIP) --constraint constraints.txt torch==2.13.0 --editable ".[dev,torch]"
	@touch $@

$(VENV)/.bench: $(VENV)/.made $(INSTALLED_FROM)
	$(BIN)/python $(PIP) --constraint constraints.txt torch==2.13.0 --editable ".[bench,torch]"
	@touch $@
