# The newest that works; `make run PYTHON=/path/to/python` takes another.
WORKS = for python in python3.13 python3.12 python3.11; do $$python -c 'import ensurepip, venv' 2>/dev/null && echo $$python && break; done
PYTHON ?= $(shell $(WORKS))
VENV := .venv
BIN := $(VENV)/bin
RELEASE := $(VENV)/release
DOCS := $(VENV)/docs
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# What pip would do on one core; a file in the syntax of a later Python stays as it is.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

.PHONY: run unit test test-failed coverage test-long test-containers lint types contracts docs sbom audit release clean

# `make run RETRAIN="--set training.seed=1"` trains with other options.
run: $(VENV)/.train
	$(BIN)/wgan up --detach
	$(BIN)/wgan retrain --preset digits $(RETRAIN)

# No server, no training: the loop while one writes.
unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 tests/unit

# Exit code 1: all have run, some failed. Of a run that broke off, nothing is left for test-failed to pass.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 -m "not containers and not long" || { code=$$?; [ $$code = 1 ] || rm -rf .pytest_cache; exit $$code; }

# What failed in the last `make test`, by itself.
test-failed: $(VENV)/.dev
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none --exitfirst

# Branch coverage of wgan, tasks and flows by what `make test` runs, the processes it starts included; `TESTS=tests/unit` for some of it.
coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3 -m "not containers and not long" $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Drills that wait for minutes: kills in every step, servers that restart, two runs at once, runs that change workers.
test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m long

# Builds and starts the images, as root, with Debian's podman, buildah, runc, netavark, aardvark-dns, iptables and debootstrap.
test-containers: $(VENV)/.dev
	$(BIN)/python -m pytest -m containers tests/containers

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict -c infra/.yamllint.yaml infra .github .pre-commit-config.yaml mkdocs.yml
	$(BIN)/hadolint infra/Containerfile tests/containers/databases.containerfile

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/mypy examples

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

# The documentation site, into build/site; a broken link or reference fails.
docs: $(DOCS)/.done
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

# What is in the environment, as CycloneDX.
sbom: $(VENV)/.dev $(RELEASE)/.done
	@mkdir -p dist
	$(RELEASE)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.cdx.json

# Fails on a known weakness, and where the index cannot be asked about a package.
audit: $(RELEASE)/.done
	$(RELEASE)/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

release: audit sbom
	$(RELEASE)/bin/python -m build --outdir dist

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@command -v $(firstword $(PYTHON) none) >/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed, with venv: set PYTHON to its name, e.g. make run PYTHON=/usr/bin/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[train]'
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[scale,dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.train

# The tools of the extras `release` and `docs`, each in an environment of its own, without the project itself.
$(RELEASE)/.done $(DOCS)/.done: $(VENV)/%/.done: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m venv $(VENV)/$*
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['$*'], sep='\n')" > $(VENV)/$*/requirements.txt
	$(VENV)/$*/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement $(VENV)/$*/requirements.txt
	@touch $@
