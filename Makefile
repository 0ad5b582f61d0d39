# The one entry to everything: `make help` lists it. `make test` is what CI
# runs, part by part; each part can be run alone.

SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

# Packages that start goroutines, and so run under the race detector too.
RACE := ./engine/kafka/... ./engine/checkpoint/... ./rules ./sinks/... ./internal/api/... ./internal/fatal/... ./internal/group/... ./cmd/...
# Packages whose tests go by many seeds. They are begun first, as they take longest; of those
# that are in RACE too, `make unit` runs all seeds, and the race detector a part of them, -short.
SEEDED := ./engine/enginetest ./cep/ceptest ./engine/checkpoint
# How long each fuzz target runs in `make fuzz`.
FUZZTIME ?= 60s
# What the end-to-end tests need; their servers have a folder and ports of
# their own, so that they collide neither with `make services` nor with another
# clone.
E2E_SERVICES := kafka kafkasec cassandra redis s3 registry toxiproxy
E2E_DIR      := $(CURDIR)/.services/e2e
E2E_OFFSET   := $(shell printf %s '$(CURDIR)' | cksum | awk '{print 1000 + 100*($$1 % 24)}')
E2E_TIMEOUT  ?= 60m

part = @printf '\n== %s\n' '$@: $(1)'

.PHONY: help build demo services services-down test tidy format vet static vuln lint unit race e2e faults sim fuzz bench clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/caltrop
	go build -trimpath -o bin/caltrop ./cmd/caltrop

demo: build ## one process that makes events, catches fraud and prints it; Ctrl-C ends it
	bin/caltrop dev

services: ## start Kafka, Cassandra and an S3 store on loopback, without containers
	deploy/local/services up kafka cassandra s3
	@deploy/local/services env

services-down: ## stop them; their data stays
	deploy/local/services down

test: tidy lint unit race e2e ## everything that CI runs
	@printf '\n== all parts passed\n'

tidy:
	$(call part,the module is whole)
	@go mod verify
	@go build ./...

lint: format vet static vuln ## formatting, vet, staticcheck, vulnerabilities, house rules
	$(call part,house rules)
	@go test -count=1 ./internal/lint

format:
	$(call part,gofmt)
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './.*')); [ -z "$$bad" ] || { echo "not formatted:"; echo "$$bad"; exit 1; }

vet:
	$(call part,go vet)
	@go vet ./...
	@go vet -tags e2e ./...

static:
	$(call part,staticcheck)
	@go run $(STATICCHECK) -tags e2e ./...

# Exit status 3 is a finding. Without the database there is nothing to say, and
# a machine without a way out must still be able to test.
vuln:
	$(call part,govulncheck)
	@go run $(GOVULNCHECK) ./... >.vuln.log 2>&1 && rc=0 || rc=$$?; \
	if [ $$rc = 0 ]; then echo "no known vulnerabilities are called"; \
	elif grep -qE 'fetching vulnerabilities|vulndb|dial tcp|no such host|i/o timeout|connection refused|Forbidden' .vuln.log && ! grep -q '^Vulnerability #' .vuln.log; then \
		echo "NOT CHECKED: the vulnerability database is not reachable from here"; tail -n 2 .vuln.log; rc=0; \
	else cat .vuln.log; fi; rm -f .vuln.log; exit $$rc

unit: ## the packages that start no goroutine, and many seeds of those that do
	$(call part,unit tests)
	@go test -timeout 30m $(SEEDED) $$(go list ./... | grep -vxF "$$(go list $(RACE))")

# These tests mostly wait for one another, not for a processor.
race: ## the packages that start goroutines, under the race detector
	$(call part,race detector)
	@go test -race -short -parallel 6 -timeout 30m $(RACE)

# Their parallel tests are those that wait more than they work.
e2e: ## the end-to-end tests, on a real Kafka and Cassandra that start and stop here
	$(call part,end to end)
	@SERVICES_DIR=$(E2E_DIR) SERVICES_PORT_OFFSET=$(E2E_OFFSET) deploy/local/with-services $(E2E_SERVICES) -- \
		go test -tags e2e -count=1 -p 1 -parallel 4 -timeout $(E2E_TIMEOUT) $$(grep -rl --include='*_test.go' '^//go:build e2e' cep cmd docs engine internal loadtest rules sinks | xargs -n1 dirname | sort -u | sed 's|^|./|')

# Fault tests by number (docs/reliability.md): N=6 runs number 6 only. Those
# of loadtest/faults bring their servers up and down.
FAULT_TESTS = ^Test(T[0-9]{2})*T$(if $(N),$(shell printf %02d $(N)),[0-9]{2})
FAULTS = @go test -count=1 -timeout 40m -run '$(FAULT_TESTS)'
faults: ## every fault test of docs/reliability.md, N=6 for one number
	$(call part,faults$(if $(N), $(N)))
	$(FAULTS) ./cep/... ./engine/... ./internal/... ./sinks/... | { grep -v 'no test' || true; }
	@SERVICES_DIR=$(E2E_DIR) SERVICES_PORT_OFFSET=$(E2E_OFFSET) deploy/local/with-services $(E2E_SERVICES) -- \
		go test -tags e2e -count=1 -p 1 -timeout 40m -v -run '$(FAULT_TESTS)' ./loadtest/faults

SEEDS ?= 1000
sim: ## the cluster simulation, SEEDS (1000) of them; SEED=n plays one again
	@go test -count=1 -timeout 2h -v -run '^TestCluster$$' ./engine/enginetest -args $(if $(SEED),-cluster.first=$(SEED) -cluster.seeds=1,-cluster.seeds=$(SEEDS))

fuzz: ## every fuzz target for FUZZTIME (60s) each
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' cep cmd engine internal loadtest rules sinks | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -rho --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' $$p | sed 's/func //' | sort -u); do \
			grep -q "^func $$f(" $$p/*_test.go || continue; \
			echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s ./$$p; \
		done; done

bench: ## benchmarks of the core, with allocations
	go test -run '^$$' -bench . -benchmem ./cep/... ./engine/...

clean: ## remove what was built and the data of the demo; services keep theirs
	rm -rf bin data
