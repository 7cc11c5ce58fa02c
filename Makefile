# Daily acts. Each target does all of its own set-up on a fresh clone.
#
#   PYTHON       the interpreter to build the virtual environment with (3.10 or newer)
#   VENV         where the virtual environment lives
#   PYTEST_ARGS, RUN_ARGS, BENCH_ARGS   more arguments for the command behind the target
#   SMOKE        1: `make bench` and `make bench-peers` only look that every scenario runs, and write nothing
#   TEST_JOBS    how many processes `make test` takes (0: its own, as a debugger wants it)
#   RERUNS       how many tests that fail may be run once more, and pass then (default 0)
#   STORES, INSTANCES, KILLS, STOPS, SEED   what `make chaos` does: on which stores, how much, and which run
#   SEEDS, SCENARIOS, JOBS, TABLES      what to simulate, in how many processes, whether to show coverage in full
#   ROUNDS       how often `make bench-peers` measures each figure
#   MUTANTS, JOBS   which bugs `make mutants` plants (names or parts of names, all by default), and how many at once

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
TEST_JOBS ?= 2
RERUNS ?= 0
RUN_ARGS ?=
BENCH_ARGS ?=
SMOKE ?=
STORES ?= sqlite,azurite
INSTANCES ?= 2000
KILLS ?= 40
STOPS ?= 20
SEED ?= $(shell date +%s)
ROUNDS ?= 3
SEEDS ?= 0-2000
SCENARIOS ?=
JOBS ?=
TABLES ?=
MUTANTS ?=

PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
VENV_READY := $(VENV)/.ready-$(or $(PYTHON_VERSION),none)
AGENTS_VENV := $(VENV)-agents
AGENTS_READY := $(AGENTS_VENV)/.ready-$(or $(PYTHON_VERSION),none)
AGENTS_TESTS := tests/agents tests/openai_agents tests/pydantic_ai \
  tests/functions_worker/test_agents.py tests/sample/test_histories.py \
  sample_function_app/tests/test_agent.py sample_function_app/tests/test_replay.py
DOCS_READY := $(VENV)/.docs-ready
BENCH_READY := $(VENV)/.bench-ready
NODE_READY := node_modules/.ready
LOCK := constraints.txt
LOCKED_GROUPS = $(shell sed -n '/^\[dependency-groups\]/,/^\[tool/s/^\([a-z]*\) = \[.*/--group \1/p' pyproject.toml)
INSTALL := -m pip install -qq --disable-pip-version-check --constraint $(LOCK)
# From Python 3.12 on the interpreter itself tells which lines run, at next to no cost.
COVERAGE_CORE := $(if $(filter 3.10.% 3.11.%,$(PYTHON_VERSION)),,COVERAGE_CORE=sysmon)
# Before that a tracer does, and under a tracer code that spins is not interrupted: those tests would never end.
UNTRACED := $(if $(COVERAGE_CORE),,--ignore=tests/worker/test_watchdog.py)
PYRIGHT := node_modules/.bin/pyright --pythonpath $(VENV)/bin/python
# Not on 3.10, for which one of the frameworks has no release: the code that stands on it would be read without its types.
PYRIGHT_AGENTS := $(if $(filter 3.10.%,$(PYTHON_VERSION)),,node_modules/.bin/pyright --project .ci/pyright-agents.json --pythonpath $(AGENTS_VENV)/bin/python)
HIGHEST := --pythonversion 3.14 --pythonplatform Windows

RERUN_ARGS = $(if $(filter-out 0,$(RERUNS)),--reruns 1 --max-suite-reruns $(RERUNS) --rerun-show-tracebacks)
PYTEST = -m pytest -n $(TEST_JOBS) $(RERUN_ARGS)

.PHONY: help
help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV_READY) ## start the sample app on the embedded task hub
	@exec $(VENV)/bin/azure-durable start . --storage sqlite $(RUN_ARGS)

.PHONY: test
test: $(VENV_READY) $(NODE_READY) $(if $(PYTEST_ARGS),,$(AGENTS_READY)) ## run the whole test suite
	@$(VENV)/bin/python $(PYTEST) $(PYTEST_ARGS)
	@# PYTEST_ARGS name tests of the environment above.
	@$(if $(PYTEST_ARGS),,$(MAKE) --no-print-directory test-agents)

.PHONY: test-agents
test-agents: $(AGENTS_READY) $(NODE_READY) ## run the tests of agents, in an environment that has their frameworks
	@$(if $(PYRIGHT_AGENTS),echo "pyright"; $(PYRIGHT_AGENTS))
	@$(AGENTS_VENV)/bin/python $(PYTEST) $(or $(PYTEST_ARGS),$(wildcard $(AGENTS_TESTS)))

.PHONY: smoke
smoke: $(VENV_READY) ## run the quick part of the suite that means something on every system (docs/testing.md)
	@$(VENV)/bin/python -m pytest @tests/smoke.args $(RERUN_ARGS) $(PYTEST_ARGS)

.PHONY: chaos
chaos: $(VENV_READY) $(NODE_READY) ## kill, stop and cut off real workers, and look that nothing is lost
	@exec $(VENV)/bin/python -m tests.chaos --stores $(STORES) --instances $(INSTANCES) --kills $(KILLS) --stops $(STOPS) --seed $(SEED)

.PHONY: simulate
simulate: $(VENV_READY) ## play simulated runs: SEEDS=0-2000 [SCENARIOS=chains,fans] [JOBS=2] [TABLES=1] [COURSES=file]
	@$(VENV)/bin/python -m tests.simulation --seeds=$(SEEDS) --scenarios=$(SCENARIOS) $(if $(JOBS),--jobs=$(JOBS)) $(if $(TABLES),--tables) $(if $(COURSES),--courses=$(COURSES))

.PHONY: mutants
mutants: $(VENV_READY) $(NODE_READY) ## plant bugs, one at a time, and look that a test catches each: [MUTANTS="azure no_alarm"] [JOBS=2]
	@$(VENV)/bin/python -m tests.mutants $(MUTANTS) $(if $(JOBS),--jobs=$(JOBS))

.PHONY: coverage
coverage: $(VENV_READY) $(NODE_READY) ## run the whole test suite and show the lines it does not reach
	@$(COVERAGE_CORE) $(VENV)/bin/python -m pytest --cov --cov-report=term $(UNTRACED) $(if $(PYTEST_ARGS),--cov-fail-under=0) $(PYTEST_ARGS)

.PHONY: gate
gate: $(VENV_READY) $(NODE_READY) ## run all but what searches many schedules of the same code, and refuse too little coverage
	@$(COVERAGE_CORE) $(VENV)/bin/python $(PYTEST) --cov --cov-report=term \
	  --ignore=tests/simulation --ignore=tests/model --ignore=tests/mutants --ignore=tests/chaos $(UNTRACED) $(PYTEST_ARGS)

.PHONY: lint
lint: $(VENV_READY) $(NODE_READY) ## check rules, format, types and layers
	@echo "ruff check";  $(VENV)/bin/ruff check --quiet .
	@echo "ruff format"; $(VENV)/bin/ruff format --quiet --check . || { echo "Not formatted. Run 'make format'." >&2; exit 1; }
	@# As the lowest Python reads it, and as the highest does on the system with branches of its own; both at once.
	@echo "pyright";     $(PYRIGHT) & lowest=$$!; $(PYRIGHT) $(HIGHEST) || { wait $$lowest; exit 1; }; wait $$lowest
	@echo "monitor";     npm run --silent check-monitor
	@echo "layers";      $(VENV)/bin/python -m pytest -q --no-header -p no:cacheprovider tests/test_layers.py

.PHONY: format
format: $(VENV_READY) $(NODE_READY) ## apply the formatter and the fixes that are safe
	@$(VENV)/bin/ruff check --quiet --fix-only .
	@$(VENV)/bin/ruff format --quiet .
	@npm run --silent format-monitor

.PHONY: monitor
monitor: $(NODE_READY) ## build the monitor page anew from frontend/
	@npm run --silent check-monitor
	@npm run --silent build-monitor

.PHONY: docs
docs: $(DOCS_READY) $(NODE_READY) ## build the pages and the reference of the API into build/docs; a broken link fails
	@rm -rf build/docs
	@$(VENV)/bin/python -m sphinx -q -W -n --keep-going -d build/doctrees -E docs build/docs
	@echo build/docs/index.html

.PHONY: bench
bench: $(if $(SMOKE),$(VENV_READY),$(BENCH_READY)) $(NODE_READY) ## measure, beside what storage allows, and write the results: [BENCH_ARGS="chain signals"] [SMOKE=1]
	@exec $(VENV)/bin/python -m benchmarks $(if $(SMOKE),--smoke) $(BENCH_ARGS)

.PHONY: bench-peers
bench-peers: $(if $(SMOKE),$(VENV_READY),$(BENCH_READY)) $(NODE_READY) ## measure beside others, and write the results: [ROUNDS=3] [BENCH_ARGS="--systems ours,dbos"] [SMOKE=1]
	@exec $(VENV)/bin/python -m benchmarks.peers --rounds $(ROUNDS) $(if $(SMOKE),--smoke) $(BENCH_ARGS)

.PHONY: dist
dist: $(VENV_READY) ## build what is published into dist/, and try it
	@rm -rf dist build/tried
	@$(VENV)/bin/python -m hatchling build -d dist
	@$(PYTHON) -m venv build/tried
	@build/tried/bin/python -m pip install -qq --disable-pip-version-check --constraint $(LOCK) "$$(echo dist/*.whl)[local]"
	@cd build && tried/bin/azure-durable --version

.PHONY: setup
setup: $(VENV_READY) $(NODE_READY) ## install everything the other targets need

.PHONY: clean
clean: ## remove everything that the targets made, sample data included
	@rm -rf .venv .venv-agents node_modules dist build .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* .azure-durable .bench
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# In an environment of its own: where the lock is at odds with pyproject.toml, there is no other to be had.
.PHONY: lock
lock: ## renew constraints.txt: the newest versions that pyproject.toml allows, for every Python and system
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python -m pip install -qq --disable-pip-version-check 'uv>=0.9'
	@build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --all-extras $(LOCKED_GROUPS) \
	  --custom-compile-command "make lock" --output-file $(LOCK) pyproject.toml
	@git --no-pager diff --stat -- $(LOCK)

$(VENV_READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer is needed, and '$(PYTHON)' is $(or $(PYTHON_VERSION),not an interpreter that runs)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),test) PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) with Python $(PYTHON_VERSION) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@# First pip itself: the one that comes with older interpreters does not know dependency groups.
	@$(VENV)/bin/python $(INSTALL) --upgrade pip
	@$(VENV)/bin/python $(INSTALL) --build-constraint $(LOCK) --editable '.[local]' --group dev
	@touch $@

$(AGENTS_READY): pyproject.toml $(LOCK) | $(VENV_READY)
	@echo "Setting up $(AGENTS_VENV), with the frameworks of agents"
	@$(PYTHON) -m venv --clear $(AGENTS_VENV)
	@$(AGENTS_VENV)/bin/python $(INSTALL) --upgrade pip
	@$(AGENTS_VENV)/bin/python $(INSTALL) --build-constraint $(LOCK) --editable '.[local,openai-agents,pydantic-ai]' --group agents
	@touch $@

$(DOCS_READY): $(VENV_READY)
	@echo "Installing what builds the documents"
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --constraint $(LOCK) --group docs
	@touch $@

$(BENCH_READY): $(VENV_READY)
	@echo "Installing what draws the charts"
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --constraint $(LOCK) --group bench
	@touch $@

$(NODE_READY): package.json package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { \
	  echo "Node.js 20 or newer is needed (Azurite, pyright and the build of the monitor page run on it); found: $$(node --version 2>/dev/null || echo none)." >&2; exit 1; }
	@echo "Installing Azurite, pyright, the drawing of diagrams and the build of the monitor page"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
