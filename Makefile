# manager: build, check, test and measure. "make help" describes the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

GO ?= go
TAGS := containers_image_openpgp exclude_graphdriver_btrfs
MODULE := github.com/manager-project/manager
PREFIX ?= /usr/local
DESTDIR ?=
# What "make fuzz" spends on each target.
FUZZTIME ?= 20s
# How long "make soak" mixes commands.
SOAK ?= 10m

# The tests that "make soak" runs, longer or with more cases than "make test".
SOAKED := Mix|AnyTime|FiveHundred|ManyExecs|TestFlat|EachPoint|CleanUpKilled|TestRace|HostileS14|TestFlood

export CGO_ENABLED := 0

COMMIT := $(shell git rev-parse HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || echo -dirty)
# The commit's time, not the wall clock: equal sources build equal programs.
COMMIT_TIME := $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
LDFLAGS := -s -w -X $(MODULE)/internal/version.GitCommit=$(COMMIT) -X $(MODULE)/internal/version.BuildTime=$(COMMIT_TIME)
GOBUILD = $(GO) build -trimpath -tags "$(TAGS)" -ldflags "$(LDFLAGS)"
GOTEST = $(GO) test -tags "$(TAGS)"
TOOL = $(GO) tool -modfile=tools/go.mod
# The tests of other worlds: a virtual machine, a bare cgroup hierarchy. RUN=TestX picks tests, LANE=v2 lanes.
VM = $(GO) run -tags "$(TAGS)" ./test/vm
TESTSUM = MANAGER_BIN=$(CURDIR)/bin $(GO) run -tags "$(TAGS)" ./internal/testsum
# Everything but the end-to-end, conformance and benchmark programs.
UNIT = $$($(GO) list -tags "$(TAGS)" ./... | grep -v '^$(MODULE)/test/')

.PHONY: help
help: ## describe the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: toolchain
toolchain:
	@hack/go-version.sh

.PHONY: build
build: toolchain ## build bin/manager, bin/manager-runtime, bin/manager-monitor and bin/manager-full-ID, all static
	@hack/deps.sh build
	$(GO) run ./internal/genembed -full "$(LDFLAGS)"
	$(GOBUILD) -o bin/manager-monitor ./cmd/manager-monitor
	$(GOBUILD) -o bin/manager-runtime ./cmd/manager-runtime
	$(GO) build -trimpath -tags "$(TAGS) lean" -ldflags "$(LDFLAGS)" -o bin/manager ./cmd/manager
	@# The linker writes through a mapping, page by page, and so they stay in the page cache. What is written in one go, as by an
	@# installation, is there in large folios: each command maps and unmaps these in a millisecond less.
	@for p in bin/manager-full-* bin/manager-monitor bin/manager-runtime bin/manager; do cp -p $$p bin/.copy && mv -f bin/.copy $$p; done

.PHONY: install
install: build ## install below DESTDIR/PREFIX: bin, libexec/manager, manual pages, completions, units
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/manager $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 bin/manager $(DESTDIR)$(PREFIX)/bin/manager
	install -m 755 bin/manager-runtime bin/manager-monitor bin/manager-full-* $(DESTDIR)$(PREFIX)/libexec/manager/
	install -m 755 internal/embedded/assets/manager-monitor \
		$(DESTDIR)$(PREFIX)/libexec/manager/manager-monitor-$$(cat internal/embedded/assets/manager-monitor.id)
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/user
	install -m 644 contrib/systemd/manager-restart.service $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -m 644 contrib/systemd/manager-restart.service $(DESTDIR)$(PREFIX)/lib/systemd/user/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 644 completions/manager.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/manager
	install -m 644 completions/_manager $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_manager
	install -m 644 completions/manager.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/manager.fish

.PHONY: demo
demo: build ## show the life of a container step by step, in a private store, leaving nothing
	@hack/demo.sh

.PHONY: check
check: toolchain vet lint ## vet, lint, the import law and the unit tests
	@hack/assets.sh
	$(GOTEST) -short $(UNIT)

.PHONY: vet
vet: toolchain
	@hack/assets.sh
	$(GO) vet -tags "$(TAGS)" ./...

.PHONY: lint
lint: toolchain ## formatting, staticcheck, errorlint, exhaustive, nilerr, revive (doc comments)
	@hack/assets.sh
	hack/lint.sh

.PHONY: test
test: build ## everything: unit and end-to-end tests, here and in the machine, with the sum of passes, failures and skips
	@hack/deps.sh test vm
	$(TESTSUM) bash -c '$(GOTEST) -json -count=1 -timeout 25m ./...; code=$$?; $(VM) && exit $$code'

.PHONY: vm-test
vm-test: build ## the tests of other worlds: a virtual machine with systemd and SELinux, a bare hierarchy; RUN=TestX LANE=v2 pick
	@hack/deps.sh vm
	$(TESTSUM) $(VM) -run '$(RUN)' -lanes '$(LANE)'

.PHONY: vm-shell
vm-shell: build ## a root shell in that machine; APPEND="security=selinux selinux=1" adds to its kernel's command line
	@hack/deps.sh vm
	MANAGER_BIN=$(CURDIR)/bin $(VM) -shell $(APPEND)

.PHONY: e2e
e2e: build ## the end-to-end scripts only; RUN=container/run picks by name
	@hack/deps.sh test
	$(TESTSUM) $(GOTEST) -json -count=1 -timeout 25m -run 'TestScripts/$(RUN)' ./test/e2e

.PHONY: bench
bench: build ## compare with podman, docker, crun and runc; appends to docs/benchmarks.md
	@hack/deps.sh bench || echo "bench: absent peers are reported as missing"
	$(GO) run -tags "$(TAGS)" ./test/bench -bin $(CURDIR)/bin -history docs/benchmarks.md

.PHONY: fuzz
fuzz: toolchain ## run every fuzz target for FUZZTIME
	@hack/assets.sh
	hack/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: build ## random commands, kills and races for SOAK (10m; SOAK=1h) each, every fault at every point, 20 power cuts
	@hack/deps.sh test vm
	MANAGER_SOAK=$(SOAK) $(TESTSUM) bash -c '$(GOTEST) -json -count=1 -timeout 360m -run "$(SOAKED)" ./test/crash ./test/e2e; code=$$?; \
		$(VM) -lanes powercut -cuts 20 && exit $$code'

.PHONY: docs
docs: ## regenerate manual pages, reference pages and completions from the commands
	$(GO) run -tags "$(TAGS)" ./internal/gendocs

.PHONY: clean
clean: ## remove what was built and the cached test images
	rm -rf bin .cache
	find internal/embedded/assets internal/embedded/full -type f ! -name README ! -name .gitignore -delete
