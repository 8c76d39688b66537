# make demo and make test each do all their own set-up; see CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: bootstrap build test demo bench soak fuzz format lint clean

# Folder of Wycheproof files; set by hand, or found beside the checkout.
CONTACT_VAULT_VECTORS ?= $(wildcard $(CURDIR)/../shared/vectors/wycheproof)
ifneq ($(CONTACT_VAULT_VECTORS),)
export CONTACT_VAULT_VECTORS
endif

swift_sources := Package.swift Sources Tests

bootstrap:
	@scripts/bootstrap

build:
	@scripts/bootstrap build
	swift build

# Cheapest first: formatting, compiling, the rules of the house, the policy (alone: its random cases keep every core busy),
# what else runs in process, the client against a scripted server and the service as a child process, each alone: others'
# load would starve their clocks.
test: bootstrap lint
	swift build --build-tests
	swift test --skip-build --filter TidyTests
	swift test --skip-build --filter PurposePolicyTests
	swift test --skip-build --skip TidyTests --skip PurposePolicyTests --skip VaultClientTests --skip ServiceTests
	swift test --skip-build --filter VaultClientTests
	swift test --skip-build --filter ServiceTests

demo:
	@scripts/bootstrap build
	swift build --product contact-vault
	@scripts/demo

bench:
	@scripts/bootstrap build
	swift build -c release --product contact-vault
	swift run -c release vault-bench

# Everything that `make test` does a part of for lack of time.
soak: bootstrap
	CONTACT_VAULT_SOAK=1 swift test --filter Soak

# The parsers of what strangers send, FUZZ_SECONDS each; see docs/fuzzing.md.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/bootstrap build
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

format:
	swift format format --in-place --parallel --recursive $(swift_sources)

lint:
	swift format lint --strict --parallel --recursive $(swift_sources)

# Only what was built: var/ may hold somebody's vault.
clean:
	swift package clean
