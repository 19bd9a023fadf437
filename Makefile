# `make demo` and `make test` are all a newcomer needs: each sets up what it needs, in .venv, from nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CV5 := .venv-cv5/bin
SOURCES := $(wildcard src/*.pyx src/*.pxd src/*.h src/*.py) medfast/_levels.py setup.py
# A process for each CPU.
PYTEST := -m pytest -q --durations=10 -n auto --dist worksteal
# Numba compiles these for minutes, and far longer in a process that has compiled much before.
ALONE := tests/test_njit.py::TestEverything::test_denoise_nl_means

.PHONY: demo test test-slow test-thorough test-opencv5 test-wheel test-packaging lint bench clean

demo: .venv/built
	$(BIN)/medfast demo --output demo

# What must hold before anything lands.
test: lint .venv/built
	$(BIN)/python $(PYTEST) -m "not slow"
	$(MAKE) test-opencv5

# Long runs: every benchmark case, its results compared with those of every other library.
test-slow: .venv/built
	$(BIN)/python $(PYTEST) -m slow --deselect $(ALONE)
	printf '%s\n' uint8 uint16 int16 float32 float64 | \
	    xargs -P 2 -I{} $(BIN)/python -m pytest -q -m slow "$(ALONE)[{}]"

# The whole suite with 1000 random cases in place of 40: hours.
test-thorough: .venv/built
	HYPOTHESIS_PROFILE=thorough $(BIN)/python $(PYTEST)

# OpenCV 4.14 and 5.0 cannot live in one environment: whatever compares with OpenCV runs again with 5.0.
test-opencv5: .venv-cv5/ready .venv/built
	$(CV5)/python $(PYTEST) -m "opencv and not slow" $(shell grep -l mark.opencv tests/test_*.py)

# One wheel, installed in a fresh environment of every CPython that is here, and the suite run on it.
test-wheel:
	.ci/wheel

# Source distribution, wheel and configuration as others check them; dist/ has them and a bill of materials afterwards.
test-packaging:
	.ci/packaging

lint: .venv/built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src  # it calls pycodestyle by name
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest medfast._kernels --ignore-missing-stub --mypy-config-file pyproject.toml

bench: .venv/built
	$(BIN)/medfast bench

clean:
	rm -rf build dist demo .venv .venv-cv5 medfast.egg-info medfast/_kernels/*.so medfast/_kernels/*/*.so

# pip knows dependency groups from 25.1 on.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q "pip>=25.1"
	$(BIN)/pip install -q --group dev
	touch $@

# An editable installation compiles everything; `python setup.py build_ext --inplace` does only what has changed.
.venv/built: $(SOURCES) .venv/ready
	$(BIN)/pip install -q --no-build-isolation -e ".[all]"
	touch $@

.venv-cv5/ready: pyproject.toml
	$(PYTHON) -m venv .venv-cv5
	$(CV5)/pip install -q "pip>=25.1"
	$(CV5)/pip install -q --group test --group opencv5 "numpy>=1.26" "numba>=0.61" "scikit-learn>=1.6"
	touch $@
