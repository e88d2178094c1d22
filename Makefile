# Everything a person runs. docs/install.md says the same without make.
#
# Each target makes `.venv` in the checkout if it has to and installs what it needs, once:
# a stamp remembers it until pyproject.toml changes.

SHELL := /bin/sh
VENV := .venv
RUN := $(VENV)/bin/python
# The first interpreter that is new enough; `make PYTHON=/path/to/python demo` names another.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# Processes that share the tests.
WORKERS ?= 2

USER_STAMP := $(VENV)/.installed
DEVELOPMENT_STAMP := $(VENV)/.installed-development
GATE := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov

.DEFAULT_GOAL := help
.PHONY: help demo test test-long bench lint format clean distclean
.DELETE_ON_ERROR:

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(USER_STAMP) ## trade on a clearing house, prove it to its contract, be paid by it, and balance its books
	$(RUN) cli.py demo

test: $(DEVELOPMENT_STAMP) ## run everything that guards the project
	$(RUN) $(GATE)

test-long: $(DEVELOPMENT_STAMP) ## the same with the tests that take minutes, and more random examples
	CLEARING_LONG_TESTS=1 $(RUN) $(GATE) --timeout 3600

bench: $(DEVELOPMENT_STAMP) ## measure everything anew and write benchmarks/results
	$(RUN) cli.py bench all

lint: $(DEVELOPMENT_STAMP) ## style, types and import order only (part of `make test`)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

format: $(DEVELOPMENT_STAMP) ## rewrite the sources as the formatter wants them
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean: ## remove what runs leave behind, but not .venv
	rm -rf build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf $(VENV)

$(RUN):
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer is needed, and none was found (on Debian and Ubuntu: apt install python3 python3-venv)." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)." >&2; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(USER_STAMP): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --prefer-binary --editable .
	@touch $@

$(DEVELOPMENT_STAMP): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[development]'
	@touch $(USER_STAMP) $@
