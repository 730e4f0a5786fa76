# Everything a person or CI does with this repository. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test check format bench chaos sweep campaign upgrades simulation zones soak ioerrors power stateful fuzz clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## make .venv with tidemill in it (PYTHON=python3.12 chooses another Python)

# The stamp makes the second time quick; a changed pyproject.toml installs again.
$(INSTALLED): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "tidemill needs Python 3.11 or newer, and '$(PYTHON)' is not one: name yours with make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| $(PYTHON) -m venv --clear $(VENV) 2>/dev/null >/dev/null \
		|| { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } 2>/dev/null \
		|| { rm -rf $(VENV); echo "'$(PYTHON)' cannot make a virtual environment: it lacks ensurepip and pip (on Debian and Ubuntu: apt install python3-venv), then run make again" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

run: install  ## serve flows/ in the foreground, state in .tidemill/; Ctrl-C ends it
	@exec $(BIN)/tidemill daemon

# Most tests wait for processes; three files at once keep two cores busy.
test: check  ## everything CI checks: make check, then all tests
	$(BIN)/python -P -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: install  ## formatting, lint, types, and the contracts between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## put the code into its shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## measure, as JSON lines, each figure beside its floor (NAMES=load takes those of much load, for long)
	$(BIN)/python -P tests/benchmarks $(NAMES)

chaos: campaign upgrades simulation zones soak ioerrors power stateful fuzz sweep  ## try to break it, for as long as MINUTES says (30); SEED chooses another time

campaign: install  ## SIGKILL at random on the real stack, half an hour long (MINUTES=, SEED=)
	$(BIN)/python -P tests/chaos/campaign.py --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

upgrades: install  ## change the version a hundred times and back while runs live (UPGRADES=, SEED=)
	$(BIN)/python -P tests/chaos/campaign.py --upgrades $(or $(UPGRADES),100) --seed $(or $(SEED),1)

simulation: install  ## simulate lives of the daemon until 200,000 faults were made (FAULTS=, SEED=)
	$(BIN)/python -P tests/chaos/simulate.py --faults $(or $(FAULTS),200000) --seed $(or $(SEED),1)

sweep: install  ## kill at every state-changing system call of small stories on the real stack (PART=1/2, PAIRS=, SEED=)
	$(BIN)/python -P tests/chaos/sweep.py --part $(or $(PART),1/1) --pairs $(or $(PAIRS),0) --seed $(or $(SEED),1)

zones: install  ## compare ten years of schedules in every time zone with an independent computation
	$(BIN)/python -P tests/chaos/zones.py

soak: install  ## let it run for two hours with a fault a minute, and measure what grows (HOURS=, SEED=)
	$(BIN)/python -P tests/chaos/soak.py --hours $(or $(HOURS),2) --seed $(or $(SEED),1)

ioerrors: install  ## let every call of a small story on the real stack meet I/O errors, once and lasting (MINUTES=, SEED=, PART=1/2)
	$(BIN)/python -P tests/chaos/io_errors.py --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1) --part $(or $(PART),1/1)

power: install  ## cut the power at thousands of moments of recorded system calls, and open what may be left (STATES=, SEED=)
	$(BIN)/python -P tests/chaos/power.py --states $(or $(STATES),5000) --seed $(or $(SEED),1)

stateful: install  ## go through histories of commands drawn by Hypothesis, each step held against a model (EXAMPLES=, SEED=)
	$(BIN)/python -P tests/chaos/stateful.py --examples $(or $(EXAMPLES),300) --seed $(or $(SEED),1)

fuzz: install  ## frames, journal lines, ids and flow files that are nonsense, a million of each (INPUTS=, SEED=)
	$(BIN)/python -P tests/chaos/fuzz.py --inputs $(or $(INPUTS),1000000) --seed $(or $(SEED),1)

clean:  ## take away .venv and what tools left; .tidemill/ (your history) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
