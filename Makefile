# Everything a developer or CI runs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
# What `make test-pythons` tries, and the one `make test-lowest` is for: the lowest releases know no newer Pythons.
PYTHONS ?= python3.10 python3.11 python3.12 python3.13 python3.14
LOWEST_PYTHON ?= python3.10
PYTEST_ARGS ?=
# Tests in a browser wait as much as they work: three processes keep two cores busy. A file's tests stay together, for
# their fixtures, and the files that take long come first.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist=loadfile --no-loadscope-reorder

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --progress-bar off
STAMP := $(VENV)/.stamp
MODULES := node_modules/.stamp
BUNDLE := src/saewidgets/static/heatmap.js
JS_SOURCES := js/build.mjs js/widgets.json src/saewidgets/widgets/constants.json src/saewidgets/interventions/recipe/kinds.json $(shell find js/src -type f)

# JupyterLab refuses root unless told; and without a display its URL is printed rather than a text browser started.
# What else stands in .venv for the tests stays out: it takes seconds to load, and voila turns on other people's warnings.
LAB_OPTIONS ?= $(if $(filter 0,$(shell id -u)),--allow-root) \
  $(if $(filter Linux,$(shell uname)$(DISPLAY)$(WAYLAND_DISPLAY)$(BROWSER)),--no-browser) \
  $(foreach other,panel.io.jupyter_server_extension solara.server.jupyter.server_extension voila.server_extension, \
    --ServerApp.jpserver_extensions=$(other)=False)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# Each of pytest's processes rewrites the assertions of all test modules (10 s) unless it may keep what it made.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup js chromium solara-assets demo test test-unit test-integration test-browser test-hub test-js test-lowest test-newest test-pythons lint format coverage bench docs wheel dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv, with the package installed for editing

# torch first and alone: it decides which of the large wheels everything else has to agree with. The bundles are the
# js target's business (which comes first), so the build hook is told to leave them.
$(STAMP): pyproject.toml constraints.txt hatch_build.py | $(BUNDLE)
	@# Asked for pip and not for python: without python3-venv, Debian leaves an environment that has no pip.
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing the Python packages into $(VENV) (minutes, the first time)"
	$(PIP) torch==2.13.0 -c constraints.txt
	SAEWIDGETS_SKIP_JS=1 $(PIP) -e '.[dev,demo]' -c constraints.txt
	touch $@

js: $(BUNDLE) ## build the front end

$(MODULES): package-lock.json
	@node=$$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0); \
	if ! command -v npm >/dev/null || (( node < 20 )); then \
	  echo "The front end is built with npm and Node.js 20 or newer; here: $$(node --version 2>/dev/null || echo none)." >&2; \
	  exit 1; \
	fi
	npm ci --no-audit --no-fund
	touch $@

$(BUNDLE): $(JS_SOURCES) package.json $(MODULES)
	npm run build
	touch $@

chromium: ## make sure there is a browser for the tests
	@if [[ -n "$${CHROMIUM:-}" ]] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then exit 0; fi; \
	if [[ "$$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then \
	  echo "The browser tests need Chromium: install it with your package manager, or set CHROMIUM to its path." >&2; \
	  exit 1; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -o DPkg::Lock::Timeout=120 update; \
	apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends chromium fonts-dejavu fonts-noto-core

# What Solara's page would ask of a public server, of the versions that this Solara asks for.
SOLARA_ASSETS := @widgetti/solara-vuetify3-app@5.2.0 requirejs@2.3.6 font-awesome@4.5.0
SOLARA := $(VENV)/share/solara/.stamp
solara-assets: $(SOLARA) ## Solara's own front end, without which its app is not tested

$(SOLARA): $(STAMP)
	@cd $(VENV); for package in $(SOLARA_ASSETS); do \
	  folder=share/solara/cdn/$$package; mkdir -p $$folder; \
	  archive=$$(npm pack --silent $$package); tar xzf $$archive -C $$folder --strip-components=1; rm $$archive; \
	done
	touch $@

demo: setup js ## open the demo notebook in JupyterLab
	@$(BIN)/saewidgets demo -- $(LAB_OPTIONS)

# The widgets' live pages are made of the demo, which takes a minute or two; they are made again when the sources change.
LIVE := build/live/.stamp

$(LIVE): $(STAMP) $(BUNDLE) scripts/docs/live.py scripts/docs/made_up_graph.py $(shell find src/saewidgets -name '*.py' -o -name '*.json')
	$(BIN)/python -m scripts.docs.live $(@D)
	touch $@

.PHONY: docs
docs: setup js chromium $(LIVE) ## the documentation, in build/site: built, every link and every live page checked
	$(BIN)/python -m scripts.docs.stage
	$(BIN)/zensical build --clean --strict 2>&1 | tee build/zensical.log
	@# Of docstrings that it cannot read it only says so.
	! grep '^griffe:' build/zensical.log
	$(BIN)/python -m scripts.docs.check
	$(BIN)/python -m scripts.docs.seen

test: setup js chromium solara-assets test-js ## every test
	$(PYTEST) $(PYTEST_ARGS) tests/browser tests/integration tests/unit

test-unit: setup js ## a minute or two: each idea on tiny models, without what is slow
	$(PYTEST) -n 2 --quick $(PYTEST_ARGS) tests/unit

test-integration: setup js ## the demo model
	$(PYTEST) $(PYTEST_ARGS) tests/integration

test-browser: setup js chromium solara-assets ## real front ends
	$(PYTEST) $(PYTEST_ARGS) tests/browser

test-hub: setup js ## published values of models on the Hugging Face hub, found again
	$(PYTEST) -m hub -rs $(PYTEST_ARGS) tests/integration tests/unit

test-js: $(MODULES) ## the front end's own tests
	npm test

# The next three install the wheel in an environment of its own, with gigabytes of torch; they are not part of `test`.
test-lowest: wheel chromium ## the wheel with the lowest versions that pyproject.toml allows
	$(BIN)/python scripts/lowest.py demo explain map ray search > dist/lowest.txt
	@# What old releases say of each other's deprecations is not about us.
	PYTEST_ADDOPTS='-W ignore::DeprecationWarning -W ignore::FutureWarning' \
	  scripts/test_installed.sh $(LOWEST_PYTHON) -c dist/lowest.txt

test-newest: wheel chromium ## the wheel with the newest versions there are
	scripts/test_installed.sh $(PYTHON)

test-pythons: wheel chromium ## the wheel on every Python that is on the PATH, one after another
	@for python in $(PYTHONS); do \
	  if "$$python" --version >/dev/null 2>&1; then scripts/test_installed.sh "$$python"; else echo "== no $$python here"; fi; \
	done

lint: setup $(MODULES) ## ruff, mypy, biome and tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	npm run lint

format: setup $(MODULES) ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npm run format

coverage: setup js ## which lines of the package no unit or integration test runs
	$(PYTEST) --cov --cov-report=term $(PYTEST_ARGS) tests/unit tests/integration

bench: setup js ## measure every budget of the design
	$(BIN)/python -m benchmarks.run

wheel: setup js ## build dist/*.whl
	rm -rf dist
	$(BIN)/python -m build --wheel

dist: setup js ## build what a release has: dist/*.whl and dist/*.tar.gz
	rm -rf dist
	$(BIN)/python -m build

clean: ## remove everything that was built
	rm -rf $(VENV) node_modules build dist src/saewidgets/static .mypy_cache .pytest_cache .ruff_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
