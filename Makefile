# Needs Python 3.10 or later, make and git; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
JOBS ?= 2
MINUTES ?= 30
# Releases of Opacus that the demo runs side by side (the tests find and add to the same folder).
RELEASES := 1.5.2 1.5.4 1.6.0

.PHONY: help demo test variations mutants fuzz lint bench format readme docs new-rule clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      scan, fix and verify a real training project, and measure it before and after"
	@echo "make test      install everything and run the whole test suite"
	@echo "make variations   fix thousands of ways to write the fixtures, and compare"
	@echo "make mutants   plant faults into MODULES, one at a time, and say which no test of TESTS sees"
	@echo "make fuzz      try inputs that nobody wrote for MINUTES (30), and keep those that fail in build/fuzz"
	@echo "make lint      formatting, lint and types"
	@echo "make bench     scan beside other tools that are installed, into docs/benchmarks.md"
	@echo "make format    put the formatting right"
	@echo "make readme    write the rule table and the transcript of README.md anew"
	@echo "make docs      build the site of the documents into build/site, links checked"
	@echo "make new-rule ID=DPM305 NAME=what-it-is    skeleton of a new advisory with its fixture"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The constraints pin torch; it goes in first so that nothing later can choose another build of it.
$(VENV)/torch: constraints.txt | $(BIN)/python
	$(PIP) torch
	@touch $@

$(VENV)/demo: pyproject.toml constraints.txt | $(VENV)/torch
	$(PIP) --editable '.[verify]' scikit-learn
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(VENV)/torch
	$(PIP) --editable '.[verify,dev]'
	@touch $@ $(VENV)/demo

.opacus/%/opacus/__init__.py: | $(VENV)/torch
	@rm -rf .opacus/$*.partial
	$(PIP) --no-deps --target .opacus/$*.partial opacus==$*
	@rm -rf .opacus/$* && mv .opacus/$*.partial .opacus/$*

demo: $(VENV)/demo $(RELEASES:%=.opacus/%/opacus/__init__.py)
	$(BIN)/python fixtures/digits-story/demo.py --releases .opacus

test: $(VENV)/dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

variations: $(VENV)/dev
	DPMIGRATE_VARIATIONS=1 $(BIN)/python -m pytest -n $(JOBS) tests/fix/test_variations.py $(ARGS)

mutants: $(VENV)/dev
	$(PIP) coverage
	$(BIN)/python -m pytest -n 0 -s -p tests.mutation.planting $(MODULES:%=--plant %) $(TESTS) $(ARGS)

fuzz: $(VENV)/dev
	$(BIN)/python -m tests.fuzzing.run --minutes $(MINUTES) $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev .opacus/1.5.4/opacus/__init__.py
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.benchmarks.bench $(ARGS)

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

readme: $(VENV)/demo
	$(BIN)/python -m dpmigrate.advisories.readme_table README.md
	$(BIN)/python -m tests.cli.readme README.md

docs: $(VENV)/dev
	$(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html; to search it, too: $(BIN)/python -m http.server --directory build/site"

new-rule: $(VENV)/demo
	$(BIN)/python -m dpmigrate.advisories.new_rule "$(ID)" "$(NAME)"

clean:
	rm -rf $(VENV) .opacus .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
