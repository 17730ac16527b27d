# Everything a fresh machine needs is installed by the targets below; nothing is done by hand.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$(or $(AWS_REGION),us-east-1) .local/sam/bin/sam
LOCAL := $(BIN)/python -m infra.local
PORT ?= 3000
KAFKA ?= auto
AWS_PORT ?=
export PORT KAFKA AWS_PORT
# What a developer has set for other work changes no interpreter here; the runner sees to the rest.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))
export PYTHONUTF8 := 1

comma := ,

.DEFAULT_GOAL := help
.PHONY: help up down reset token status logs trace rebuild switch verify operate demo test screenshots prove prove-alarms prove-reads fuzz-api check bench bench-full bench-latency bench-commands bench-projectors bench-queries bench-cold-start bench-complex-queries bench-database-cpu bench-freshness bench-peak bench-relay bench-contention bench-soak bench-post scale-model explain-unified report format contracts release-events lock audit sam-validate sam-build sam-local sam-invoke sam-local-down deploy destroy

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

up: $(READY) ## Run the whole system here (DETACH=1, PORT=, KAFKA=auto|apache|embedded|host:port, AWS_PORT=, SCOPE_PREFIX=)
	@exec $(LOCAL) up $(if $(DETACH),--detach)

down: $(READY) ## Stop what `make up DETACH=1` left running
	@exec $(LOCAL) down

reset: $(READY) ## Stop it and forget its data
	@exec $(LOCAL) reset

token: $(READY) ## Print an operator's token (CUSTOMER=<id>: that customer's; SCOPES="orders:read …": exactly these)
	@exec $(LOCAL) token $(if $(CUSTOMER),--customer="$$CUSTOMER") $(if $(SCOPES),--scopes="$$SCOPES")

status: $(READY) ## What runs, its memory and processor time
	@exec $(LOCAL) status

logs: $(READY) ## Follow the log lines of a detached stack
	@exec $(LOCAL) logs

trace: $(READY) ## What became of a request, from the API to the read models (ID=<correlation, trace or order id>)
	@exec $(LOCAL) trace "$$ID"

rebuild: $(READY) ## Fill a new generation of a read model from the log (MODEL=, RATE=<events/s>)
	@exec $(LOCAL) operate rebuild --audited --set=read_model="$$MODEL" --set=events_per_second="$$RATE"

switch: $(READY) ## Let queries read the filled generation, or another (MODEL=, GENERATION=)
	@exec $(LOCAL) operate switch --audited --set=read_model="$$MODEL" --set=generation="$$GENERATION"

verify: $(READY) ## Compare with a fresh fold of the log (MODEL=, GENERATION=, SAMPLE=<orders>)
	@exec $(LOCAL) operate verify --set=read_model="$$MODEL" --set=generation="$$GENERATION" --set=sample="$$SAMPLE"

operate: $(READY) ## Carry out any operation (OPERATION=retry_parked REQUEST='{"all": true}' REASON=)
	@exec $(LOCAL) operate "$$OPERATION" $(if $(REASON),--audited --reason="$$REASON") --request="$$REQUEST"

demo: $(READY) ## Place the Northwind orders through the API and check what the read side says
	@exec $(BIN)/python -m infra.local.demo.run

# Three side by side, of about the same length; much of each is waiting: for commits, brokers, and
# parts that come back. Each has a place of its own for files: pytest shuts others out of a shared one.
# On interrupt, they stop what they have started before their files are deleted.
test: check $(VENV)/.browser .local/sam/.ready .local/audit/.ready ## Everything, from the rules to the running system
	@files=$$(mktemp -d) && chmod 755 $$files && mkdir -m 755 $$files/rules $$files/parts && \
	  trap 'kill $$rules $$parts 2>/dev/null; wait; rm -rf $$files' EXIT && trap 'exit 1' INT TERM; \
	  TMPDIR=$$files/rules $(BIN)/python -m pytest -q tests/domain tests/clients tests/browser tests/faults >$(VENV)/rules.log 2>&1 & rules=$$!; \
	  TMPDIR=$$files/parts $(BIN)/python -m pytest -q tests/integration tests/deployment >$(VENV)/parts.log 2>&1 & parts=$$!; \
	  $(BIN)/python -m pytest tests/recipes tests/system; whole=$$?; \
	  wait $$rules; whole=$$((whole || $$?)); cat $(VENV)/rules.log; \
	  wait $$parts; whole=$$((whole || $$?)); cat $(VENV)/parts.log; exit $$whole

$(VENV)/.browser: $(READY)
	@echo "Looking for a Chromium, or installing one (once) …"
	@$(BIN)/python -m tests.browser.chromium
	@touch $@

screenshots: $(VENV)/.browser ## Take the documentation's pictures of the order desk
	SCREENSHOTS=1 KAFKA=apache $(BIN)/python -m pytest -q tests/browser/test_screenshots.py

prove: $(READY) ## Random lives of orders until nothing more is found (STEPS=, SEED=)
	STEPS=$(or $(STEPS),2000000) $(BIN)/python -m pytest -q tests/domain/test_lives.py

fuzz-api: $(READY) ## Send the API very many requests made from its OpenAPI document (API_EXAMPLES=)
	API_EXAMPLES=$(or $(API_EXAMPLES),1000) KAFKA=apache $(BIN)/python -m pytest -q tests/system/test_openapi.py

prove-reads: $(READY) ## Ask for what 10,000 commands did, with their tokens and delayed projectors (PAIRS=)
	PAIRS=$(or $(PAIRS),10000) KAFKA=apache $(BIN)/python -m pytest -q tests/system/test_read_your_writes.py

prove-alarms: $(READY) ## Make parts fail, and wait in real time until the alarms are raised (a quarter of an hour)
	ALARM_SPEED=1 KAFKA=apache $(BIN)/python -m pytest -q tests/faults/test_alarms.py

check: $(READY) ## Format, lint, types, import contracts, architecture, template
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	PYTHONPATH=.:functions:layers/common $(BIN)/python $(BIN)/lint-imports
	$(BIN)/python $(BIN)/cfn-lint template.yaml infra/stacks/*.yaml
	PYTHONPATH=.:functions:layers/common $(BIN)/python -m infra.contracts --check
	$(BIN)/python -m pytest -q --tb=line tests/architecture

IN_PROCESS = PYTHONPATH=.:functions:layers/common $(BIN)/python
ORDERS ?= 150000

bench: bench-complex-queries bench-database-cpu bench-peak bench-freshness ## Compare with the unified model (ORDERS=; half an hour, and the data set first)

bench-full: bench bench-commands bench-queries bench-projectors bench-relay bench-contention bench-cold-start bench-soak scale-model ## Measure everything that needs no stack (an hour and a half)

bench-complex-queries: $(READY) ## Ask each question of both models, of three sizes
	$(IN_PROCESS) -m tests.benchmarks.complex_queries --sizes $$(($(ORDERS) / 100)) $$(($(ORDERS) / 10)) $(ORDERS) >/dev/null

bench-database-cpu: $(READY) ## Measure what a workload costs both models' databases
	$(IN_PROCESS) -m tests.benchmarks.database_cpu --orders $(ORDERS) >/dev/null

bench-freshness: $(READY) ## Measure when a command is seen in each read model
	$(IN_PROCESS) -m tests.benchmarks.freshness --orders $(ORDERS) >/dev/null

bench-peak: $(READY) ## Search the highest rate that both models sustain
	$(IN_PROCESS) -m tests.benchmarks.peak --orders $(ORDERS) >/dev/null

bench-relay: $(READY) ## Measure what the relay adds to sending records
	$(IN_PROCESS) -m tests.benchmarks.relay_cost >/dev/null

bench-contention: $(READY) ## Let commands meet on the same orders, of both models
	$(IN_PROCESS) -m tests.benchmarks.contention >/dev/null

bench-soak: $(READY) ## Serve half of the peak for half an hour, and look what grows
	$(IN_PROCESS) -m tests.benchmarks.soak --orders $(ORDERS) >/dev/null

scale-model: $(READY) ## Simulate the deployed system with what benchmarks have measured
	$(IN_PROCESS) -m tests.benchmarks.scale_model

bench-post: $(READY) ## Measure where a POST's time goes on the stack that runs
	$(IN_PROCESS) -m tests.benchmarks.post_time >/dev/null

explain-unified: $(READY) ## Write the plans of the unified model's statements
	$(IN_PROCESS) -m tests.benchmarks.unified.explain --orders $(ORDERS) >/dev/null

report: $(READY) ## Write docs/review and docs/scale.md from what benchmarks have left
	$(IN_PROCESS) -m tests.benchmarks.report

bench-latency: $(READY) ## Measure the latencies of the stack that runs
	@exec $(BIN)/python -m tests.benchmarks.latency

bench-commands: $(READY) ## Measure what each command costs beside its statements
	$(IN_PROCESS) -m tests.benchmarks.command_cost >/dev/null

bench-projectors: $(READY) ## Measure what each event costs a projector, beside execute_values
	$(IN_PROCESS) -m tests.benchmarks.projector_cost >/dev/null

bench-queries: $(READY) ## Measure what each question costs beside its statement, and how it grows
	$(IN_PROCESS) -m tests.benchmarks.query_cost >/dev/null

bench-cold-start: $(READY) ## Measure how long each function takes to be ready
	$(IN_PROCESS) -m tests.benchmarks.cold_start

format: $(READY) ## Format, and fix what can be fixed
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

contracts: $(READY) ## Write the documents under docs/ that are generated from the code
	@PYTHONPATH=.:functions:layers/common $(BIN)/python -m infra.contracts

release-events: contracts ## Hold the events' schemas to what they are now (with each release)
	PYTHONPATH=.:functions:layers/common $(BIN)/python -m infra.contracts --release

# ── on AWS ───────────────────────────────────────────────────────────────────────────────────────

audit: .local/audit/.ready ## Look for what is insecure: templates, deployed code, known holes of packages
	.local/audit/bin/checkov --config-file .checkov.yaml -d infra/stacks
	.local/audit/bin/checkov --config-file .checkov.yaml -f template.yaml
	.local/audit/bin/bandit -q -r functions layers -c pyproject.toml
	.local/audit/bin/pip-audit --requirement layers/common/requirements.txt --no-deps --disable-pip --progress-spinner off --strict

sam-validate: .local/sam/.ready ## Validate the template with AWS SAM's own command
	$(SAM) validate --lint

sam-build: .local/sam/.ready ## Build all functions and layers for AWS into .aws-sam (ARCHITECTURE=arm64|x86_64)
	ARCHITECTURE=$(or $(ARCHITECTURE),arm64) PYTHON=$(PYTHON) $(SAM) build --parallel --parameter-overrides Architecture=$(or $(ARCHITECTURE),arm64)

HERE := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)

sam-local: .local/sam/.ready ## Set `sam local invoke` up beside `make up DETACH=1`: engine, image, databases for samples
	@$(MAKE) --no-print-directory sam-build ARCHITECTURE=$(HERE)
	@exec $(LOCAL).sam up

sam-invoke: $(READY) ## Run a function in a container with its sample event (FUNCTION=PlaceOrder|all, EVENT=<file>)
	@exec $(LOCAL).sam invoke "$(FUNCTION)" $(if $(EVENT),--event="$(EVENT)")

sam-local-down: $(READY) ## Stop the engine and what else `make sam-local` has started
	@exec $(LOCAL).sam down

deploy: .local/sam/.ready ## Deploy all stacks of a stage (STAGE=test|production), with AWS credentials
	@PATH="$(CURDIR)/$(BIN):$$PATH" ARCHITECTURE=arm64 SAM_CLI_TELEMETRY=0 $(IN_PROCESS) -m infra.stacks deploy --stage "$(STAGE)"

destroy: .local/sam/.ready ## Delete a stage's stacks that hold no data (STAGE=)
	@SAM_CLI_TELEMETRY=0 $(IN_PROCESS) -m infra.stacks destroy --stage "$(STAGE)"

# ── set-up ───────────────────────────────────────────────────────────────────────────────────────

$(READY): requirements.lock
	@$(PYTHON) -I infra/local/install.py $(VENV) $(UV_VERSION)

lock: ## Choose the newest versions that fit pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/python -m uv pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate \
	  pyproject.toml --group local --group dev --output-file requirements.lock
	$(BIN)/python -m uv pip compile --quiet --python-version 3.13 --no-header --no-annotate \
	  pyproject.toml --constraints requirements.lock --output-file layers/common/requirements.txt

# AWS's own tools need other versions than the functions: each has an environment of its own.
.local/sam/.ready .local/audit/.ready: .local/%/.ready: infra/stacks/%.lock $(READY)
	@mkdir -p .local
	@$(PYTHON) -I infra/local/install.py .local/$* $(UV_VERSION) $<
