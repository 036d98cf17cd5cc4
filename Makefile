# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --quiet \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help install run test soak check format bench lock schema clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/run.stamp ## set up what the service and the command line need

run: $(VENV)/run.stamp ## start the service on its embedded defaults
	@$(BIN)/pixyproxy serve

test: $(VENV)/dev.stamp ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

soak: $(VENV)/dev.stamp ## kill the service under load, 200 times on each database
	@$(BIN)/python -m tests.reliability.soak $(ARGS)

check: $(VENV)/dev.stamp ## lint, check the format, the types and the architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/dev.stamp ## renew the locked dependencies
	@$(COMPILE) --upgrade --group dev -o requirements-dev.txt
	@$(COMPILE) --upgrade --constraint requirements-dev.txt -o requirements.txt

schema: $(VENV)/dev.stamp ## write schema.graphql anew
	@$(BIN)/pixyproxy export-schema > schema.graphql

clean: ## remove the virtual environment and caches; kept images stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PixyProxy needs Python 3.11 or newer; name one with PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is needed (on Debian: apt-get install python3-venv)" >&2; exit 1; }

$(VENV)/run.stamp: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
