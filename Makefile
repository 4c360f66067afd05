# Everything that is done to this repository. `make help` lists it; a target's text is what follows its `##`.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

TOOLS       := $(CURDIR)/.tools
THIRD_PARTY := $(CURDIR)/.third_party
BUF         := $(TOOLS)/buf
# Folders with nothing but generated files, all committed.
GENERATED   := proto/gen gateway/gen
MODULES     := proto services gateway deploy/local
SERVICES    := license extension numbering notification

GOLANGCI_VERSION := v2.15.0
GOLANGCI         := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)

# Generated and linted with only the Go module proxy: buf and the plugins are built from proto/tools/go.mod.
TOOLS_STAMP       := $(TOOLS)/built
THIRD_PARTY_STAMP := $(THIRD_PARTY)/written
GENERATED_STAMP   := $(TOOLS)/generated
PROTO_SOURCES     := $(shell find proto/switchboard -name '*.proto' 2>/dev/null)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: tools
tools: $(TOOLS_STAMP) ## build buf and the protoc plugins into .tools (minutes the first time)

$(TOOLS_STAMP): proto/tools/go.mod proto/tools/go.sum
	@echo "building buf and the protoc plugins into .tools; the first time takes a few minutes"
	@mkdir -p $(TOOLS)
	cd proto/tools && GOWORK=off GOBIN=$(TOOLS) go install tool
	@touch $@

.PHONY: third-party-protos
third-party-protos: $(THIRD_PARTY_STAMP)

$(THIRD_PARTY_STAMP): proto/tools/go.mod proto/tools/go.sum proto/tools/thirdparty/main.go
	cd proto/tools && GOWORK=off go run ./thirdparty $(THIRD_PARTY)/proto
	@touch $@

.PHONY: generate
generate: $(GENERATED_STAMP) ## generate Go, gateway and OpenAPI code from the protos

$(GENERATED_STAMP): $(PROTO_SOURCES) buf.yaml buf.gen.yaml proto/tools/openapi.yaml $(TOOLS_STAMP) $(THIRD_PARTY_STAMP)
	$(BUF) generate
	@touch $@

.PHONY: check-generated
check-generated: $(TOOLS_STAMP) $(THIRD_PARTY_STAMP) ## regenerate from scratch and fail if what is committed differs
	$(BUF) generate --clean
	@touch $(GENERATED_STAMP)
	@changes="$$(git status --porcelain --untracked-files=all -- $(GENERATED))"; \
	if [[ -n "$$changes" ]]; then \
	  echo "generated files differ from the protos; run 'make generate' and commit:" >&2; \
	  echo "$$changes" >&2; git --no-pager diff --stat -- $(GENERATED) >&2; exit 1; \
	fi

.PHONY: lint
lint: lint-proto lint-go lint-portal ## lint protos, Go code and the portal

.PHONY: lint-proto
lint-proto: $(TOOLS_STAMP) $(THIRD_PARTY_STAMP) ## buf lint and buf breaking
	$(BUF) lint
	@$(MAKE) --no-print-directory breaking

# The commit that the protos are compared with. Its third-party protos are not committed, so today's stand in for them.
BREAKING_AGAINST ?= $(shell git rev-parse --verify --quiet main || git rev-parse --verify --quiet origin/main)

.PHONY: breaking
breaking: $(TOOLS_STAMP) $(THIRD_PARTY_STAMP) ## fail if the protos break callers of the main branch
	@if [[ -z "$(BREAKING_AGAINST)" ]] || ! git cat-file -e "$(BREAKING_AGAINST):buf.yaml" 2>/dev/null; then \
	  echo "buf breaking: skipped, the main branch has no protos yet"; exit 0; \
	fi; \
	rm -rf $(TOOLS)/against && mkdir -p $(TOOLS)/against; \
	git archive "$(BREAKING_AGAINST)" buf.yaml proto/switchboard | tar -x -C $(TOOLS)/against; \
	cp -r $(THIRD_PARTY) $(TOOLS)/against/.third_party; \
	$(BUF) breaking --against $(TOOLS)/against; \
	echo "buf breaking: compatible with $(BREAKING_AGAINST)"

.PHONY: lint-go
lint-go: $(GOLANGCI) ## golangci-lint over all Go modules
	@for module in $(MODULES); do echo "golangci-lint $$module"; (cd $$module && $(GOLANGCI) run ./...); done
	@echo "golangci-lint deploy/tools"; cd deploy/tools && GOWORK=off $(GOLANGCI) run ./...

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) into .tools; the first time takes a few minutes"
	@mkdir -p $(TOOLS)
	cd $(TOOLS) && GOWORK=off GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

# The whole suite on this machine. It brings its own database, etcd, mail server and token issuer.
ADDR       ?= 127.0.0.1:8080
DATA       ?= .switchboard
READY_FILE ?=
KEEP       ?=
LOCAL      := $(CURDIR)/.build/switchboard-local
# Builds without asking git for a version, which fails where the clone belongs to another user.
export GOFLAGS ?= -buildvcs=false

.PHONY: up
up: local-build database portal-if-node ## run everything until Ctrl-C (ADDR, DATA, READY_FILE); with the portal where Node is there
	@exec $(LOCAL) up --addr "$(ADDR)" --data "$(DATA)" --ready-file "$(READY_FILE)" --portal "$$([[ ! -f $(PORTAL)/dist/index.html ]] || echo $(PORTAL)/dist)"

.PHONY: cluster
cluster: local-build database ## run everything as processes of their own until Ctrl-C (ADDR, READY_FILE); see deploy/operations.md
	@exec $(LOCAL) cluster --addr "$(ADDR)" --data "$(or $(CLUSTER_DATA),.switchboard-cluster)" --ready-file "$(READY_FILE)"

DIR ?= backup

.PHONY: backup restore
backup: local-build ## write the databases of a stack that is stopped into a folder (DATA, DIR)
	@exec $(LOCAL) backup --data "$(DATA)" --dir "$(DIR)"

restore: local-build ## read them back into a data folder without any (DATA, DIR)
	@exec $(LOCAL) restore --data "$(DATA)" --dir "$(DIR)"

DURATION ?= 10m

.PHONY: chaos
chaos: database ## faults on a cluster under load for DURATION (10m) on every engine, and what callers saw (FAULT: part of a name)
	cd deploy/local && go test ./e2e -count=1 -v -timeout 0 -run '^TestClusterUnderFaults$$' -args -chaos.duration=$(DURATION) -chaos.fault="$(FAULT)"

.PHONY: demo
demo: local-build database ## assign phone licences to 250 people and check every promise (KEEP=1 stays up)
	@exec $(LOCAL) demo $(if $(KEEP),--keep --addr "$(ADDR)")

.PHONY: bench
bench: local-build database ## measure assigning through the gateway against the bare database
	@exec $(LOCAL) bench --json .build/bench.json

.PHONY: bench-import
bench-import: local-build database ## import files of 10,000 and 100,000 rows on each engine, kill and resume one (ROWS, ENGINE)
	@exec $(LOCAL) bench-import --rows $(or $(ROWS),100000) --engine "$(ENGINE)" --json .build/bench-import.json

.PHONY: footprint
footprint: local-build database ## measure start-up, memory, processor time per person and call, and draining of the programs that are deployed
	@mkdir -p .build/bin
	go build -trimpath -o .build/bin/ $(foreach s,$(SERVICES),./services/$(s)/cmd/$(s)) ./gateway/cmd/gateway
	@exec $(LOCAL) footprint --programs .build/bin --json .build/footprint.json

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: database ## run each fuzz target in turn for FUZZTIME (30s); TARGET=FuzzName for one
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' $(MODULES) | sort | while IFS=: read -r file func; do \
	  name="$${func#func }"; [[ -z "$(TARGET)" || "$$name" == "$(TARGET)" ]] || continue; \
	  echo "$$(dirname "$$file") $$name"; \
	  go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" </dev/null; \
	done

.PHONY: bench-extension
bench-extension: database ## measure giving out extensions beside other strategies and the floors (QUICK=1 for less)
	@mkdir -p .build
	go test -run '^$$' -bench Extension -benchtime 1x -timeout 90m ./services/extension/internal/allocbench -args -json "$(CURDIR)/.build/bench-extension.json" $(if $(QUICK),-quick)

.PHONY: check-linearizable
check-linearizable: database ## replicas of the allocator are killed, paused and cut off while porcupine watches (DURATION=10m)
	go test -count=1 -v -timeout 24h ./services/extension/internal/lincheck -args -duration $(DURATION) -outage 1m

.PHONY: local-build
local-build:
	@mkdir -p .build
	@[[ -x $(LOCAL) ]] || echo "building the local stack; the first time takes a few minutes"
	@go build -o $(LOCAL) ./deploy/local/cmd/switchboard-local

.PHONY: database
database: ## make sure that there is a database to run on (installs PostgreSQL from Debian where it may)
	@deploy/local/setup/database.sh

# The web page. Its files are served by the gateway and built by Node; nothing else needs Node.
PORTAL         := gateway/portal/web
PORTAL_SOURCES := $(shell find $(PORTAL) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/test-output/*' 2>/dev/null)
OPENAPI        := proto/gen/openapi/switchboard.swagger.json

.PHONY: portal
portal: $(PORTAL)/dist/index.html ## build the portal into gateway/portal/web/dist (needs Node 20 or newer)

$(PORTAL)/dist/index.html: $(PORTAL)/node_modules/.package-lock.json $(PORTAL_SOURCES) $(OPENAPI)
	@cd $(PORTAL) && npm run --silent build

$(PORTAL)/node_modules/.package-lock.json: $(PORTAL)/package.json $(PORTAL)/package-lock.json
	@cd $(PORTAL) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: portal-if-node
portal-if-node:
	@if command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory portal || echo "the portal could not be built (see above): the API runs without it" >&2; \
	fi

.PHONY: lint-portal
lint-portal: $(PORTAL)/node_modules/.package-lock.json ## types, eslint and prettier over the portal
	@cd $(PORTAL) && npm run --silent lint

.PHONY: test-portal
test-portal: local-build database portal ## drive the portal in a real browser against the local stack
	@$(PORTAL)/tests/browser.sh
	@cd $(PORTAL) && SWITCHBOARD_LOCAL=$(LOCAL) npm run --silent test

.PHONY: bench-portal
bench-portal: local-build database portal ## measure frames while 100,000 phone users scroll by
	@$(PORTAL)/tests/browser.sh
	@cd $(PORTAL) && SWITCHBOARD_LOCAL=$(LOCAL) npm run --silent test:scroll

# A package may use a whole test database, so few run at once. Fresh results always: the databases are not part of Go's cache key.
GO_TEST := go test -count=1 -timeout 20m -p $(or $(TEST_PACKAGES),2)

.PHONY: test
test: vet test-units test-e2e test-deploy ## everything: vet, unit and store tests on real databases, end-to-end tests, deployment

.PHONY: vet
vet: ## go vet over all modules
	go vet $(MODULES:%=./%/...)

.PHONY: test-units
test-units: database ## tests of all packages but the end-to-end ones
	$(GO_TEST) $$(go list $(MODULES:%=./%/...) | grep -v '/deploy/local/e2e$$')

.PHONY: test-e2e
test-e2e: database ## end-to-end tests through the gateway, on every engine that is there
	$(GO_TEST) ./deploy/local/e2e/...

# A module of its own outside of go.work, so that no service inherits what it needs.
.PHONY: test-deploy
test-deploy: ## manifests by schema and policy, alerts, dashboards, images
	cd deploy/tools && GOWORK=off go vet ./... && GOWORK=off go test -timeout 10m ./...

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: images
images: ## OCI images and bills of materials into .build/images, without Docker (VERSION; the portal has to be built)
	cd deploy/tools && GOWORK=off go run ./images -root $(CURDIR) -out $(CURDIR)/.build/images -portal $(CURDIR)/gateway/portal/web/dist -version "$(VERSION)"
