# Everything that is done with this project, by name. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Profile of `make run`: release is what you would run; `make run PROFILE=dev` builds in half the time.
PROFILE ?= release
# Where the page and the API of `make run` are, and where its state is kept.
LISTEN ?= 127.0.0.1:8080
DATA ?= data
# Debian packages and crates are installed by `make test` where they are missing and it may (root); see scripts/need.
NEED := scripts/need

CARGO_DENY_VERSION := 0.20.2
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BUILT := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

UI_SOURCES := $(shell find ui -type f -not -path 'ui/node_modules/*' -not -path 'ui/dist/*' -not -path 'ui/e2e/*' 2>/dev/null)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

# ---- try it out --------------------------------------------------------------------------------------------------------------------

.PHONY: run
run: ## build all, start 9volt with configs/demo and the things that it checks; ctrl-c stops all
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory ui; else echo "npm is not here: the page will say how to build it"; fi
	NINEVOLT_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) cargo build --locked --profile $(PROFILE) --bin 9volt --example targets
	@DATA=$(DATA) LISTEN=$(LISTEN) scripts/demo $(BUILT)

.PHONY: kill-tcp kill-http kill-dns start-tcp start-http start-dns
kill-tcp kill-http kill-dns: kill-%: ## stop a target of `make run` (kill-tcp, kill-http, kill-dns) and watch the alert
	@DATA=$(DATA) scripts/demo-target kill $*
start-tcp start-http start-dns: start-%: ## bring it back (start-tcp, start-http, start-dns) and watch the resolve
	@DATA=$(DATA) scripts/demo-target start $* $(BUILT)

# ---- check -------------------------------------------------------------------------------------------------------------------------

.PHONY: test
test: ## every check there is: what CI runs
	$(MAKE) fmt-check
	$(MAKE) test-ui
	$(MAKE) lint
	$(MAKE) test-rust
	$(MAKE) doc
	$(MAKE) deny
	$(MAKE) test-page

.PHONY: fmt-check
fmt-check: ## the code is formatted
	cargo fmt --all --check

.PHONY: lint
lint: ## clippy, warnings denied
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: doc
doc: ## the documentation builds, warnings denied
	@# Private items are documented too, so links to them lead somewhere.
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items

.PHONY: test-rust
test-rust: ## unit, contract and end-to-end tests, some of them against real etcd
	$(NEED) etcd etcd-server
	$(NEED) etcdctl etcd-client
	$(NEED) ip iproute2
	$(NEED) iptables iptables
	$(NEED) faketime faketime
	$(NEED) snmptrapd snmptrapd
	$(NEED) snmptranslate snmp
	@# Tests of real processes wait for these most of the time.
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test --locked

.PHONY: test-ui
test-ui: ui/node_modules/.installed ## type-check, lint, unit tests and build of the page
	npm --prefix ui test
	@touch ui/dist/index.html

.PHONY: test-page
test-page: ui ## browser tests of the page against the real server
	$(NEED) $${CHROMIUM:-chromium} chromium
	cargo build --locked --bin 9volt --example targets
	scripts/e2e $(TARGET_DIR)/debug

.PHONY: deny
deny: ## licences, bans and sources of all dependencies
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny --version $(CARGO_DENY_VERSION)
	cargo deny --locked check --hide-inclusion-graph licenses bans sources

.PHONY: soak
soak: ## many more schedules of faults in simulation, and larger models; SCHEDULES=10000 says how many
	NINEVOLT_SOAK=$(or $(SCHEDULES),5000) NINEVOLT_STORM=$(or $(SCHEDULES),5000) cargo test --locked --release --lib -- --include-ignored soak the_same_with_larger_bounds

.PHONY: bench
bench: ## the numbers of docs/benchmarks.md
	cargo bench --locked --bench bench

# ---- build -------------------------------------------------------------------------------------------------------------------------

.PHONY: ui
ui: ui/dist/index.html ## build the page; the binary embeds it

ui/dist/index.html: ui/node_modules/.installed $(UI_SOURCES)
	npm --prefix ui run build
	@touch $@
	@# The page is embedded when this file is compiled; cargo does not see a new file in ui/dist by itself.
	@if [ -f src/api/ui.rs ]; then touch src/api/ui.rs; fi

ui/node_modules/.installed: ui/package.json ui/package-lock.json
	$(NEED) npm nodejs npm
	scripts/npm-ci ui
	@touch $@

.PHONY: fmt
fmt: ui/node_modules/.installed ## format everything
	cargo fmt --all
	cd ui && npx biome check --write .

.PHONY: bless
bless: ## rewrite the files that are made by the program: docs/reference.md, configs/kinds/ and snapshots
	NINEVOLT_BLESS=1 cargo test --locked --test it

.PHONY: clean
clean: ## remove everything that was built; state in data/ stays
	cargo clean
	rm -rf ui/node_modules ui/dist ui/e2e/shots
