# Everything a person types: `make demo`, `make test`; the rest is for those who change the code.
PYTHON ?= python3
BIN := .venv/bin
# What generates and compiles the clients, Node among it, apart from Lepton's own packages.
TOOLS := $(CURDIR)/clients/.venv/bin
JOBS ?= 2
# OpenMP threads that spin while they wait slow every other process down (25x, measured).
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test test-fast lint format bench goldens clients clients-check clean

demo: .venv/installed
	$(BIN)/lepton demo

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests

test-fast: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" tests

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/installed-bench
	$(BIN)/python -m tests.benchmarks

# Draw the screens' goldens again after a change that was meant; read the diff before committing it.
goldens: .venv/installed-dev
	LEPTON_GOLDENS=write $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/screens

# Make the Python and the TypeScript client again from the service's OpenAPI document.
clients: .venv/installed-dev clients/.venv/installed
	$(BIN)/python clients/generate.py

# Whether they are what would be made now, and hold under the strictest checks of types.
clients-check: .venv/installed-dev clients/.venv/installed
	$(BIN)/python clients/generate.py --check
	cd clients/python && $(CURDIR)/$(BIN)/mypy
	PATH="$(TOOLS):$$PATH" npm --prefix clients/typescript run check

clean:
	rm -rf .venv build dist clients/.venv clients/typescript/node_modules clients/typescript/dist

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lepton needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/installed-bench: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

clients/.venv/installed: clients/generators.txt clients/typescript/package-lock.json
	test -x $(TOOLS)/python || $(PYTHON) -m venv clients/.venv
	$(TOOLS)/pip install --quiet --disable-pip-version-check -r clients/generators.txt
	PATH="$(TOOLS):$$PATH" npm --prefix clients/typescript ci --ignore-scripts --no-audit --no-fund
	touch $@
