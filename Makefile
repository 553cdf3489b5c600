# The front door of Perennial: `make` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check rules faults faults-replay nightly bench seed-log screenshots test-containers up down lock clean

BIN := .venv/bin
READY := .venv/.ready
COMPILE := pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

# Where bytecode is forbidden, every process that starts compiles every module again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

# Sets $uv. A pyenv shim named `uv` may be on the PATH and not work, so each candidate is asked for its version.
find_uv = uv=$$(for each in uv .tools/bin/uv; do $$each --version >/dev/null 2>&1 && echo $$each && break; done); \
	if [ -z "$$uv" ]; then \
		python3 --version >/dev/null 2>&1 || { echo "python3 is missing: install Python 3.13 and run make again" >&2; exit 1; }; \
		python3 -m venv .tools && .tools/bin/pip install --quiet uv \
			|| { echo "uv cannot be installed: install it (or python3-venv) and run make again" >&2; exit 1; }; \
		uv=.tools/bin/uv; \
	fi

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The program is make's only child and gets Ctrl-C itself: it stops everything, and make waits for it without a message.
run: $(READY)  ## start PostgreSQL, Kafka and both services, play a license's life; Ctrl-C stops all
	@exec $(BIN)/perennial demo

# Three processes keep two cores busy: tests that start servers also wait for them. The order is that of tests/scheduling.py.
SHARED_OUT := -n 3 --dist loadscope --no-loadscope-reorder
test: $(READY)  ## run the tests, on a real Kafka, a real PostgreSQL and a real browser
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m tests.java_cache
	@$(BIN)/python -m tests.journeys.proxies
	@$(BIN)/pytest $(SHARED_OUT) -m "not faults and not containers" tests

check: $(READY)  ## check format, lint, types and who imports whom; needs no server
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

rules: $(READY)  ## print each rule with its tests, and the state x input tables; fail on a gap
	@$(BIN)/python -m tests.rules

faults: $(READY)  ## kill and pause everything, and check that nothing is lost or done twice
	@$(BIN)/pytest -m faults tests/journeys

faults-replay: $(READY)  ## kill rebuilds and delete topics under traffic
	@$(BIN)/pytest -m faults tests/replay tests/proof

nightly: $(READY)  ## take 200,000 random steps through both services' rules
	@PERENNIAL_NIGHTLY=1 $(BIN)/pytest tests/test_random_histories.py --timeout 3600

CONTAINERS := tests/containers
JOURNEYS := tests/journeys
test-containers: $(READY)  ## run the fault tests on docker-compose.yml and the journeys on containers; needs a Docker engine
	@$(BIN)/pytest -m containers $(CONTAINERS)
	@PERENNIAL_TEST_SERVERS=containers $(BIN)/pytest -m "not faults" $(JOURNEYS)

up:  ## start everything in containers, with three brokers; needs a Docker engine
	@docker compose up -d --build --wait

down:  ## stop the containers; their data stays
	@docker compose --profile watch down

bench: $(READY)  ## measure throughput, latency and replay on this machine
	@$(BIN)/python -m tests.benchmarks

N := 3000000
TWINS := 0
seed-log: $(READY)  ## fill a system under .data with N events of devices; TWINS=30 writes each life 30 more times
	@$(BIN)/python -m tests.benchmarks.seed $(N) --twins $(TWINS)

screenshots: $(READY)  ## draw every state of the Licensing window into .data/screenshots
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m tests.java_cache
	@$(BIN)/python -m tests.browser.screenshots .data/screenshots

lock: $(READY)  ## pin all packages and Kafka's jars again, with hashes
	@$(find_uv); \
	$$uv $(COMPILE) --upgrade pyproject.toml -o requirements.txt && \
	$$uv $(COMPILE) --upgrade pyproject.toml --extra local --extra export --extra dev -c requirements.txt -o requirements-dev.txt && \
	echo hatchling | $$uv $(COMPILE) --upgrade - -o deploy/build-requirements.txt
	@$(BIN)/python -c "from shared.local.jars import write_pins; write_pins()"

clean:  ## remove the local stack's data and all caches
	@# when the checkout is below a home that only root can read, PostgreSQL's data is elsewhere, behind a link
	@rm -rf "$$(readlink -f .data/postgres/data || echo .data)" .data
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
	@find services shared tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Rebuilt only when its inputs have changed.
$(READY): requirements-dev.txt pyproject.toml .python-version
	@$(find_uv); \
	[ -x $(BIN)/python ] || said=$$($$uv venv --quiet .venv 2>&1) || { \
		echo "$$said" | head -n 1 >&2; \
		echo "Python $$(cat .python-version) is neither here nor can it be fetched: install it and run make again" >&2; \
		exit 1; }; \
	$$uv pip sync --quiet --compile-bytecode --require-hashes requirements-dev.txt && \
	$$uv pip install --quiet --no-deps -e .
	@touch $@
