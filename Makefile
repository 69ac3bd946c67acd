.DEFAULT_GOAL := help
.PHONY: help demo run serve check test test-slow style audit bench-training bench-own bench-review bench-scans bench-scoring bench-reports bench-formats bench-quality score-only docs lint format lock clean
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Sets up .venv. `make UV= ...` does without.
UV := uv

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/ready ## Run the whole job on 1,797 digits that need no download, in a throw-away clone; about a minute
	@$(BIN)/python -m flows.demo

run: .venv/ready ## Train on MNIST and register the model, then score a batch of test images; some minutes
	@$(BIN)/python -m flows.run

serve: .venv/ready ## Start a Prefect server with its UI, the deployments and a worker; Ctrl-C stops them
	@$(BIN)/python -m flows.serve

check: style ## Check style, types, and what starts no server and no stage, before each commit; half a minute
	@$(call beside_types,-n auto --durations=5 tests/unit)

test: style ## Check style, types and behaviour on all cores, before each push; three to six minutes
	@$(call beside_types,-n $$((`getconf _NPROCESSORS_ONLN` + 1)) $(BY_FILE) -m "not slow")

test-slow: .venv/ready ## Run the tests that start servers or train for long; seven to fifteen minutes
	$(BIN)/pytest -n auto $(BY_FILE) --timeout 1800 -m slow

lint: style ## Check style and types
	$(BIN)/mypy

style: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tests of a file all for one worker, since they share what is dear to set up. Of `make test` a fifth is waiting for servers
# and clocks, so that it has one worker more than there are cores.
BY_FILE := --dist loadfile --no-loadscope-reorder --durations=10
# On a new machine mypy takes a minute of one core.
beside_types = $(BIN)/mypy & types=$$!; $(BIN)/pytest $(1); tests=$$?; \
	wait $$types || { echo "Types do not hold: what mypy said stands above."; exit 1; }; exit $$tests

bench-training: .venv/ready ## Measure the default recipe beside plain; takes a quarter of an hour
	@$(BIN)/dvc repro --quiet reshape
	@$(BIN)/python -m bench.training

bench-own: .venv/ready ## Measure what own labelled scans bring, by their number: make bench-own FOLDER [OTHER...]; takes an hour
	@$(BIN)/dvc repro --quiet reshape
	@$(BIN)/python -m bench.own $(filter-out $@,$(MAKECMDGOALS))

bench-review: .venv/ready ## Measure what keying a batch brings: make bench-review FOLDER of labelled scans; takes a quarter of an hour
	@$(BIN)/dvc repro --quiet train
	@$(BIN)/python -m bench.review $(filter-out $@,$(MAKECMDGOALS))

bench-scans: .venv/ready ## Measure how scans are read: make bench-scans FOLDER..., images with a labels.csv
	@$(BIN)/python -m bench.scans $(filter-out $@,$(MAKECMDGOALS))

bench-scoring: .venv/ready ## Measure how fast folders are scored; with MILLION=1 a million pictures too, which takes long
	@$(BIN)/python -m bench.scoring $(if $(MILLION),--million)
	@$(BIN)/python -m bench.remote
	@$(BIN)/python -m bench.cluster $(if $(MILLION),--million)

bench-reports: .venv/ready ## Measure what a batch report costs, weighs, and takes to open; needs Chromium
	@$(BIN)/python -m bench.reports

bench-formats: .venv/ready ## Measure the memory that pictures of 50 megapixels take; make bench-formats FILE... measures those too
	@$(BIN)/python -m bench.formats $(filter-out $@,$(MAKECMDGOALS))

bench-quality: .venv/ready ## Measure what expectations and drift catch: make bench-quality [FOLDER OTHER]; takes half an hour
	@$(BIN)/dvc repro --quiet
	@$(BIN)/python -m bench.quality
	@$(BIN)/python -m bench.drift $(filter-out $@,$(MAKECMDGOALS))
	@$(BIN)/python -m bench.audit $(filter-out $@,$(MAKECMDGOALS))

score-only: ## Install into .venv-score what scoring needs, which is no TensorFlow, and show the size
	@$(PYTHON) -m venv --clear .venv-score
	@.venv-score/bin/pip install --quiet --disable-pip-version-check .
	@du -sh .venv-score | cut -f1

format: .venv/ready ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/ready ## Make a site of the pages, in .docs/site, which opens without a network; links are checked
	@rm -rf .docs && mkdir -p .docs/pages && cp -R *.md CITATION.cff docs .docs/pages && mv .docs/pages/docs/zensical.toml .docs
	@cd .docs && zensical build --strict && echo .docs/site/index.html

audit: .venv/ready ## Hold the lock to what is known of its packages, where pypi.org answers
	@$(BIN)/pip-audit --progress-spinner off --strict --disable-pip --require-hashes -r requirements.lock \
		$$(sed -n 's/^\([A-Z][^ ]*\) .*/--ignore-vuln \1/p' .ci/accepted-findings.txt)

lock: .venv/ready ## Renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes pyproject.toml -o requirements.lock

clean: ## Remove the environment, the demo and the site
	rm -rf .venv .venv-score .demo .docs

# The lines of requirements.lock that pin uv, for sed.
UV_PIN := /^uv==/,/[^\\]$$/
PIP := $(BIN)/pip install --disable-pip-version-check --no-deps
BY_UV = sed -n '$(UV_PIN)p' requirements.lock | $(PIP) --quiet --require-hashes --only-binary :all: -r /dev/stdin && \
	$(BIN)/uv pip sync $$quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
# Without uv, for where pip has come to this, uv may not be had.
BY_PIP = sed '$(UV_PIN)d' requirements.lock | $(PIP) $$quiet --require-hashes -r /dev/stdin

# With a bar in a terminal, and without a word between its first line and its last in a log.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "Python 3.11 to 3.13 is needed; this is `$(PYTHON) --version`. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up .venv from requirements.lock, once: 1.1 GB are fetched, unless they are in a cache, and take 3.4 GB."
	@began=`date +%s`; test -t 2 && quiet= || quiet=--quiet; $(PYTHON) -m venv --clear .venv && \
	{ { test -n "$(UV)" && $(BY_UV); } || { echo "Without uv, by pip: this takes a few minutes."; $(BY_PIP); }; } && \
	$(PIP) --quiet --no-build-isolation -e . && $(BIN)/python -m pipeline.reports.dvc_plots && touch $@ && \
	echo "Set up in $$((`date +%s` - began)) s."
