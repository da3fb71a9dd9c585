# `make help` lists all targets. Two are all there is to know: `make demo` and `make test`.
PYTHON ?= python3
PORT ?= 8000
export WORKERS
DEMO_STOCK ?= 100
BIN := .venv/bin
DOCS := var/docs-venv
# For all supported versions of Python and all systems: hashes of every file, and markers where packages differ.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: demo test check faults loadtest bench lint format docs lock env clean help

# "##@" begins a group, "##" says what a target does, " // " precedes its variables.
help: ## list the targets
	@echo "make TARGET [VARIABLE=value …]"
	@awk '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.* ## / { \
			name = text = $$0; sub(/:.*/, "", name); sub(/^.* ## /, "", text); variables = text; \
			if (sub(/^.* \/\/ /, "", variables)) sub(/ \/\/ .*/, "", text); else variables = ""; \
			printf "  %-9s %s\n", name, text; if (variables) printf "  %-9s   %s\n", "", variables }' $(MAKEFILE_LIST)

##@ Use
demo: .venv/demo ## run the shop on this machine // PORT=8000 DEMO_STOCK=100
	@PORT=$(PORT) DEMO_STOCK=$(DEMO_STOCK) exec $(BIN)/python -m devtools.demo

env: ## write .env with fresh secrets, for docker-compose
	@sh deploy/make-env

clean: ## delete the demo's data and the installed packages
	rm -rf .venv var

##@ Change
test: .venv/development ## run every test, on real servers // WORKERS=4
	@exec $(BIN)/python -m tests

check: .venv/development ## lint and the fast tests, for the loop while editing
	@$(MAKE) --no-print-directory lint
	@DATABASE_URL=sqlite:///ledger.sqlite3 exec $(BIN)/python -m pytest -q -n 4 --dist loadgroup -m "fast and not thorough" tests/gate tests/line
	@echo "Not run: everything with a database, workers, shops or a browser. make test runs it."

lint: .venv/development ## ruff, mypy strict, import layers, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DEBUG=1 $(BIN)/mypy . # the Django plugin reads the settings
	$(BIN)/lint-imports
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run

format: .venv/development ## format the code with ruff
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(DOCS)/installed ## build the documentation as a site, into var/site
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

lock: .venv/bin/python ## write requirements*.txt with hashes from pyproject.toml // UPGRADE=--upgrade
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCK) --extra dev --output-file requirements-dev.txt
	@$(LOCK) --extra loadtest --constraint requirements-dev.txt --output-file requirements-loadtest.txt
	@$(LOCK) --extra demo --constraint requirements-dev.txt --output-file requirements-demo.txt
	@$(LOCK) --constraint requirements-dev.txt --output-file requirements.txt

##@ Break and measure
faults: .venv/development ## kill, pause, wipe and restart every part, about 40 minutes // SOAK_MINUTES=15 SEED=…
	@FAULTS_TABLE=docs/explanation/faults.md exec $(BIN)/python -m pytest -m "" -p tests.faults.report -q tests/faults tests/simulation tests/orders/test_at_once.py

loadtest: .venv/loadtest ## compare sync, naive and line, about 8 minutes // SCENARIOS=A,B,C SYSTEMS=sync,naive,line LEDGER=postgres
	@exec $(BIN)/python -m loadtest.compare

bench: .venv/loadtest ## ceilings and costs, needs wrk, about 8 minutes // ROWS=accept,pass BASELINE=REVISION ROUNDS=3 SECONDS=3, or MILLION=1
	@exec $(BIN)/python -m loadtest.bench

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is `$(PYTHON) --version`. Choose one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Creating a virtual environment …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "The venv module of $(PYTHON) does not work (Debian: apt install python3-venv)." >&2; exit 1; }

.venv/demo: requirements-demo.txt | .venv/bin/python
	@echo "Installing what the shop needs (about half a minute the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-demo.txt
	@touch $@

.venv/loadtest: requirements-loadtest.txt | .venv/bin/python
	@echo "Installing what load tests need (about a minute the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-loadtest.txt
	@touch $@ .venv/demo

.venv/development: requirements-dev.txt | .venv/bin/python
	@echo "Installing what tests and lint need (about a minute the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ .venv/demo .venv/loadtest

$(DOCS)/installed: requirements-docs.txt | .venv/bin/python
	@echo "Installing what the documentation needs (about half a minute the first time) …"
	@$(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@
