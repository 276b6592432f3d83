# make demo and make test work on a machine with Python >= 3.11 and nothing of ours: each makes or reuses .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# stamps: everything for development; and what the demo and the service need, which takes a third of the time
INSTALLED := $(VENV)/.installed
RUNS := $(VENV)/.installed-demo
# and Ray, which slow tests use
RAY := $(VENV)/.installed-ray
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# from the root, whose tools/ makes some of the pages; the variable silences an advertisement of the theme's
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# a module is one process's, which shares its servers and sandboxes, and the longest one begins first (tests/order.py)
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# five minutes of two processors
USUAL := -m 'not slow and not full and not trainers'

.DEFAULT_GOAL := help
.PHONY: help demo serve example-rl test test-full test-slow test-trainers coverage check docs bench bench-sandbox format clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

NEW_ENOUGH := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
NEEDED := pyproject.toml constraints.txt examples/countdown_grader/pyproject.toml tools/install.py

$(INSTALLED): $(NEEDED) tests/plugin_package/pyproject.toml clients/python/pyproject.toml
	@$(NEW_ENOUGH)
	@$(PYTHON) tools/install.py dev
	@touch $@ $(RUNS)

$(RAY): $(INSTALLED)
	@$(PYTHON) tools/install.py ray
	@touch $@

$(RUNS): $(NEEDED)
	@$(NEW_ENOUGH)
	@$(PYTHON) tools/install.py demo
	@touch $@

demo: $(RUNS) ## grade real Countdown answers over HTTP with the openai client
	@$(BIN)/python examples/demo.py

serve: $(RUNS) ## serve graders on 127.0.0.1:8000
	@$(BIN)/graders serve

SEED ?= 0
example-rl: $(INSTALLED) .cache/trl ## train a tiny transformer with rewards over HTTP; a table and a picture (SEED=1)
	@$(BIN)/python -m examples.finetuning.train.run --seed $(SEED)

test: $(INSTALLED) .cache/wordnet .cache/schemathesis ## the tests of every run; all of graders/ must be covered
	$(BIN)/coverage erase
	$(BIN)/coverage run --source=graders -m pytest $(IN_PARALLEL) $(USUAL) tests/graders tests/metrics
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='graders/*' --fail-under=100
	$(BIN)/python -m pytest $(IN_PARALLEL) $(USUAL) --ignore tests/graders --ignore tests/metrics

test-full: $(INSTALLED) .cache/wordnet .cache/schemathesis ## every test but those that take minutes: before a merge
	$(BIN)/python -m pytest $(IN_PARALLEL) -m 'not slow and not trainers'

test-slow: $(INSTALLED) $(RAY) .cache/wordnet .cache/schemathesis .cache/trl ## the tests that take minutes: before a release
	$(BIN)/python -m pytest -m slow

test-trainers: $(INSTALLED) .cache/trl ## trainers' own code with our adapters, in environments of their own (3 GB)
	@PYTHON=$(PYTHON) sh tools/fetch_trainers.sh
	$(BIN)/python -m pytest -m trainers tests/clients/packages

coverage: $(INSTALLED) .cache/wordnet .cache/schemathesis ## how much of everything the tests cover
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(IN_PARALLEL) -m 'not slow and not trainers'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(INSTALLED) ## lint, types, layers, and whether the documentation builds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MKDOCS) --quiet --site-dir .cache/site

docs: $(INSTALLED) ## make the documentation, into site/
	@$(MKDOCS)
	@echo 'open site/index.html'

bench: $(INSTALLED) .cache/peers ## speed, as ratios to other libraries measured in the same run
	@$(BIN)/python -m benchmarks.bench
	@$(BIN)/python -m benchmarks.inline_limits
	@$(BIN)/python -m benchmarks.judges
	@$(BIN)/python -m benchmarks.sandboxes
	@$(BIN)/python -m benchmarks.service

bench-sandbox: $(INSTALLED) ## what isolation costs, beside bare processes, bubblewrap and forks that are not locked
	@$(BIN)/python -m benchmarks.sandboxes

format: $(INSTALLED) ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# NLTK's WordNet, an oracle for METEOR, where Debian's packages can be had; the tests that need it are skipped elsewhere
.cache/wordnet: tools/fetch_wordnet.sh
	@sh tools/fetch_wordnet.sh

# what tries every operation of the OpenAPI document; it cannot live in the same environment as the service
.cache/schemathesis: tools/fetch_schemathesis.sh tools/schemathesis.txt
	@PYTHON=$(PYTHON) sh tools/fetch_schemathesis.sh

# the projects that we are measured beside; what they pin conflicts with what we test with
.cache/peers: tools/fetch_peers.sh tools/peers.txt
	@PYTHON=$(PYTHON) sh tools/fetch_peers.sh

# TRL's trainers, which load exports in the tests and train in `make example-rl`, with torch: 1.5 GB
.cache/trl: tools/fetch_trl.sh tools/trl.txt
	@PYTHON=$(PYTHON) sh tools/fetch_trl.sh

clean: ## remove what these commands made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist site
