# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UI := tools/ui/node_modules/.bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock"
COMPILE := $(BIN)/uv pip compile pyproject.toml --group build $(COMPILED)
CLIENTS := $(BIN)/uv pip compile tests/clients/requirements.in $(COMPILED)

PYTEST := $(BIN)/python -m pytest -n logical --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow test-all mutate soak check check-ui hooks format bench lock schema clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/run.stamp ## set up what the service and the command line need

run: $(VENV)/run.stamp ## start the service on its embedded defaults
	@$(BIN)/pixyproxy serve

test: $(VENV)/dev.stamp ## run the tests that take minutes in all
	@$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/dev.stamp ## run the others, which kill, starve and soak
	@$(PYTEST) -m slow $(ARGS)

test-all: test test-slow ## run all tests

mutate: $(VENV)/dev.stamp ## change the code in small ways and see whether tests fail
	@$(BIN)/mutmut run $(addsuffix *,$(ARGS))
	@$(BIN)/mutmut export-cicd-stats
	@cat mutants/mutmut-cicd-stats.json

soak: $(VENV)/dev.stamp ## kill the service under load, 200 times on each database
	@$(BIN)/python -m tests.reliability.soak $(ARGS)

check: $(VENV)/dev.stamp ## lint, check the format, the types and the architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-ui; \
	else echo "NOT CHECKED: the gallery's modules, for npm is missing on this machine" >&2; fi

check-ui: tools/ui/node_modules/.package-lock.json ## check the gallery's modules, by node
	@$(UI)/tsc -p tools/ui
	@$(UI)/biome check --config-path=tools/ui pixyproxy/web/ui

tools/ui/node_modules/.package-lock.json: tools/ui/package-lock.json
	@npm --prefix tools/ui ci
	@touch $@

hooks: $(VENV)/dev.stamp ## have git run what `make check` runs before each commit
	@$(BIN)/pre-commit install

format: $(VENV)/dev.stamp ## format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/dev.stamp ## renew the locked dependencies
	@$(COMPILE) --upgrade --group dev -o requirements-dev.txt
	@$(COMPILE) --upgrade --constraint requirements-dev.txt -o requirements.txt
	@cd tests/generators && $(abspath $(BIN))/uv pip compile requirements.in $(COMPILED) --upgrade -o requirements.txt
	@$(CLIENTS) --upgrade -o tests/clients/requirements.txt
	@cd tests/clients && npm update --package-lock-only --omit-lockfile-registry-resolved --silent

schema: $(VENV)/dev.stamp ## write schema.graphql anew
	@$(BIN)/pixyproxy export-schema > schema.graphql

clean: ## remove the virtual environment and caches; kept images stay
	@rm -rf $(VENV) .clients .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis mutants

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
