# `make help` lists the targets. The first target that needs the virtual environment creates it in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Debian's build if it is complete: pyenv's, which is compiled without optimization, takes almost half as long again.
PYTHON ?= $(shell /usr/bin/python3.11 -c 'import ensurepip' 2>/dev/null && echo /usr/bin/python3.11 || echo python3.11)
BIN := .venv/bin
# PyTorch's own CPU index: PyPI's Linux build of torch brings 3 GB of CUDA packages.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# npm registry or mirror for the browser scripts (requirements/web.lock).
NPM_REGISTRY ?= https://registry.npmjs.org
# One more than the cores of the smallest machine: with as many, a tenth of their time passed in waiting.
PYTEST_WORKERS ?= 3
# Output folder of the demo. A value without a slash would be the name of a bucket.
DEMO ?= ./.telecine/demo
# Port of `make demo-console`.
CONSOLE_PORT ?= 8080

.PHONY: help demo demo-screenalytics demo-viewership demo-trakt demo-console test coverage e2e e2e-faults lint types format bench dbt-compile docs lock sbom images base-digest cluster-up cluster-down clean kind-up

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "'$(PYTHON)' not found; expected Python 3.11. Install it, or set its path: make PYTHON=/path/to/python3.11 ..."; exit 78; }
	@echo "==> virtual environment under .venv ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv .venv

# --no-deps: the files are complete, and pip's resolver would still look for the newest `coverage[toml]`, which has no hash.
.venv/.runtime: requirements/gamedata.txt requirements/torch.txt requirements/cuda.txt pyproject.toml | $(BIN)/python
	@echo "==> locked requirements (requirements/gamedata.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/gamedata.txt
	@echo "==> torch"
	PIP="$(BIN)/pip" TORCH_INDEX="$(TORCH_INDEX)" sh requirements/torch.sh
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Without Ray and PyTorch: 400 MB instead of 2 GB. These targets may fill one environment, since all files have one set of pins.
.venv/.viewership: requirements/viewership.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "==> locked requirements (requirements/viewership.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt -r requirements/viewership.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.trakt: requirements/trakt.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "==> locked requirements (requirements/trakt.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt -r requirements/trakt.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.console: requirements/console.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "==> locked requirements (requirements/console.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt -r requirements/console.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

# dbt and DuckDB: their pins exclude ours, so they have an environment of their own, with nothing of ours in it. One package
# (halo) has no wheel: it is built with the locked setuptools.
.venv-dbt/.ready: requirements/dbt.txt requirements/build.txt
	@command -v $(PYTHON) >/dev/null || { echo "'$(PYTHON)' not found; expected Python 3.11. Install it, or set its path: make PYTHON=/path/to/python3.11 ..."; exit 78; }
	@echo "==> dbt's own virtual environment under .venv-dbt (requirements/dbt.txt)"
	@$(PYTHON) -m venv .venv-dbt
	.venv-dbt/bin/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt
	.venv-dbt/bin/pip install --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r requirements/dbt.txt
	@touch $@

# Without these files, the console's pages work through links and forms.
jobs/console/static/vendor/.ready: requirements/web.lock requirements/web.py
	@command -v $(PYTHON) >/dev/null || { echo "'$(PYTHON)' not found; expected Python 3.11. Install it, or set its path: make PYTHON=/path/to/python3.11 ..."; exit 78; }
	@echo "==> browser scripts (requirements/web.lock)"
	@NPM_REGISTRY="$(NPM_REGISTRY)" $(PYTHON) requirements/web.py $(@D)
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@echo "==> locked development requirements (requirements/dev.txt)"
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

demo: .venv/.runtime  ## sample TARs -> extraction -> quality manifest -> report (about a minute)
	@echo "==> sample: TARs with known ground truth, under $(DEMO)/game-data"
	@$(BIN)/telecine gamedata sample --output $(DEMO)/game-data
	@echo "==> run: extraction by worker processes, then the manifest"
	@$(BIN)/telecine gamedata run --source-bucket $(DEMO)/game-data --manifest-bucket $(DEMO)/game-data-manifest \
		--output-path $(DEMO)/manifest.parquet --report-dir $(DEMO)/report

demo-screenalytics: .venv/.runtime  ## sample runs -> validation -> PostgreSQL -> time on screen per person (takes seconds)
	@echo "==> sample: valid and unusual runs with known outcomes, under $(DEMO)/screenalytics"
	@$(BIN)/telecine screenalytics sample --output $(DEMO)/screenalytics \
		$(foreach kind,good two-casts empty status-alias more-artifacts failed,--include $(kind))
	@echo "==> ingest: verify each run's checksums and write it in one transaction"
	@$(BIN)/telecine screenalytics ingest --bucket $(DEMO)/screenalytics --report-dir $(DEMO)/screenalytics-report
	@echo "==> ingest again: every run is known, no row changes"
	@$(BIN)/telecine screenalytics ingest --bucket $(DEMO)/screenalytics
	@echo "==> verify: compare the tables with the store"
	@$(BIN)/telecine screenalytics verify --bucket $(DEMO)/screenalytics

# The catalogue is first imported without two episodes, so that something is left to review, to add and to match again.
demo-viewership: V := $(BIN)/telecine viewership
demo-viewership: REPORTS := $(DEMO)/viewership/uploads
demo-viewership: .venv/.viewership  ## platform reports -> PostgreSQL: catalogue, run, review, reprocess, same file again (a minute)
	@echo "==> sample: reports of platforms, and a catalogue, under $(DEMO)/viewership"
	@$(V) sample --output $(DEMO)/viewership
	@echo "==> catalogue, without the first two episodes of one series"
	@mkdir -p $(DEMO)/viewership/before
	@cp $(DEMO)/viewership/catalogue/*.csv $(DEMO)/viewership/before
	@grep -v '^HL-010[12],' $(DEMO)/viewership/catalogue/episodes.csv > $(DEMO)/viewership/before/episodes.csv
	@$(V) catalog import $(DEMO)/viewership/before
	@echo "==> run: read, normalize, match and load five reports"
	@$(V) run $(foreach name,philo canonical youtube pluto xumo,$(REPORTS)/$(name)-2025-07.csv) --period 2025-07 \
		--bucket $(DEMO)/viewership --report-dir $(DEMO)/viewership-report
	@echo "==> review: titles that wait, most hours first; accept one"
	@$(V) review list --limit 5
	@$(V) review accept 71622474 --candidate 1 --yes
	@echo "==> gaps: episodes that the platforms report and the catalogue lacks"
	@$(V) catalog gaps --limit 5
	@echo "==> catalogue again, complete; reprocess matches what the change affects"
	@$(V) catalog import $(DEMO)/viewership/catalogue
	@$(V) reprocess
	@echo "==> the same file again: 0 rows"
	@$(V) run $(REPORTS)/philo-2025-07.csv --bucket $(DEMO)/viewership
	@$(V) uploads
	@$(V) validate --upload 2

demo-trakt: .venv/.trakt .venv-dbt/.ready  ## a storm, an ingest killed and resumed -> models -> quadrants -> service levels (a minute)
	@$(BIN)/python -m docs.demo_trakt $(DEMO)/trakt

# Browser scripts are optional: without an npm registry, pages work through links and forms.
demo-console: V := $(BIN)/telecine viewership
demo-console: .venv/.runtime .venv/.viewership .venv/.trakt .venv-dbt/.ready .venv/.console  ## runs of all pipelines -> PostgreSQL -> the console in a browser (two minutes, then until Ctrl-C)
	@$(MAKE) --no-print-directory jobs/console/static/vendor/.ready \
		|| echo "==> the browser scripts are missing; every page works without them"
	@echo "==> gamedata: sample TARs, extraction, manifest, and the manifest's rows in PostgreSQL"
	@$(BIN)/telecine gamedata sample --output $(DEMO)/console/game-data
	@$(BIN)/telecine gamedata run --source-bucket $(DEMO)/console/game-data \
		--manifest-bucket $(DEMO)/console/game-data-manifest --output-path $(DEMO)/console/manifest.parquet \
		--report-dir $(DEMO)/console/report
	@$(BIN)/telecine gamedata publish --manifest $(DEMO)/console/manifest.parquet \
		--manifest-bucket $(DEMO)/console/game-data-manifest
	@echo "==> screenalytics: sample runs, and one ingest of them"
	@$(BIN)/telecine screenalytics sample --output $(DEMO)/console/screenalytics \
		$(foreach kind,good two-casts empty status-alias more-artifacts failed,--include $(kind))
	@$(BIN)/telecine screenalytics ingest --bucket $(DEMO)/console/screenalytics
	@echo "==> viewership: a catalogue, and two platforms' reports; upload others in the console, from $(DEMO)/console/viewership/uploads"
	@$(V) sample --output $(DEMO)/console/viewership
	@$(V) catalog import $(DEMO)/console/viewership/catalogue
	@$(V) run $(foreach name,philo youtube,$(DEMO)/console/viewership/uploads/$(name)-2025-07.csv) --period 2025-07 \
		--bucket $(DEMO)/console/viewership
	@echo "==> trakt: 24 titles of a replayed site, ingested, modelled and published"
	@$(BIN)/python -m docs.demo_trakt $(DEMO)/console/trakt --into-default
	@echo "==> open the address below in a browser; Ctrl-C stops the console"
	@$(BIN)/telecine console --port $(CONSOLE_PORT) --manifest-bucket $(DEMO)/console/game-data-manifest \
		--viewership-bucket $(DEMO)/console/viewership

# By file: with pytest 9.2, xdist 3.8 ignores its own groups, and each worker rebuilt the fixtures of every module.
# Bytecode is written whatever the environment says: without it, a process takes 1 s of processor time to compile our modules,
# and a worker 9 s more to collect tests/unit.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

test: .venv/.dev .venv-dbt/.ready jobs/console/static/vendor/.ready lint types  ## lint, types and all tests that need no cluster
	$(PYTEST)

# Apart from `test`: tracing doubles the processor time of Python code.
coverage: .venv/.dev .venv-dbt/.ready jobs/console/static/vendor/.ready  ## lines that tests/unit and tests/integration reach; at least 85 %
	@rm -f .coverage .coverage.*
	$(PYTEST) --cov --cov-report=term:skip-covered tests/unit tests/integration

e2e: .venv/.dev .venv-dbt/.ready  ## test the pipelines on Kubernetes with Argo, KubeRay, S3 and PostgreSQL (docs/test-cluster.md)
	@tests/e2e/run.sh tests/e2e

e2e-faults: .venv/.dev .venv-dbt/.ready  ## the same while daemons, pods and the node are killed mid-run
	@tests/e2e/run.sh tests/e2e/faults

lint: .venv/.dev  ## lint the code and check its format with ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.dev  ## check types with mypy in strict mode
	@$(BIN)/mypy

format: .venv/.dev  ## fix and format the code with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

kind-up:  ## create a kind cluster with Argo Workflows and KubeRay; then `skaffold run` (docs/kind.md)
	@bash charts/telecine-dev/kind-up.sh

# AGAINST=REF compares the speed of extraction with another commit than the default one.
bench: .venv/.dev  ## run the benchmarks (about 25 minutes; QUICK=1: 4 minutes)
	@$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(if $(AGAINST),--against=$(AGAINST))

# The places that the models name are not opened: nothing is read, and no file is written but the compiled SQL.
dbt-compile: .venv-dbt/.ready  ## compile the dbt project of trakt to .telecine/dbt/compiled
	@mkdir -p .telecine/dbt
	@cd .telecine/dbt && DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1 TELECINE_DBT_PROJECT="$(CURDIR)/jobs/trakt/dbt" \
		TELECINE_DBT_FILE=compile.duckdb TELECINE_DBT_TEMP=temp TELECINE_DBT_BRONZE=bronze \
		"$(CURDIR)/.venv-dbt/bin/dbt" compile --quiet --project-dir "$(CURDIR)/jobs/trakt/dbt" \
		--profiles-dir "$(CURDIR)/jobs/trakt/dbt" --target-path "$(CURDIR)/.telecine/dbt" --log-path "$(CURDIR)/.telecine/dbt/logs"
	@echo "compiled: .telecine/dbt/compiled"

docs: .venv/.dev  ## regenerate the pages that come from code: configuration, manifest, tables, schemas
	@$(BIN)/python -m docs.generate

lock: .venv/.dev  ## regenerate the hash-locked requirement files from pyproject.toml
	@$(BIN)/pip install --quiet pip-tools && PATH="$(CURDIR)/$(BIN):$$PATH" sh requirements/lock.sh

cluster-up:  ## start Kubernetes with Argo and KubeRay on this machine (docs/test-cluster.md)
	@tests/cluster/up.sh

cluster-down:  ## stop the test cluster; keep its state
	@tests/cluster/node-down.sh

# The tag is the commit, so that a pod shows which code it runs. For uncommitted changes: make images IMAGE_TAG=...
IMAGE_TAG ?= $(shell git rev-parse --short HEAD)

# Registry of `make images`, such as registry.example.com/team, with docker or podman; default: the test cluster's.
REGISTRY ?=
BUILDER ?= docker
# cpu, gpu or both: targets of telecine-ray.
RAY_TARGETS ?= cpu
BUILD_ARGS ?=

images:  ## build both images and push them to the test cluster's registry, or to REGISTRY=...
ifneq ($(REGISTRY),)
	@BUILDER="$(BUILDER)" BUILD_ARGS="$(BUILD_ARGS)" images/push.sh "$(REGISTRY)" "$(IMAGE_TAG)" $(RAY_TARGETS)
else
	@tests/cluster/build-image.sh telecine-jobs:$(IMAGE_TAG) images/jobs/Dockerfile . \
		--build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$$(git rev-parse HEAD)
	@tests/cluster/build-image.sh telecine-ray:$(IMAGE_TAG) images/ray/Dockerfile . --target cpu \
		--build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$$(git rev-parse HEAD)
	@echo "pushed telecine-jobs:$(IMAGE_TAG) and telecine-ray:$(IMAGE_TAG) to localhost:5000"
endif

# IMAGE=jobs IMAGE_ROOT=/path reads the unpacked file system of an image, Debian packages included.
sbom: .venv/.dev .venv-dbt/.ready  ## write SBOMs of the images in CycloneDX format to build/sbom
ifdef IMAGE_ROOT
	@$(BIN)/python -m images.sbom --image "$(IMAGE)" --root "$(IMAGE_ROOT)" "build/sbom/$(IMAGE).cdx.json"
else
	@for image in jobs ray-cpu; do \
		rm -rf build/sbom/$$image && $(BIN)/python -m venv build/sbom/$$image; \
		build/sbom/$$image/bin/pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r requirements/$${image%-cpu}.txt; \
		[ $$image = jobs ] || PIP="build/sbom/$$image/bin/pip" TORCH_INDEX="$(TORCH_INDEX)" sh requirements/torch.sh; \
		$(BIN)/python -m images.sbom --image $$image --site build/sbom/$$image/lib/python3.11/site-packages \
			$$([ $$image != jobs ] || echo --site .venv-dbt/lib/python3.11/site-packages) build/sbom/$$image.cdx.json; \
		rm -rf build/sbom/$$image; \
	done
endif

base-digest:  ## pin the base image of both Dockerfiles to the digest of its tag
	@sh images/pin-base.sh

clean:  ## remove the virtual environment, caches and the demo's output
	rm -rf .venv .venv-dbt jobs/console/static/vendor .telecine .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov build ./*.egg-info
