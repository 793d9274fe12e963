# Two commands matter: `make course` and `make test`. Both need Python 3.11 or newer and nothing
# else; another Python than python3: make course PYTHON=python3.12
PYTHON ?= python3
COURSE := .venv/bin/course

.PHONY: course test thorough environment book exercises grade bench lock clean

course: environment  ## release the exercises, build the book, grade the sample class
	@$(COURSE) all

test: environment-test  ## style and every test
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/codespell
	@.venv/bin/python -m pytest -n 4 --dist loadgroup

thorough: environment-test  ## every test, also those that try the same in yet another way
	@.venv/bin/python -m pytest -n 4 --dist loadgroup -m ""

book: environment  ## build the book
	@$(COURSE) build

exercises: environment  ## write exercises/ from solutions/
	@$(COURSE) release

grade: environment  ## grade what lies in submitted/
	@$(COURSE) grade

bench: environment-test  ## measure against peers; writes benchmarks/results/
	@set -e; for file in benchmarks/bench_*.py; do echo "$$file"; .venv/bin/python "$$file"; done

lock: python  ## write the locks from pyproject.toml
	@$(PYTHON) bootstrap.py --lock

clean:  ## remove what is made, but not .venv
	@rm -rf _build .jupyter_cache .pytest_cache .ruff_cache .hypothesis

.PHONY: python environment-test
python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: install Python 3.11 or newer, or run: make $(MAKECMDGOALS) PYTHON=path/to/python3" >&2; exit 1; }

environment: python
	@$(PYTHON) bootstrap.py

environment-test: python
	@$(PYTHON) bootstrap.py --test
