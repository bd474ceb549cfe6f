# What a contributor runs. `make help` lists the targets; `make check` is what CI runs.
#
# Needed: Go 1.26, and for `make check` a C compiler (the race detector),
# Python 3 with venv (the AWS CLI and boto3) and, where a test uses them, Node and Java.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 5s
COUNT    ?= 6
BENCH    ?= .

# One set of flags everywhere, so that run, test and the checks share one build
# cache. Without cgo the binary is static and no C code has to be compiled.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(GOFLAGS) -trimpath)
export PATH        := $(CURDIR)/.tools/bin:$(CURDIR)/.tools/python/bin:$(PATH)

TOOLS   := .tools/bin/.built
CLIENTS := .tools/python/.built
NODE    := test/sdk/js/node_modules/.built

# The checks, in the order in which they run: the quick ones first.
CHECKS := check-format check-vet check-generated check-lint check-dead check-vulnerable check-race check-fuzz check-tools check-clients

##@ Use

.PHONY: run build
run: build ## build and start the cloud; it prints the lines to paste (ARGS="--open" passes flags on)
	exec bin/gigawatt serve $(ARGS)

build: ## build bin/gigawatt
	$(GO) build -ldflags="-s -w" -o bin/gigawatt ./cmd/gigawatt

##@ Change

.PHONY: test generate format
test: ## run all tests of the main module; needs no network, root or Docker
	$(GO) test ./...

generate: ## write the API from the models, and the pages of the docs that come from the code
	$(GO) run ./cmd/awsgen generate
	$(GO) test -count=1 -run TestDifferences -update .

format: $(TOOLS) ## format all handwritten Go code
	gofumpt -w .

##@ Check

.PHONY: check $(CHECKS)
check: $(TOOLS) $(CLIENTS) $(NODE) ## run every check below; fails at the end and names those that failed
	@failed=(); for c in $(CHECKS); do \
		echo "=== $$c"; start=$$SECONDS; \
		$(MAKE) --no-print-directory "$$c" || failed+=("$$c"); \
		echo "=== $$c: $$((SECONDS - start)) s"; \
	done; \
	if ((${#failed[@]})); then echo "failed: $${failed[*]}"; exit 1; fi; \
	echo "all checks passed"

check-format: $(TOOLS) ## code is formatted as gofumpt does
	@unformatted=$$(gofumpt -l .); if [[ -n $$unformatted ]]; then echo "not formatted, run make format:"; echo "$$unformatted"; exit 1; fi

check-vet: $(TOOLS) ## go vet, and our own analyzers
	$(GO) vet ./...
	$(GO) vet -vettool="$(CURDIR)/.tools/bin/gwvet" ./...

check-generated: ## generated code is what the models give
	@tools/unchanged api doc/differences.md -- $(MAKE) --no-print-directory generate

check-lint: $(TOOLS) ## golangci-lint
	golangci-lint run ./...

check-dead: $(TOOLS) ## no function is unreachable from a program or a test
	@dead=$$(deadcode -test ./...); if [[ -n $$dead ]]; then echo "$$dead"; exit 1; fi

check-vulnerable: $(TOOLS) ## no known vulnerability is reachable (skipped when the database cannot be reached)
	@tools/vulnerable ./...

check-race: ## tests of the packages that share memory between goroutines, with the race detector, shuffled
	CGO_ENABLED=1 $(GO) test -race -short -shuffle=on $$($(GO) list ./... | grep -vE '/gigawatt$$|/gigawatt/(api|aws|cmd)/')

check-fuzz: ## every fuzz target for FUZZTIME
	tools/fuzz "$(FUZZTIME)"

check-tools: ## tests of our own analyzers
	cd tools && $(GO) vet ./... && $(GO) test ./...

check-clients: build $(CLIENTS) $(NODE) ## the AWS CLI and SDKs against a running cloud, and a cloud that is killed (the test module)
	cd test && $(GO) vet ./... && GIGAWATT_BINARY="$(CURDIR)/bin/gigawatt" $(GO) test ./...
	cd test && GIGAWATT_BINARY="$(CURDIR)/bin/gigawatt" $(GO) run ./load --quick

##@ Measure

.PHONY: bench load crash fuzz
bench: ## run the benchmarks COUNT times and sum them up (BENCH=regexp chooses)
	@mkdir -p .tools
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./... | tee .tools/bench.txt
	@$(MAKE) --no-print-directory $(TOOLS) && benchstat .tools/bench.txt
	@$(MAKE) --no-print-directory load

load: build ## measure a running cloud against bare handlers and the store: see doc/performance.md (LOAD='--only put' passes flags on)
	cd test && GIGAWATT_BINARY="$(CURDIR)/bin/gigawatt" $(GO) run ./load $(LOAD)

crash: build ## kill the server under load 50 times and look for what it acknowledged
	cd test && GIGAWATT_BINARY="$(CURDIR)/bin/gigawatt" GIGAWATT_CRASH_ROUNDS=$(or $(ROUNDS),50) $(GO) test -count=1 -timeout=1h -v ./crash

fuzz: ## every fuzz target for half a minute, or FUZZTIME
	tools/fuzz "$(if $(filter command line environment,$(origin FUZZTIME)),$(FUZZTIME),30s)"

##@ Housekeeping

.PHONY: tools clients clean help
tools: $(TOOLS) ## build the pinned tools into .tools/bin

clients: $(CLIENTS) $(NODE) ## install the pinned AWS CLI and boto3 into .tools/python, the SDK for JavaScript beside its test

# Rebuilt when a version, an analyzer or this recipe changes.
$(TOOLS): tools/go.mod tools/go.sum $(shell find tools -name '*.go' -not -path '*/testdata/*')
	@mkdir -p $(@D)
	cd tools && GOBIN="$(CURDIR)/.tools/bin" $(GO) install tool ./gwvet
	@touch $@

$(CLIENTS): tools/requirements.txt
	rm -rf .tools/python
	python3 -m venv .tools/python
	.tools/python/bin/pip install --quiet --disable-pip-version-check -r tools/requirements.txt
	@touch $@

$(NODE): test/sdk/js/package.json test/sdk/js/package-lock.json
	@if command -v npm >/dev/null; then cd $(<D) && npm ci --silent && touch node_modules/.built; \
	else echo "npm is missing: the SDK for JavaScript is not tested"; fi

clean: ## remove what was built
	rm -rf bin .tools test/sdk/js/node_modules

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' Makefile
