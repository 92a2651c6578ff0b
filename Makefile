# Bellhop. `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv/bin
SERIES ?= 4.3
SEEDS ?= 20
PROFILE ?= rough
# Two processes a core, a file at a time, the dearest files first: the hooks of tests/conftest.py.
PYTEST := $(VENV)/pytest -n auto --no-loadscope-reorder
WITHOUT_SERVERS := tests/unit tests/component tests/contracts --ignore=tests/contracts/test_documents.py
BROKER_SUITES := tests/integration/flow tests/integration/money tests/integration/ops tests/chaos

# Tests and the stack start Python hundreds of times: what one process has compiled, the next one loads.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test unit coverage test-rabbitmq test-docker test-setup simulate bench check docs openapi format lock release clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 23

setup: ## prepare everything this machine needs (idempotent; the other targets do it first)
	@$(PYTHON) deploy/local/setup.py

demo: setup ## start the stack, drive real orders through it, print what happened, stop
	@$(VENV)/bellhop demo

up: setup ## start the stack and leave it running until Ctrl-C; OBSERVE=1 with dashboards and traces, in Docker
	@$(VENV)/bellhop up $(if $(OBSERVE),--observe)

test: test-setup check ## run the checks and every test
	$(PYTEST)

unit: setup ## run the tests that start no server
	$(PYTEST) -q $(WITHOUT_SERVERS)

coverage: test-setup ## run every test, and name what of chassis and the services is covered to less than 90 %, by branch
	$(PYTEST) -q --cov --cov-report=
	@$(VENV)/coverage report --sort=cover | awk 'NR < 3 || $$NF + 0 < 90 || /^TOTAL/'

test-rabbitmq: test-setup ## the suites that meet a broker on a newer RabbitMQ: make test-rabbitmq SERIES=4.3
	BELLHOP_RABBITMQ_SERVER=$$($(VENV)/python -m tools.rabbitmq_root $(SERIES)) && export BELLHOP_RABBITMQ_SERVER && \
		$(PYTEST) $(BROKER_SUITES)

test-docker: test-setup ## run the compose file to a paid order, as root on Debian: make test-docker SERIES="3.10 4.0 4.3"
	$(VENV)/python -m tools.with_docker $(SERIES) -- $(VENV)/pytest -q -n 0 tests/integration/containers

simulate: setup ## whole histories in one process, until a law is broken with SEEDS=0: make simulate SEEDS=100 PROFILE=hostile
	$(VENV)/python -m tests.simulation --seeds $(SEEDS) --profile $(PROFILE) --processes 2

bench: setup ## load, floor, growth, drain, overload, start-up: some ten minutes; PARTS="load drain", LONG=1 with a soak, AGAINST=file
	$(VENV)/python -m benchmarks $(PARTS) $(if $(LONG),--long) $(if $(AGAINST),--against $(AGAINST))

test-setup:
	@$(PYTHON) deploy/local/setup.py --tests

docs: setup ## build the documents as a site into site/; dead links and anchors are errors
	NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build --strict --quiet

openapi: setup ## needs node: spectral, redocly and a generated client on docs/openapi.json
	cd tools/openapi && npm install --silent --no-package-lock --no-audit --no-fund && npm run --silent lint && npm run --silent client
	$(VENV)/pytest -q tests/integration/flow/test_generated_client.py

check: setup ## formatting, lint, types, import rules, words, files, lock, installed packages, generated pages, security
	$(VENV)/ruff format --check
	$(VENV)/ruff check
	$(VENV)/oxlint --quiet
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/codespell --dictionary=- --dictionary=tools/retired_words.txt
	$(VENV)/python -m tools.check_files --check
	$(VENV)/python -m tools.check_lock --check
	$(VENV)/python -m tools.state_machines --check
	$(VENV)/python -m tools.openapi_document --check
	$(VENV)/python -m tools.webhook_document --check
	$(VENV)/python -m tools.asyncapi --check
	$(VENV)/python -m tools.psp_events --check
	$(VENV)/python -m tools.decisions --check
	$(VENV)/python -m tools.broker_definitions --check
	$(VENV)/python -m tools.kubernetes_manifests --check
	$(VENV)/python -m tools.slo --check
	$(VENV)/python -m tools.dashboards --check
	$(VENV)/python -m tools.check_environment --check
	@if command -v promtool >/dev/null; then promtool check rules deploy/alerts.yaml deploy/slo.yaml && promtool test rules tests/alerts/*_test.yaml; fi
	$(VENV)/bandit -q -ll -c pyproject.toml -r chassis client connectors contracts gateway extras_service notifications payment_service psp_adapter webhooks ops deploy stripe_sandbox tools benchmarks

format: setup ## format the code and fix what ruff can fix
	$(VENV)/ruff format
	$(VENV)/ruff check --fix

lock: setup ## pin requirements.txt again from pyproject.toml
	$(VENV)/uv pip compile pyproject.toml --quiet --all-extras --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --universal -o requirements.txt
	$(VENV)/uv pip compile pyproject.toml --quiet --extra local --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --universal --constraint requirements.txt -o deploy/requirements.txt
	printf 'hatchling>=1.27\n' | $(VENV)/uv pip compile - --quiet --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --universal --constraint requirements.txt -o deploy/requirements-build.txt
	$(VENV)/python -m tools.check_lock --check

release: setup ## the files of a release in dist/, tried out: wheel, SBOM, checksums, notes; TAG=v0.2.0 checks that it fits
	$(VENV)/python -m tools.release $(if $(TAG),--tag $(TAG))

clean: ## remove the virtual environment, caches and the local stack's data
	rm -rf .venv .bellhop site dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
