# Wraps the plain commands that README.md gives too (for Windows); makes its own virtual environment, installs no system package.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: run test check bench faults faults-slice fuzz clean

run: $(READY)
	$(BIN)/flowmend demo

test: $(READY)
	$(BIN)/pytest -n auto

check: $(READY)
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python bench/run_bench.py
	$(BIN)/python bench/loops.py
	$(BIN)/python bench/expressions.py
	$(BIN)/python bench/connections.py
	$(BIN)/python bench/incidents.py
	$(BIN)/python bench/history.py
	$(BIN)/python bench/pages.py
	$(BIN)/python bench/run_pages.py
	$(BIN)/python bench/waiting_runs.py
	$(BIN)/python bench/diagnosis.py
	$(BIN)/python bench/built_in.py

# Kills, fills, misleads and sets the clock of a running server; the seed is printed and can be given again: make faults SEED=7
faults: $(READY)
	$(BIN)/python bench/faults.py $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

# The same in small sizes, in about a minute; the tests run it too
faults-slice: $(READY)
	$(BIN)/python bench/faults.py --slice $(if $(SEED),--seed $(SEED))

# 2,000,000 odd expressions and 50,000 odd definitions; the seed is printed and can be given again: make fuzz SEED=7
fuzz: $(READY)
	$(BIN)/python bench/fuzz.py $(if $(SEED),--seed $(SEED))

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
