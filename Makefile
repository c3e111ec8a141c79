# Everything that a newcomer types. Each target sets up what it needs, inside this folder only.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
UV := $(CURDIR)/.tools/bin/uv
export UV
# The environment's own commands first: cpb, node and npm (from wheels), aws; and cdk.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(CURDIR)/.tools/bin:$(PATH)
PYTHON_FILES := app.py constants.py stacks lambdas containers examples tests benchmarks scripts
SHELL_FILES := $(wildcard containers/*/install.sh) $(wildcard scripts/*.sh) stacks/instance_storage.sh .ci/run

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# --- set-up -----------------------------------------------------------------------------------------

.PHONY: setup
setup: prerequisites ## install everything that demo and test need
	@$(MAKE) --no-print-directory -j2 .venv/.synced .cellprofiler/.ready .starfish/.ready
	@$(MAKE) --no-print-directory -j2 kernels node_modules/.package-lock.json

# Names what no package index has (a JDK, compilers for C and C++), all at once, before anything is fetched.
.PHONY: prerequisites
prerequisites:
	@containers/cellprofiler/install.sh --check .cellprofiler

.tools/bin/uv: Makefile
	@python3 -m venv .tools || { echo "python3 with its venv module is needed (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.synced: .tools/bin/uv uv.lock pyproject.toml containers/worker/pyproject.toml
	@echo "installing the Python environment"
	@"$(UV)" sync --frozen --quiet
	@touch $@

# Returns at once when its own lock has not changed.
.PHONY: .cellprofiler/.ready
.cellprofiler/.ready: .tools/bin/uv
	@containers/cellprofiler/install.sh .cellprofiler

# Returns at once when they are compiled as they are now. A CellProfiler of the user's own is named by CELLPROFILER.
.PHONY: kernels
kernels: .venv/.synced .cellprofiler/.ready
	@CELLPROFILER="$${CELLPROFILER:-$(CURDIR)/.cellprofiler/bin/cellprofiler}" python -m cellpainting.cellprofiler.compile_kernels

# As above; the demo does without it.
.PHONY: .starfish/.ready
.starfish/.ready: .tools/bin/uv
	@containers/starfish/install.sh .starfish

# The CDK command line, with the node and npm of the Python environment.
node_modules/.package-lock.json: .venv/.synced package.json package-lock.json
	@echo "installing the CDK command line"
	@npm ci --silent --no-audit --no-fund
	@touch $@

# --- work -------------------------------------------------------------------------------------------

.PHONY: demo
demo: prerequisites ## run the main job on this machine: no AWS account, no Docker
	@$(MAKE) --no-print-directory -j2 .venv/.synced .cellprofiler/.ready
	@$(MAKE) --no-print-directory kernels
	@python examples/small_plate/demo.py

.PHONY: test
test: setup ## set up and pass the tests
	@pytest

.PHONY: check
check: setup ## lint (Python, shell, Dockerfiles), types, formats, locks
	@"$(UV)" lock --check --quiet
	@ruff check $(PYTHON_FILES)
	@ruff format --check $(PYTHON_FILES)
	@mypy $(PYTHON_FILES)
	@shellcheck $(SHELL_FILES)
	@hadolint $(wildcard containers/*/Dockerfile)

.PHONY: images
images: .tools/bin/uv ## build the container images, with Docker or Podman, which root on Debian or Ubuntu gets
	@scripts/build_images.sh

.PHONY: test-image
test-image: setup images ## run jobs of every type inside their images, and look at what is in these
	@pytest -m image -n 0

.PHONY: sbom
sbom: setup images ## write bills of materials (CycloneDX) of the images and of uv.lock into sbom/
	@python scripts/sbom.py sbom

.PHONY: audit
audit: setup ## ask PyPI and npm for known vulnerabilities of all that is locked; needs the internet
	@python scripts/audit.py

.PHONY: test-slurm
test-slurm: setup ## run shards on a SLURM of one node; needs root and Debian's or Ubuntu's packages
	@scripts/install_slurm.sh
	@pytest -m slurm

.PHONY: test-acceleration
test-acceleration: setup ## compare accelerated measurements with CellProfiler's own, on images and objects of all kinds
	@pytest -m acceleration --dist loadgroup tests/worker/accelerated

.PHONY: test-stages
test-stages: setup ## take the demo, plates and experiments through all stages in a local cloud, and stop them on the way
	@pytest -m stages tests/local tests/examples

.PHONY: test-deploy
test-deploy: setup ## deploy with the real CDK command line into an empty local cloud, change it, destroy it; try roles grant by grant, and messages by the dozen
	@pytest -m deploy -n 0 tests/local

.PHONY: test-plate
test-plate: setup ## measure real images with published pipelines, compare with plain CellProfiler, and go through all stages
	@pytest -m plate -n 0 -o faulthandler_timeout=0 tests/real_plate

.PHONY: test-peers
test-peers: setup ## compare backends and profiles with those of cytominer-database and pycytominer
	@pytest -m peers -n 0 tests/peers

.PHONY: test-browser
test-browser: setup ## look at pages in a real Chromium; needs root and Debian's or Ubuntu's packages unless chromium is there
	@scripts/install_chromium.sh
	@pytest -m browser -n 0 tests/report

.PHONY: bench
bench: setup ## measure, and print the tables of docs/benchmarks.md
	@for benchmark in benchmarks/*.py; do python $$benchmark; done

.PHONY: architecture
architecture: .venv/.synced ## draw docs/images/architecture.svg from the templates
	@python -m scripts.architecture

.PHONY: compliance
compliance: .venv/.synced ## write docs/compliance.md: what stricter packs of rules find in the templates, and why
	@python -m scripts.compliance

.PHONY: docs
docs: .tools/bin/uv ## build the documentation into site/
	@"$(UV)" sync --frozen --quiet --group docs
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict

.PHONY: lock
lock: .tools/bin/uv ## renew every lock
	@"$(UV)" lock --upgrade
	@scripts/lock.sh --upgrade

.PHONY: clean
clean: ## remove what the targets above made, but for the demo's results
	@rm -rf .venv .tools .cellprofiler .starfish .cache node_modules cdk.out site
