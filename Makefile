# Thin names for the common commands. Windows: see requirements/README.md.
PYTHON ?= python3
SCALE ?= sample
BIN := .venv/bin

.PHONY: help install install-dev run lab site data train test slow processors pythons bench lint lock slides text clean
help:
	@echo "make run     build everything, make the sample, execute every chapter (SCALE=full: real photos)"
	@echo "make lab     open the chapters in JupyterLab"
	@echo "make site    the web edition, in runs/site/html (SERVE=1: serves it; LANGUAGE=xx: another)"
	@echo "make data    ARCHIVE=train.zip: organize your photos"
	@echo "make train   the recipes of chapter 9 (SCALE=full ARCHIVE=train.zip: on the real photos)"
	@echo "make test    all tests but those that take long: make slow"
	@echo "make lint    style, types, spelling"
	@echo "make bench   speed, side by side  make clean  caches and builds (no data, no models)"
	@echo "make pythons install and test with the other Pythons here"
	@echo "make processors   the chapters that train, as on other kinds of processor"
	@echo "make slides  slides of every chapter, for a class, in runs/slides"
	@echo "make text    notebooks/text anew: each chapter without outputs, to read a change in"
	@echo "make lock    the pins anew from pyproject.toml (PACKAGE=name: that one newer)"

.venv/cpu.stamp: requirements/cpu.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/cpu.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/cpu.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

install: .venv/cpu.stamp
install-dev: .venv/dev.stamp

run: install
	$(BIN)/catdog run --scale $(SCALE)

lab: install
	SCALE=$(SCALE) $(BIN)/jupyter lab notebooks

data: install
	$(BIN)/catdog data archive "$(ARCHIVE)"

train: install
ifeq ($(SCALE),full)
	$(if $(ARCHIVE),$(BIN)/catdog data archive "$(ARCHIVE)")
	$(BIN)/catdog train article
	$(BIN)/catdog train improved
else
	$(BIN)/catdog data sample
	$(BIN)/catdog train article --data data/sample --epochs 10
	$(BIN)/catdog train improved --data data/sample --epochs 10
endif

# Three at a time on two cores: many tests wait for a server or a kernel.
TESTERS ?= 3
test: install-dev
	$(BIN)/catdog data sample > /dev/null
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder --durations 10

slow: install-dev
	$(BIN)/catdog data sample > /dev/null
	$(BIN)/python -m pytest -m slow --durations 10

processors: install-dev
	CATDOG_PROCESSORS=all $(BIN)/python -m pytest tests/notebooks/test_processors.py

pythons: install-dev
	CATDOG_PYTHONS=1 $(BIN)/python -m pytest tests/unit/test_install.py -k other_python

bench: install
	$(BIN)/catdog data sample
	$(BIN)/catdog bench

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files -z | xargs -0 $(BIN)/codespell

slides: install-dev
	$(BIN)/catdog slides

# LANGUAGE counts where it is given to make: systems have a variable of this name, too.
site: install-dev
	$(BIN)/python scripts/site/build.py \
		$(if $(filter command%,$(origin LANGUAGE)),--language $(LANGUAGE)) \
		$(if $(SERVE),--serve) $(if $(EPUB),--epub) $(if $(PDF),--pdf)

text: install-dev
	$(BIN)/python -m catdog.book.twins

# One lock for every system, by markers. What is pinned stays as it is, but for PACKAGE.
COMPILE = $(BIN)/uv pip compile -q --python $(BIN)/python --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate $(if $(PACKAGE),--upgrade-package $(PACKAGE))
LOCK = $(COMPILE) pyproject.toml --extra kaggle
lock: install-dev
	$(LOCK) --extra cpu -o requirements/cpu.txt
	$(LOCK) --extra gpu -o requirements/gpu.txt
	$(LOCK) --extra cpu --extra dev -o requirements/dev.txt
	$(LOCK) --extra cpu --extra jax -c requirements/dev.txt -o requirements/jax.txt
	$(COMPILE) --group serve -c requirements/cpu.txt -o requirements/serve.txt

clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build scripts/*.egg-info
	find scripts tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
