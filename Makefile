# Every target sets up its own .venv when needed. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(wildcard csrc/* csrc/*/*)

.PHONY: demo test test-full check claims claims-full format bench clean

demo: $(VENV)/.installed  ## train a spiking network on real event recordings and open the way to a report
	$(BIN)/ranvier run stbp

test: $(VENV)/.developing  ## all fast tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-full: $(VENV)/.developing  ## the slow tests too; 300 kills, 10 000 mutations, malicious files
	RANVIER_FULL=1 $(BIN)/python -m pytest
	$(BIN)/python tools/reliability.py

claims: $(VENV)/.developing  ## every system's claim in small, on one seed, against its control
	$(BIN)/ranvier check --all --fast

claims-full: $(VENV)/.developing  ## every claim whole, on every seed; hours; goes on where it was stopped
	$(BIN)/ranvier check --all --full --out docs/results
	$(BIN)/python tools/systems_page.py

check: $(VENV)/.developing  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.developing  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.developing  ## our benchmarks, with the physical limit beside each figure
	$(BIN)/ranvier bench

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created $(SOURCES)
	$(PIP) --editable .
	touch $@

# At once, and not on top of .installed: the compiled modules would be built twice.
$(VENV)/.developing: $(VENV)/.created $(SOURCES)
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
