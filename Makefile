# Everything a developer does here. Needs only Python >= 3.11 with venv, and make; whatever else is wanted comes into this folder.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

export PYTHON ?= python3
# Eight processes that compile every module anew at each start cost two seconds of a core each.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python

.PHONY: help
help: ## What can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: install ## Tell the whole story on real parts: one batch of cases from filing to money paid
	@$(PY) -m deploy.demo.story

.PHONY: up
up: install ## Start everything and stay until Ctrl-C
	@$(PY) -m deploy.local.up

.PHONY: test
test: check ## Check, then run all tests on a real PostgreSQL and a real Kafka
	@$(PY) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: install ## Lint, format, types, import contracts
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

.PHONY: bench
bench: install ## Measure against the yardstick
	@$(PY) -m tests.load.bench

.PHONY: migrate
migrate: install ## Bring the database of `make up` to the newest revisions
	@$(PY) -m deploy.local.migrate

.PHONY: install
install: .jgo/installed ## Fetch what is locked: Python packages and Kafka's jars

.venv/installed: requirements.lock deploy/local/install.sh
	@deploy/local/install.sh
	@touch $@

.jgo/installed: jgo.lock.toml .venv/installed
	@$(PY) -m deploy.local.jars sync
	@touch $@

.PHONY: lock
lock: install ## Resolve anew what pyproject.toml and jgo.toml ask for
	@.local/uv/bin/uv pip compile --quiet --upgrade --no-emit-index-url --no-emit-find-links --generate-hashes --universal --python-version 3.11 \
		pyproject.toml --group local --group check -o requirements.lock --no-annotate \
		--custom-compile-command "make lock"
	@$(PY) -m deploy.local.jars lock

.PHONY: clean
clean: ## Remove the data of all local runs, then what was fetched
	@if [ -x $(PY) ]; then $(PY) -m deploy.local.clean; fi
	@rm -rf .local .venv .jgo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
