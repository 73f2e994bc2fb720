# `make run` and `make test` do all the set-up themselves; `make help` lists the rest.

# In CI the build is kept between runs, outside of the checkout.
ifdef CI
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gatelodge/target
# A checkout is built once; what would make a second build of it quicker takes gigabytes.
export CARGO_INCREMENTAL := 0
endif

FUZZ_TARGETS := sdp signaling fragments fingerprint envelope message paste rendezvous
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## The tray app; without a display, the desktop in this terminal
	@scripts/prepare run
	@scripts/run

# What the windows are built from; browser/ has tests and screenshots only.
UI_SOURCES := $(shell find ui/src ui/*.html ui/*.json ui/*.js ui/*.ts -type f)

ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund --silent
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json $(UI_SOURCES)
	cd ui && npm run --silent build

.PHONY: ui
ui: ui/dist/index.html ## The windows, which the tray app is built with

.PHONY: demo
demo: ## Two peers on this machine: connect, list tools, call them, end
	@scripts/prepare build
	cargo run --quiet --locked --package mcp-webrtc --example demo

.PHONY: test
test: ## Everything that CI checks: formatting, lints, docs, all tests
	@scripts/prepare test
	tests/peers/setup
	@$(MAKE) --no-print-directory ui
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features gatelodge/manual --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --locked --quiet
	cd fuzz && cargo test --locked --lib
	cargo test --workspace --locked
	cd ui && npm ci --no-audit --no-fund --silent && npm run --silent check && npm run --silent test:browser

.PHONY: types
types: ## The interface's types anew, after a change of the desktop's
	@scripts/prepare build
	GATELODGE_RENEW_TYPES=1 cargo test --quiet --locked --package gatelodge-tests --test types

.PHONY: screenshots
screenshots: ## Pictures of every screen of the interface, into ui/screenshots
	@scripts/prepare test
	cd ui && npm ci --no-audit --no-fund --silent && npm run screenshots

.PHONY: package
package: ## The packages (.deb and .rpm) of the tray app and the command
	@scripts/prepare package
	@$(MAKE) --no-print-directory ui
	scripts/package

.PHONY: package-test
package-test: ## Installs the .deb on this system, uses it and removes it again (needs root)
	@scripts/prepare package-test
	tests/package

.PHONY: bench
bench: ## Speed, side by side with other implementations (about half an hour)
	@scripts/prepare bench
	@$(MAKE) --no-print-directory ui
	benches/run

.PHONY: fuzz
fuzz: ## Each fuzz target for a minute (needs a nightly Rust)
	@scripts/prepare build
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target; \
		dictionary=fuzz/dictionaries/$$target.dict; \
		cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=10 \
			$$([ -f $$dictionary ] && echo -dict=$$dictionary) || exit 1; \
	done

.PHONY: deny
deny: ## Licences, sources and duplicates of the dependencies
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny check bans licenses sources
