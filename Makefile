# Everything starts here. `make help` lists what there is.
PYTHON ?= python3
PORT ?= 8000
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
TORCH ?= torch
BESIDE := .venv-torch
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test compose-test release-test torch-test soak lint audit format lock reference licences dist bench results clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/serve ## draw a catalog, take it in, serve the page on http://127.0.0.1:8000 (PORT=…, ARGS=--no-serve)
	$(BIN)/fashion-studio demo --port $(PORT) $(ARGS)

test: $(VENV)/dev ## install what tests need (TensorFlow and Chromium too) and run all of them (ARGS=…)
	@.ci/chromium
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# A file stays with one process, and each process has a Postgres of its own; tests/conftest.py says which come first.
# OpenBLAS's threads wait for each other by spinning: two processes with two each take three times the time
# A process that dies is named, as the test it died in; with one in its place the run would wait for ever (xdist 3.8)
PARALLEL := --numprocesses 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

compose-test: $(VENV)/serve ## the stack of docker-compose.yml on a Docker engine (ARGS=--stand-ins: without a registry of images)
	@tests/compose/run.sh $(ARGS)

release-test: $(VENV)/dev ## both packages built, installed from the lock file into an environment of their own, and used (ARGS=…)
	FASHION_STUDIO_RELEASE=1 $(BIN)/python -m pytest tests/test_release.py --timeout 1200 $(ARGS)

torch-test: $(VENV)/dev $(BESIDE) ## training on PyTorch, installed beside: gigabytes, or as TORCH names a build, such as torch==2.13.0+cpu
	PYTHONPATH=$(BESIDE) $(BIN)/python -m pytest -p no:xdist tests/test_training_backends.py -k torch $(ARGS)

soak: $(VENV)/dev ## the long tests, about half an hour: use under load, broken pictures, upgrades of a full catalog (ARGS=…)
	FASHION_STUDIO_SOAK=1 $(BIN)/python -m pytest tests/web/test_soak.py tests/catalog/test_upgrades.py --timeout 3600 -s $(ARGS)

lint: $(VENV)/dev ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/dev ## known vulnerabilities in what the service runs on, where their list can be reached
	$(BIN)/python .ci/audit.py

format: $(VENV)/dev ## put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/dev ## pin the newest versions that pyproject.toml allows into requirements/
	$(BIN)/uv pip compile pyproject.toml --upgrade $(LOCK) -o requirements/serve.txt
	$(BIN)/uv pip compile pyproject.toml --upgrade $(LOCK) --extra train --extra otel --extra int8 --extra ray --extra s3 --group dev \
		-c requirements/serve.txt -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --upgrade $(LOCK) --extra s3 -c requirements/dev.txt -o requirements/image.txt
	echo "tf-keras~=2.20.0" | $(BIN)/uv pip compile - --no-deps --upgrade $(LOCK) -o requirements/seed.txt
	printf 'build>=1.2\nhatchling>=1.27\n' | $(BIN)/uv pip compile - --upgrade $(LOCK) \
		-c requirements/dev.txt -o requirements/build.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
	--custom-compile-command "make lock"

reference: $(VENV)/dev ## every option and every code of an error, and Python's calls, into docs/
	$(BIN)/python -m tests.docs.reference

licences: $(VENV)/dev $(BENCH)/peers ## the licences of what is installed, into docs/licences.md
	$(BIN)/python -m tests.docs.licences $(BENCH)/lib/python3*/site-packages

dist: $(VENV)/serve ## the source distribution, and the wheel from it, into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

bench: $(BENCH)/peers ## install the peers into an environment of their own and compare with them (ARGS=…)
	$(BENCH)/bin/python benchmarks/similarity.py $(ARGS)

results: $(VENV)/dev ## execute docs/results.ipynb in a fresh home and keep its outputs; take the README's pictures
	@.ci/chromium
	$(BIN)/python -m tests.web.browser.readme
	$(BIN)/python -m tests.results

clean: ## remove the virtual environments and what tools left behind
	rm -rf $(VENV) $(BENCH) $(BESIDE) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# Made anew where it has no pip: Debian without python3-venv leaves such a half behind
environment = @$(1)/bin/python -m pip --version > /dev/null 2>&1 || { \
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, and $(PYTHON) is %d.%d. Name one: make PYTHON=python3.12 …" \
		% sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)' && $(PYTHON) -m venv --clear $(1); }

# What builds is pinned like what runs, so it is installed beforehand and the build has no isolation of its own. All by
# one rule: of two, each would clear what the other has put there, under `make -j`
$(VENV)/serve: requirements/serve.txt requirements/build.txt pyproject.toml
	@echo "installing into $(VENV) …"
	$(call environment,$(VENV))
	@$(INSTALL) --require-hashes -r requirements/serve.txt
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

# tf-keras asks for tensorflow; tensorflow-cpu is the same without what drives a GPU
$(VENV)/dev: requirements/dev.txt requirements/seed.txt $(VENV)/serve
	@echo "installing what tests and training need into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --require-hashes --no-deps -r requirements/seed.txt
	@touch $@

# Not into the environment itself, of which the lock files decide
$(BESIDE): | $(VENV)/dev
	$(INSTALL) --target $@ $(TORCH)

# Peers bring dozens of packages; they do not belong beside the ones that serve
$(BENCH)/peers: requirements/serve.txt pyproject.toml
	@echo "installing the peers into $(BENCH) …"
	$(call environment,$(BENCH))
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/serve.txt
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@
