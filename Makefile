# telecine: `make help` lists the targets. The virtual environment lies under .venv and is made by the first target that needs it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
# PyTorch's own CPU index: PyPI's Linux build of torch brings 3 GB of CUDA packages.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PYTEST_WORKERS ?= 2
# What the demo writes, in the current folder; the slash makes it a folder and no bucket.
DEMO ?= ./.telecine/demo

.PHONY: help demo demo-screenalytics test e2e e2e-faults lint types format bench docs lock images cluster-up cluster-down clean kind-up

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

# --no-deps: the files are whole, and pip's resolver, given them, still asks for the newest `coverage[toml]`, which has no hash.
.venv/.runtime: requirements/gamedata.txt requirements/torch.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "telecine needs Python 3.11, and there is no '$(PYTHON)' here. Install it, or name it: make PYTHON=/path/to/python3.11 ..."; exit 78; }
	@echo "==> virtual environment under .venv ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "==> locked requirements (requirements/gamedata.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/gamedata.txt
	@echo "==> torch"
	PIP="$(BIN)/pip" TORCH_INDEX="$(TORCH_INDEX)" sh requirements/torch.sh
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@echo "==> locked development requirements (requirements/dev.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

demo: .venv/.runtime  ## sample TARs -> Ray extraction -> quality manifest -> report, in about a minute
	@echo "==> sample: TARs with known truth under $(DEMO)/game-data"
	@$(BIN)/telecine gamedata sample --output $(DEMO)/game-data
	@echo "==> run: extraction over Ray, then the manifest"
	@$(BIN)/telecine gamedata run --source-bucket $(DEMO)/game-data --manifest-bucket $(DEMO)/game-data-manifest \
		--output-path $(DEMO)/manifest.parquet --report-dir $(DEMO)/report

demo-screenalytics: .venv/.runtime  ## sample runs -> checked, into PostgreSQL once -> who was on screen, and how long; in seconds
	@echo "==> sample: good runs and odd ones, with known outcome, under $(DEMO)/screenalytics"
	@$(BIN)/telecine screenalytics sample --output $(DEMO)/screenalytics \
		$(foreach kind,good two-casts empty status-alias more-artifacts failed,--include $(kind))
	@echo "==> ingest: each run checked against its checksums, and written in one transaction"
	@$(BIN)/telecine screenalytics ingest --bucket $(DEMO)/screenalytics --report-dir $(DEMO)/screenalytics-report
	@echo "==> ingest again: every run is known, no row is touched"
	@$(BIN)/telecine screenalytics ingest --bucket $(DEMO)/screenalytics
	@echo "==> verify: the tables hold what lies in the store"
	@$(BIN)/telecine screenalytics verify --bucket $(DEMO)/screenalytics

test: .venv/.dev lint types  ## lint, types and every test that needs no cluster
	@rm -f .coverage .coverage.*
# By file: with pytest 9.2 xdist 3.8 passes over its own groups, and each worker made the fixtures of every module anew.
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --cov --cov-report=term:skip-covered

e2e: .venv/.dev  ## the pipeline on a real Kubernetes with Argo, KubeRay, S3 and PostgreSQL (docs/test-cluster.md)
	@tests/e2e/run.sh tests/e2e

e2e-faults: .venv/.dev  ## the same with daemons, pods and the node going away in mid-run
	@tests/e2e/run.sh tests/e2e/faults

lint: .venv/.dev  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.dev  ## mypy, strict
	@$(BIN)/mypy

format: .venv/.dev  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

kind-up:  ## a kind cluster with Argo Workflows and KubeRay; then `skaffold run` (docs/kind.md)
	@bash charts/telecine-dev/kind-up.sh

bench: .venv/.dev  ## benchmarks: ratios measured in one run, about 17 minutes; QUICK=1 takes two
	@$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick)

docs: .venv/.dev  ## regenerate what comes from code: configuration, manifest, tables, schemas
	@$(BIN)/python -m docs.generate

lock: .venv/.dev  ## write the hash-locked requirement files anew from pyproject.toml
	@$(BIN)/pip install --quiet pip-tools && PATH="$(CURDIR)/$(BIN):$$PATH" sh requirements/lock.sh

cluster-up:  ## a real Kubernetes with Argo and KubeRay on this machine (docs/test-cluster.md)
	@tests/cluster/up.sh

cluster-down:  ## end the test cluster; its state stays
	@tests/cluster/node-down.sh

# The tag names the commit, so that a pod says which code it ran; a changed tree needs a tag of its own: make images IMAGE_TAG=...
IMAGE_TAG ?= $(shell git rev-parse --short HEAD)

images:  ## build both images and push them to the test cluster's registry
	@tests/cluster/build-image.sh telecine-jobs:$(IMAGE_TAG) images/jobs/Dockerfile . \
		--build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$$(git rev-parse HEAD)
	@tests/cluster/build-image.sh telecine-ray:$(IMAGE_TAG) images/ray/Dockerfile . --target cpu \
		--build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$$(git rev-parse HEAD)
	@echo "pushed telecine-jobs:$(IMAGE_TAG) and telecine-ray:$(IMAGE_TAG) to localhost:5000"

clean:  ## remove the virtual environment, caches and what the demo wrote
	rm -rf .venv .telecine .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov build ./*.egg-info
