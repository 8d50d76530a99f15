# Everything works on a bare Debian 12 or 13; `make demo` and `make test` need nothing else.
PYTHON := .venv/bin/python

.PHONY: demo test test-all lint unit core soak bench clean

demo: .venv/demo  ## Bring a core and its tenant up and print how to use them
	@.venv/bin/cloudfreedom demo

clean: .venv/demo  ## Take them down; their data stays
	@.venv/bin/cloudfreedom clean

test: lint unit core  ## End to end on every way up that this machine has
	$(PYTHON) -m pytest tests/e2e

test-all: lint  ## That, with every member of each family, and kills for 50 rounds
	for part in unit core e2e; do \
	  SOAK_ROUNDS=50 $(PYTHON) -m pytest tests/$$part --all || exit; done

lint: .venv/test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

unit: .venv/test
	$(PYTHON) -m pytest tests/unit

core: .venv/test  ## The core's services on a real PocketBase, without any container
	$(PYTHON) -m pytest tests/core

soak: .venv/test  ## Kill whatever keeps budgets, for 50 rounds
	SOAK_ROUNDS=50 $(PYTHON) -m pytest tests/e2e/test_budget_faults.py -s

bench: .venv/test  ## Ratios, measured side by side
	$(PYTHON) -m tests.bench

.venv/demo: requirements.txt pyproject.toml
	scripts/venv requirements.txt
	@touch $@

.venv/test: requirements-dev.txt pyproject.toml
	scripts/venv requirements-dev.txt
	@touch .venv/demo $@
