# What people run here. `make help` lists it.

GO      ?= go
FUZZ    ?= 10000x
DATE    := $(shell date -u +%Y-%m-%d)
export CGO_ENABLED ?= 0

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: demo
demo: ## build a lab of namespaces, measure each path, and compare with the truth
	@$(GO) run ./cmd/pmtu lab demo

.PHONY: build
build: ## the program, as bin/pmtu
	$(GO) build -trimpath -o bin/pmtu ./cmd/pmtu

.PHONY: man
man: ## the manual, as bin/man/*.1, one page for each command
	rm -rf bin/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(GO) run ./internal/cli/cmd/man -out bin/man

.PHONY: test
test: ## every test; run as root, with the packages of `make packages`
	@.ci/test

.PHONY: packages
packages: ## install the Debian packages that the tests use (root)
	@.ci/install

.PHONY: race
race: ## the tests of everything but the namespaces, with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v -e /netns-tests -e /pathsim)

.PHONY: lint
lint: ## gofmt, vet, staticcheck, and vet and builds for other systems
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for os in darwin windows freebsd; do echo "GOOS=$$os go vet ./..."; GOOS=$$os $(GO) vet ./... && GOOS=$$os $(GO) build -o /dev/null ./cmd/pmtu || exit 1; done

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ (default 10000x, that many executions; a time such as 1m works too)
	@.ci/fuzz $(FUZZ)

.PHONY: bench
bench: ## the benchmarks, printed and kept in results/
	@.ci/bench results/$(DATE)-bench

.PHONY: bench-router
bench-router: ## packets per second of each datapath beside kernel forwarding, printed and kept in results/ (root; takes both CPUs for some minutes)
	@.ci/bench-router results/$(DATE)-router

.PHONY: bench-fleet
bench-fleet: ## what the queue of surveys carries beside what a survey needs, printed and kept in results/
	@.ci/bench-fleet results/$(DATE)-fleet

.PHONY: sim
sim: ## the search and detector tables, printed and kept in results/; PRIOR=FILE adds a measured prior
	$(GO) run ./internal/pathsim/cmd/sim -out results/$(DATE)-sim $(if $(PRIOR),-prior $(PRIOR))

.PHONY: compare
compare: ## ways of path MTU discovery over one set of networks, printed and kept in results/ (root)
	$(GO) run ./cmd/pmtu lab compare --out results/$(DATE)-compare

.PHONY: survey-score
survey-score: ## survey a simulated Internet of 100 000 hosts a family, and score it against its truth (root; scamper)
	$(GO) run ./cmd/pmtu lab internet score -n 100000 --rate 25000 --sample 150 --memory --rates --out results/$(DATE)-survey

.PHONY: sidebyside
sidebyside: ## this library, quic-go and ngtcp2 on the same paths, printed and kept in results/ (root; Debian's ngtcp2-client)
	$(GO) run ./docs/examples/cmd/sidebyside -out results/$(DATE)-embed

.PHONY: versus
versus: ## pmtu, scamper, tracepath and nmap on the same networks, printed and kept in results/ (root; `make packages`; half an hour)
	$(GO) run ./internal/netlab/versus/cmd/versus -jobs 6 -out results/$(DATE)-versus

.PHONY: pictures
pictures: build ## the pictures of docs/report.md (root)
	bin/pmtu lab internet targets -n 3000 > bin/pictures.list
	bin/pmtu lab internet run -- bin/pmtu survey --lab --no-attribution --rate 3000 --net-rate 0 --seed 1 --vantage lab -i bin/pictures.list | bin/pmtu report --plots bin/pictures >/dev/null
	cp bin/pictures/coverage.svg bin/pictures/ptb.svg docs/pictures/

.PHONY: conformance
conformance: ## docs/conformance.md, from docs/spec and the tests that name its requirements
	$(GO) test -count=1 -run TestConformancePage ./internal/repotest -write-conformance

.PHONY: release
release: ## dist/: the program for Linux with manual and completions, bills of materials, checksums; of the commit at HEAD; VERSION=v0.1.0
	@.ci/release "$(VERSION)" dist

.PHONY: release-check
release-check: ## build the release twice in different folders, and compare the bytes; VERSION=v0.1.0
	@.ci/release-check $(VERSION)
