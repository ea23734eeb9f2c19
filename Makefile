# One command each; every target sets up .venv by itself. Needs make, bash and Python 3.11 or newer.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test torture fuzz check docs format benchmark clean

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
FLOW := flowmetal/stdlib examples tests

help:
	@echo "make demo       orders charged exactly once, through kill -9 and a move to another store"
	@echo "make test       the test suite"
	@echo "make torture    the long run: machines saved and moved everywhere, every crash point, simulations, storms, power cuts"
	@echo "make fuzz       whatever comes in, from text to rows of SQL, under atheris; FUZZ_SECONDS each (120)"
	@echo "make check      format, lint, types, layers, generated documentation"
	@echo "make docs       write the generated documentation again"
	@echo "make format     format the code"
	@echo "make benchmark  what the README claims about speed"

# Byte code is made here and not on the way, so that commands start fast under PYTHONDONTWRITEBYTECODE too.
setup: .venv/.ready
	@$(BIN)/python -m compileall -q flowmetal

.venv/.ready: pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Flowmetal needs Python 3.11 or newer: none found. Set PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON)" >&2
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/python examples/orders/demo.py

# Three processes on two processors: many tests wait for disks, servers and clocks.
test: setup
	$(BIN)/python -m pytest -n 3

# The longest first and the shortest last, one at a time: so both processes end together.
torture: setup
	FLOWMETAL_EVERYTHING=1 FLOWMETAL_KILLS=1000 $(BIN)/python -m pytest -n 2 --maxschedchunk=1 -o timeout=3600 \
		tests/torture tests/power tests/crash tests/snapshot tests/lang/test_lang_moving.py \
		tests/server/test_callbacks.py tests/stdlib/test_run_again.py tests/simulation tests/year \
		tests/tangles tests/compiler/test_random_programs.py tests/tools/formatting/test_round_trip.py

fuzz: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz $(TARGETS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/fmc fmt --check $(FLOW)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: setup
	$(BIN)/python docs/generate.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/fmc fmt $(FLOW)

benchmark: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
