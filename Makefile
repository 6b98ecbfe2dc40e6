# The commands that matter: `make demo`, `make quick` and `make test`. Each installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help doctor demo quick test nightly lint bench clean

TOOLS      := target/tools
DENY_VER   := 0.20.2
CARGO_DENY := $(TOOLS)/cargo-deny-$(DENY_VER)/bin/cargo-deny

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## /\t/' | expand -t 10

doctor: ## what is missing on this machine, and how to get it
	@tests/doctor

demo: ## the whole path in one process, on loopback; KEEP=DIR keeps its configuration and outputs
	@tests/run demo $(if $(KEEP),--keep $(KEEP))

quick: ## unit tests and tidy, after every edit: about 40 s on 2 cores, 30 of them Kafka tests that wait
	@tests/run quick

test: ## every tier of tests that this machine can run; the last lines say which
	@tests/run test

nightly: ## the tests with 10,000 simulated worlds, 50 SIGKILLs, 100,000 damaged documents
	@CERTRELAY_SEEDS=10000 CERTRELAY_KILLS=50 CERTRELAY_DOCUMENTS=100000 \
	  tests/run test --config profile.dev.package.certrelay.opt-level=1

lint: doctor $(CARGO_DENY) ## format, clippy, docs, dependencies, shell scripts, workflows
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	tests/lint $(CARGO_DENY)

bench: ## what docs/performance.md quotes (release build; python3, jq and valgrind to compare with)
	cargo bench --locked
	cargo bench --locked --bench decode -- --memory
	cargo bench --locked --bench decode -- --write target/bench
	cargo build --release --locked
	benches/compare target/bench/2mb
	benches/compare target/bench/delivered
	benches/callgrind

clean: ## remove everything that was built or installed here
	rm -rf target
	cargo clean

# Built once from source, without its optional features: nothing on a new machine has it.
$(CARGO_DENY): | doctor
	@echo "lint: building cargo-deny $(DENY_VER) into $(TOOLS), once (about a minute on 2 cores)"
	CARGO_TARGET_DIR=$(TOOLS)/build CARGO_PROFILE_DEV_DEBUG=0 \
	  cargo install cargo-deny --version $(DENY_VER) --locked --debug --no-default-features --root $(TOOLS)/cargo-deny-$(DENY_VER)
	@rm -rf $(TOOLS)/build
