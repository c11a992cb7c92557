# Two commands are all a newcomer needs: `make run` and `make test`. Both set themselves up in .venv, without root.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
WORKERS ?= 2
# branch coverage: of everything, what was measured less a point; of what every message passes through, all of it
FLOOR := 97
CORE := engine/hl7/*,engine/mllp/*,engine/steps/*,engine/channel/*
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help run test covered lint bench torture clean
help:  ## What can be made.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/python:
	@test -n "$(PYTHON)" || { echo "backstory needs Python 3.11 or newer; none was found (or say: make PYTHON=/path/to/python3 ...)" >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/ready: $(VENV)/python requirements.lock pyproject.toml
	@echo "installing what the engine needs (requirements.lock, about a minute)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/ready-test: $(VENV)/ready requirements-test.lock
	@echo "installing what the tests need (requirements-test.lock)"
	@$(PIP) install --require-hashes -r requirements-test.lock
	@touch $@

# a client of another world that tests talk to; where npm is missing, those tests skip by name
$(VENV)/ready-node: tests/foreign/package-lock.json $(VENV)/python
	@command -v npm >/dev/null || { echo "npm was not found: the tests with node's simple-hl7 are left out"; exit 0; }; \
	mkdir -p $(VENV)/node && cp tests/foreign/package.json tests/foreign/package-lock.json $(VENV)/node && \
	npm ci --prefix $(VENV)/node --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null && touch $@

$(VENV)/ready-torture: $(VENV)/ready-test requirements-torture.lock
	@echo "installing the fuzzer (requirements-torture.lock)"
	@$(PIP) install --require-hashes -r requirements-torture.lock || { echo "atheris has no build for this Python; make torture PYTHON=/path/to/python3.13 VENV=.venv-torture" >&2; exit 1; }
	@touch $@

run: $(VENV)/ready  ## Start the demonstration: an engine, a simulated hospital, a stand-in PACS. ARGS="--seconds 60" is passed on.
	@$(BIN)/backstory demo $(ARGS)

lint: $(VENV)/ready-test  ## ruff, mypy --strict, backstory check, backstory test.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/backstory check
	$(BIN)/backstory test

test: lint $(VENV)/ready-node  ## Everything that must hold before a change lands.
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report= $(ARGS)
	@test -n "$(ARGS)" || $(MAKE) --no-print-directory covered

covered:
	@$(BIN)/python -m coverage report --include='$(CORE)' --fail-under=100 > $(VENV)/coverage.txt || { cat $(VENV)/coverage.txt; exit 2; }
	@$(BIN)/python -m coverage report --fail-under=$(FLOOR) > $(VENV)/coverage.txt; s=$$?; grep ^TOTAL $(VENV)/coverage.txt; exit $$s

bench: $(VENV)/ready-test  ## Every figure of the goals in one table, about ten minutes; ARGS="--help" says what can be asked for.
	@$(BIN)/python -m tests.bench $(ARGS)

torture: $(VENV)/ready-torture  ## The long forms of the tests: ten million inputs for what reads the wire. ARGS="--help" says what can be asked for.
	@$(BIN)/python -m tests.torture $(ARGS)

clean:  ## Remove what make made.
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
