# What a person types. Each target works from a clean clone on Debian 12 with Rust installed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
LISTEN ?= 127.0.0.1:1344
ADMIN ?= 127.0.0.1:9344
TIERS ?= 2x3
TARGET := $(or $(CARGO_TARGET_DIR),target)

# To build: the compiler that C dependencies need, and libclamav for the one program that links it.
BUILD_PACKAGES := build-essential pkg-config libclamav-dev
# To test as well: the peers that the end-to-end tests talk to.
TEST_PACKAGES := age bzip2 xz-utils squid-openssl c-icap chromium clamav clamav-testfiles clamav-daemon redis-server redis-sentinel haproxy openssl minisign docker-registry skopeo
# To measure: what it is compared with.
BENCH_PACKAGES := c-icap libc-icap-mod-virus-scan libc-icap-mod-urlcheck clamav clamav-daemon

# $(call install,PACKAGES): installs those that are missing; asks the archive only then.
# RUNLEVEL keeps packages of servers from starting one where there is no systemd.
define install
missing=(); \
for package in $(1); do \
	dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$$package"); \
done; \
if (( $${#missing[@]} )); then \
	if (( $$(id -u) == 0 )); then become=(); \
	elif command -v sudo >/dev/null; then become=(sudo); \
	else echo "make: cannot install $${missing[*]}: neither root nor sudo; have an administrator run: apt-get install --no-install-recommends $${missing[*]}" >&2; exit 1; \
	fi; \
	echo "installing $${missing[*]}"; \
	"$${become[@]}" apt-get update -qq; \
	"$${become[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
fi
endef

# $(call unstarted,PACKAGE,UNIT): the same for a server that systemd, where there is one, would start.
define unstarted
if [[ -d /run/systemd/system ]] && ! dpkg-query -W -f '$${Status}' $(1) 2>/dev/null | grep -q 'ok installed'; then \
	if (( $$(id -u) == 0 )); then unit=(systemctl); elif command -v sudo >/dev/null; then unit=(sudo systemctl); else unit=(true); fi; \
	"$${unit[@]}" mask --runtime --quiet $(2); \
	trap '"$${unit[@]}" unmask --runtime --quiet $(2)' EXIT; \
fi; \
$(call install,$(1))
endef

.PHONY: help
help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: toolchain
toolchain:
	@command -v $(CARGO) >/dev/null || { echo "make: $(CARGO) is missing; install Rust, see https://rustup.rs" >&2; exit 1; }

.PHONY: setup
setup: toolchain ## Installs the Debian packages that building needs, where missing.
	@$(call install,$(BUILD_PACKAGES))

.PHONY: setup-test
setup-test: setup setup-kube ## Installs and builds what the tests need, where missing.
	@$(call install,$(TEST_PACKAGES))

.PHONY: setup-kube
setup-kube: ## Builds kube-apiserver for the tests (with Go; once), and installs etcd; nothing where KUBECONFIG is set.
ifeq ($(strip $(KUBECONFIG)),)
	@$(call unstarted,etcd-server,etcd.service)
endif
	@tests/kube/build

.PHONY: build
build: setup ## Builds the two programs, optimised.
	$(CARGO) build --release --locked
	@echo "built $(TARGET)/release/icapstan and $(TARGET)/release/icapstan-clamav-worker"

.PHONY: run
run: build ## Builds, then serves ICAP on LISTEN (127.0.0.1:1344) in this terminal.
	$(TARGET)/release/icapstan standalone --listen $(LISTEN) --admin $(ADMIN)

.PHONY: test
test: setup-test ## Runs all tests: units, protocol, Squid, Chromium, c-icap-client, Redis, Kubernetes.
	$(CARGO) build --workspace --all-targets --locked
	@# What could not be built is left out, and each of its tests says so.
	@tests/kube/build --have || export ICAPSTAN_SKIP="$${ICAPSTAN_SKIP:+$$ICAPSTAN_SKIP,}kube"; \
	echo "$(CARGO) test --workspace --locked --no-fail-fast"; \
	$(CARGO) test --workspace --locked --no-fail-fast

.PHONY: test-tiers
test-tiers: setup-test ## Runs the end-to-end tests on TIERS (2x3) gateways and scanners with a Redis.
	$(CARGO) build --workspace --locked
	ICAPSTAN_TEST_TIERS=$(TIERS) $(CARGO) test -p icapstan-e2e --locked --no-fail-fast

.PHONY: setup-bench
setup-bench: setup
	@$(call install,$(BENCH_PACKAGES))

.PHONY: bench
bench: build setup-bench ## Measures beside c-icap and clamd (50 minutes; BENCH="--only echo" for less).
	$(CARGO) build --release --locked -p icapstan-load -p icapstan-bench
	$(TARGET)/release/icapstan-bench compare --json $(TARGET)/bench.json $(BENCH)

.PHONY: endure
endure: build ## Proves the bounds under idle, slow and hostile clients, and deaths (an hour; ENDURE="--minutes 1" for less).
	$(CARGO) build --release --locked -p icapstan-load -p icapstan-bench
	$(TARGET)/release/icapstan-bench endure --json $(TARGET)/endure.json $(ENDURE)

.PHONY: lint
lint: setup ## Checks format, lints, documentation and licences.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; \
	else echo "cargo-deny is not installed: licences and sources not checked"; fi

.PHONY: fmt
fmt: toolchain ## Formats the code.
	$(CARGO) fmt --all
