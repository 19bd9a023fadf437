# The two commands a newcomer needs are `make demo` and `make test`; both set up everything in .venv first.
PYTHON ?= python3.11
VENV := .venv
VENV_CV5 := .venv-cv5
BIN := $(VENV)/bin
SOURCES := $(wildcard src/*) medfast/_levels.py setup.py pyproject.toml

.PHONY: demo test test-slow lint bench clean

# pip reads the dependency groups of pyproject.toml from version 25.1 on.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade "pip>=25.1"
	$(BIN)/pip install -q --group dev
	$(BIN)/pip install -q -e ".[all]"
	touch $@

$(VENV)/.built: $(SOURCES) | $(VENV)/.installed
	$(BIN)/python setup.py -q build_ext --inplace
	touch $@
