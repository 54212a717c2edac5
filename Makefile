# What a person or CI types. Everything here works on a new Debian machine that has Swift, make and nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

# The one list of Debian packages: C libraries, the servers that the demo and the tests start privately, and tools of `check`.
PACKAGES := pkg-config libpq-dev libnats-dev libssl-dev libmicrohttpd-dev libyaml-dev libxxhash-dev \
            nats-server postgresql postgresql-client
# systemd brings systemd-analyze, which reads the unit files, and libfaketime a clock that jumps; without them those tests
# skip and say so.
CHECK_PACKAGES := $(PACKAGES) systemd libfaketime

# How long the demo runs, in seconds; 0 = until Ctrl-C.
DEMO_SECONDS ?= 60

# How long the soak runs, in seconds; `SEED=` repeats the faults of another run.
SOAK_SECONDS ?= 600

# What `make bench` takes from its environment, or from `make bench BENCH_ROUNDS=1`; all others as docs/benchmarks.md says.
BENCH_ROUNDS ?= 5
export BENCH_ROUNDS

# How long `make fuzz` runs, in seconds; `check` runs it for a tenth of a minute.
FUZZ_SECONDS ?= 300
FUZZ_DATA := $(or $(THERMOCLINE_TEST_DATA),../shared/data)/real/hostile.jsonl

# Each sanitizer builds apart, or every run would rebuild everything.
# Neither is asked of the project's text, nor the first of what never shares anything between threads.
TSAN := --sanitize=thread --scratch-path .build/tsan --skip 'TidyTests|RecordsTests|DigestTests|ConfigurationTests'
ASAN := --sanitize=address --scratch-path .build/asan --skip TidyTests
# As many tests at once as a small machine has cores: each starts servers of its own.
TEST := SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=2 swift test --disable-xctest
FAST := THERMOCLINE_SKIP_SLOW=1 LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leaks.supp:print_suppressions=0

# $(call phase,name,command): runs the command and says how long it took.
phase = echo "== $(1)"; started=$$SECONDS; $(2); echo "== $(1): $$((SECONDS - started)) s"
# $(call install,packages): installs those that are missing, and only those.
install = missing=""; \
	for package in $(1); do \
	    dpkg-query -W -f='$${db:Status-Abbrev}' $$package 2>/dev/null | grep -q '^ii' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	    root=""; [ "$$(id -u)" = 0 ] || root="sudo"; \
	    if ! command -v apt-get >/dev/null || { [ -n "$$root" ] && ! command -v sudo >/dev/null; }; then \
	        echo "make: these Debian packages are missing, and this needs root and apt to install them:$$missing" >&2; \
	        exit 1; \
	    fi; \
	    echo "== installing:$$missing"; \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update; \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 \
	        install --no-install-recommends $$missing </dev/null >/dev/null; \
	fi

.PHONY: build demo bench bench-docs test soak check format deps fuzz check-deps

build: deps
	@swift build

## The whole product on a simulated market, with servers of its own that are gone at the end.
demo: deps
	@swift build -c release --product thermocline
	@.build/release/thermocline demo --seconds $(DEMO_SECONDS)

## Bounds, the product and its peers, measured; see docs/benchmarks.md for what can be set. About 25 minutes.
bench: deps
	@swift build -c release --product thermocline
	@swift build -c release --product bench
	@.build/release/bench

## Writes the figures of the last run into the document.
bench-docs:
	@.build/release/bench --markdown docs/benchmarks.md

test: deps
	@$(TEST)

## Random faults at 5,000 messages a second, then every message is looked for; `make test` does it for 60 s.
soak: deps
	@SOAK_SECONDS=$(SOAK_SECONDS) $(TEST) --filter SoakTests

## The decoder under libFuzzer, from the hostile messages where they are: it never traps, hangs or grows beyond its limits.
# One line of swiftc and no target: a package that links one would not build without the sanitizer. What is found is kept
# in .build/fuzz as an input to give to .build/fuzz/decoder alone.
fuzz:
	@ls $$(dirname $$(readlink -f $$(command -v swiftc)))/../lib/clang/*/lib/*/libclang_rt.fuzzer[-.]* >/dev/null 2>&1 || { \
	    echo "make: this Swift toolchain has no libFuzzer runtime (libclang_rt.fuzzer); nothing was fuzzed" >&2; exit 1; }
	@mkdir -p .build/fuzz
	@swiftc -O -g -parse-as-library -swift-version 6 -sanitize=fuzzer -package-name thermocline \
	    Sources/Records/*.swift Tests/Fuzz/*.swift -o .build/fuzz/decoder
	@corpus=$$(mktemp -d); trap 'rm -rf "$$corpus"' EXIT; \
	if [ -r "$(FUZZ_DATA)" ]; then export FUZZ_CASES="$(FUZZ_DATA)"; \
	else echo "no $(FUZZ_DATA): fuzzing without the hostile messages"; fi; \
	FUZZ_CORPUS="$$corpus" .build/fuzz/decoder -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 \
	    -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 -verbosity=0 -artifact_prefix=.build/fuzz/ "$$corpus"

## The gate: format, warnings and imports, tests, some seconds of fuzzing, the tests under two sanitizers without the slow ones.
check: check-deps
	@$(call phase,format,swift format lint --strict -r Sources Tests Benchmarks Package.swift)
	@$(call phase,build and imports,swift build --explicit-target-dependency-import-check error)
	@$(call phase,tests,$(MAKE) --no-print-directory test)
	@$(call phase,fuzz,$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=6)
	@$(call phase,thread sanitizer,$(FAST) $(TEST) $(TSAN))
	@$(call phase,address sanitizer and leaks,$(FAST) $(TEST) $(ASAN))

format:
	@swift format -i -r Sources Tests Benchmarks Package.swift

deps:
	@$(call install,$(PACKAGES))

check-deps:
	@$(call install,$(CHECK_PACKAGES))
