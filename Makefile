# Thin names for the common commands. Windows: see "Without make" in the README.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install install-dev data test lint clean
help:
	@echo "make data ARCHIVE=…  organize your photos     make test   all tests"
	@echo "make lint            the style checks         make clean  caches and builds (no data, no models)"

.venv/cpu.stamp: requirements/cpu.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --require-hashes -r requirements/cpu.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/cpu.stamp
	$(BIN)/python -m pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

install: .venv/cpu.stamp
install-dev: .venv/dev.stamp

data: install
	$(BIN)/catdog data archive $(ARCHIVE)

test: install-dev
	$(BIN)/python -m pytest

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .pytest_cache .ruff_cache .hypothesis build scripts/*.egg-info
	find scripts tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
