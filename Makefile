# make, or make help, lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# How much faster than life the demo is: 30 minutes become 3.6 seconds.
SCALE ?= 500

# What go test is given. Packages that start brokers run two at a time; a hang shows.
TESTFLAGS ?= -race -p 2 -timeout 25m

# What runs the tests: bin/gotest counts them as well.
GOTEST ?= go test

# What make test-loss runs, on the versions that are supported beside the newest: the packages
# whose tests speak of loss, of faults and of what a broker promises, on RabbitMQ itself.
LOSS := ./broker/rabbitmq ./broker/delay ./broker/replay ./processors/backoff ./processors/redelivery \
	./publisher/retrying ./failover

# How long make chaos harms a cluster, and how: 0 is a new seed, which it prints.
CHAOS_TIME ?= 10m
CHAOS_SEED ?= 0

# Modules of their own, so that what they need stays out of the library's go.mod.
# Those that are not there yet are left out.
NESTED := $(patsubst %/go.mod,%,$(wildcard benchmarks/go.mod examples/bridge/go.mod examples/outbox/go.mod examples/watermill-nats/go.mod \
	processors/sqltx/sqlitetest/go.mod publisher/outbox/databasetest/go.mod))
LINT := bin/golangci-lint
# Of this checkout alone: the linter's cache keeps paths, and those of another one do not
# match the exclusions.
export GOLANGCI_LINT_CACHE := $(CURDIR)/bin/lint-cache

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

.PHONY: demo
demo: ## Run the mail worker, on the embedded broker, or on RabbitMQ if AMQP_URL is set.
	go run ./examples/mail -scale $(SCALE)

.PHONY: test
test: rabbitmq databases ## Run every test, under the race detector, on real RabbitMQ and real databases.
	$(GOTEST) $(TESTFLAGS) ./...
	@# Watermill's own test has a race in it, so this one is without the detector.
	$(GOTEST) -timeout 5m -run ReconnectOfTheSuite ./broker/watermill/pubsub
	for module in $(NESTED); do (cd $$module && $(GOTEST) $(TESTFLAGS) ./...); done

.PHONY: test-loss
test-loss: rabbitmq ## Run the tests that have to hold on every version of RabbitMQ.
	$(GOTEST) $(TESTFLAGS) $(LOSS)

.PHONY: chaos
chaos: rabbitmq ## Harm a cluster at random for CHAOS_TIME, and account for every message.
	go test -race -v -count 1 -timeout 0 -run '^TestChaos$$' ./broker/rabbitmq -chaos $(CHAOS_TIME) -chaos.seed $(CHAOS_SEED)

.PHONY: rabbitmq
rabbitmq: # RabbitMQ's programs, for the tests to start nodes of their own.
	@scripts/ensure-rabbitmq

.PHONY: databases
databases: # The programs of PostgreSQL and MariaDB, for the tests to start instances of their own.
	@[[ -n "$${WARREN_DATABASES:-}" ]] || scripts/unpack-databases >/dev/null

.PHONY: lint
lint: $(LINT) ## Lint everything.
	$(LINT) run ./...
	for module in $(NESTED); do (cd $$module && $(CURDIR)/$(LINT) run ./...); done

.PHONY: fmt
fmt: $(LINT) ## Format everything.
	$(LINT) fmt ./...

.PHONY: bench
bench: rabbitmq ## Run the benchmarks.
	cd benchmarks && go test -run '^$$' -bench . -benchmem -timeout 30m ./...

.PHONY: cover
cover: rabbitmq ## Measure what the tests cover, into coverage.out.
	go test -p 2 -timeout 10m -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -1

.PHONY: tidy
tidy: ## Tidy every go.mod.
	for module in . tools $(NESTED); do (cd $$module && go mod tidy); done

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin coverage.out

bin/gotest: $(wildcard scripts/gotest/*.go)
	go build -o $@ ./scripts/gotest

# The linter is a module of its own, and a big one: it is built once for each version.
$(LINT): tools/go.mod tools/go.sum
	cd tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
