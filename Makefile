# make help lists the targets. Everything is built below build/, by the presets of
# CMakePresets.json; nothing outside this folder changes, but for the Debian packages that
# scripts/setup installs when they are missing.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## install what is missing, build, and run the 50 sample images into results/
	@$(MAKE) build/release/ninja TARGETS=pomona
	@build/release/pomona run samples/fruits results

test: setup-test ## build, and run every test
	@$(MAKE) build/release/ninja
	@ctest --preset release -j $(JOBS)

test-quantize: setup-quantize ## build, and test making an int8 model with NNCF (large)
	@$(MAKE) build/release/ninja
	@ctest --preset release -R quantize

build: setup-test ## build everything, tests too, in build/release
	@$(MAKE) build/release/ninja

bench: setup-bench ## measure speed and memory against other tools; writes bench/README.md
	@$(MAKE) build/bench/ninja
	@.venv-bench/bin/python bench/run.py --build build/bench

bench-check: setup-bench ## fail if this checkout is slower than the commit it started from (or BASE=...)
	@$(MAKE) build/bench/ninja
	@.venv-bench/bin/python bench/check.py --build build/bench $(if $(BASE),--base $(BASE))

lint: setup-lint ## check format, includes between rooms, and clang-tidy (FILES=... for some)
	@$(MAKE) build/release/build.ninja
	@scripts/lint $(FILES)

format: setup-lint ## rewrite the C++ sources in the house's format
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

asan: setup-test ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) build/asan/ninja
	@ctest --preset asan -j $(JOBS)

tsan: setup-test ## unit tests under ThreadSanitizer
	@$(MAKE) build/tsan/ninja
	@ctest --preset tsan -j $(JOBS)

coverage: setup-coverage ## which lines the tests run: build/coverage/report/index.html
	@$(MAKE) build/coverage/ninja
	@ctest --preset coverage -j $(JOBS)
	@mkdir -p build/coverage/report
	@gcovr --root . --filter src/ --exclude '.*_(test|bench)\.cc' --print-summary \
	  --html-details build/coverage/report/index.html build/coverage

fuzz: setup-fuzz ## run every fuzz target for FUZZ_SECONDS (60) each
	@$(MAKE) build/fuzz/ninja TARGETS=fuzz/all
	@scripts/fuzz $(FUZZ_SECONDS)

install: build ## install to PREFIX (/usr/local): command, libraries, headers, CMake package
	@cmake --install build/release --prefix $(PREFIX)

clean: ## remove build/ (results/ and .venv stay)
	rm -rf build

setup:
	@scripts/setup
setup-bench:
	@scripts/setup bench quantize
setup-quantize:
	@scripts/setup test quantize
setup-lint:
	@scripts/setup test lint
setup-fuzz:
	@scripts/setup fuzz
setup-test:
	@scripts/setup test
setup-coverage:
	@scripts/setup test coverage

# Configures once, or again when the presets change; ninja follows every other file itself.
build/%/build.ninja: CMakePresets.json
	@cmake --preset $* --log-level=WARNING
	@touch $@
build/%/ninja: build/%/build.ninja
	@cmake --build --preset $* --parallel $(JOBS) $(addprefix --target ,$(TARGETS))

.PRECIOUS: build/%/build.ninja
.PHONY: help demo test test-quantize build bench bench-check lint format asan tsan coverage fuzz \
  install clean setup setup-bench setup-quantize setup-lint setup-fuzz setup-test setup-coverage
