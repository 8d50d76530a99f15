# Everything works on a bare Debian 12 or 13; `make demo` and `make test` need nothing else.
PYTHON := .venv/bin/python

.PHONY: help demo test test-all test-fast lint test-unit test-core soak bench clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo  ## Bring a core and a tenant up, and print their addresses and logins
	@.venv/bin/cloudfreedom demo

clean: .venv/demo  ## Take the demo down; its data stays
	@.venv/bin/cloudfreedom clean

test: test-fast  ## Run test-fast, and end to end on every way up (50 min)
	$(PYTHON) -m pytest tests/e2e

test-all: lint  ## The same with every member of each family, and kills for 50 rounds (hours)
	for part in unit core e2e; do \
	  SOAK_ROUNDS=50 $(PYTHON) -m pytest tests/$$part --all || exit; done

test-fast: lint test-unit test-core  ## Run everything that needs no Docker engine (10 min)

lint: .venv/test  ## Check format, style, types, imports and spelling (2 min)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/codespell

test-unit: .venv/test  ## Run the unit tests (2 min)
	$(PYTHON) -m pytest tests/unit

test-core: .venv/test  ## Run the core's services on a real PocketBase, without containers (6 min)
	$(PYTHON) -m pytest tests/core

soak: .venv/test  ## Kill whatever keeps budgets, for 50 rounds
	SOAK_ROUNDS=50 $(PYTHON) -m pytest tests/e2e/test_budget_faults.py -s

bench: .venv/test  ## Measure a tenant beside plain Compose and an empty program
	$(PYTHON) -m tests.bench

.venv/demo: requirements.txt pyproject.toml
	scripts/venv requirements.txt
	@touch $@

.venv/test: requirements-dev.txt pyproject.toml
	scripts/venv requirements-dev.txt
	@touch .venv/demo $@
