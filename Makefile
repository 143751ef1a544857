# Everything a developer does. Each target sets up what it needs; a fresh machine needs only Python 3.11 or newer (with venv), pip and make.
# make test EXTRAS=test,oracle also installs what is compiled against MIT krb5 (libkrb5-dev, gcc); without it the tests that compare with MIT krb5 are skipped.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS ?= test
STAMP  := $(VENV)/.installed-$(EXTRAS)
LAB_OUT ?= sample_pcaps
SAMPLE := sample_pcaps/badproxy-close-after-200/capture.pcap

SITE ?= build/site
MAN ?= build/man

.PHONY: lock audit sbom sdist offline fuzz asan site man demo quick test lint types check mutants accuracy bench docs notebooks lab setup clean hostile
.DEFAULT_GOAL := check

demo: $(STAMP)   ## analyze a sample capture: a proxy that closes the connection right after the logon
	@$(BIN)/winrm-analyzer analyze $(SAMPLE)

WORKERS ?= auto
TESTS ?= tests

test: $(STAMP)   ## run the tests, with one process for each core (WORKERS=0: in this one; TESTS=FOLDER: some)
	@echo "Running the tests in $(TESTS): all of them take 15 to 20 minutes on two cores; make quick runs those of a first change in under 2." >&2
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

QUICK ?= tests/architecture tests/rules $(addprefix tests/unit/,auth capture formats http proxy psrp sealing story transport wsman)

quick: $(STAMP)   ## the tests of a first change, in under two minutes: architecture, rules, stages
	$(BIN)/python -m pytest -n $(WORKERS) -q -m "not slow" $(QUICK)

lint: $(STAMP)   ## ruff, all rules
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

check: lint types test

MUTANTS ?= --number 40 --seed 1

mutants: $(STAMP)   ## are changes at edges noticed? 40 mutants of rules, schemes and capture (an hour; MUTANTS="--number 10 --seed 2 --near-only")
	$(BIN)/python -m tests.mutants.run --workers 2 $(MUTANTS)

hostile: $(STAMP)   ## captures that are built to cost time or memory, through the whole command, and every pattern pumped with its own pieces
	WINRM_HOSTILE=1 $(BIN)/python -m pytest -q tests/hostile

SECONDS ?= 240
FUZZ ?=

fuzz: $(STAMP)   ## fuzz each reader by coverage for SECONDS (240), one after the other (FUZZ="xml tls": only these); then 1,000 damaged captures through the command
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(FUZZ)
	$(BIN)/python -m tests.fuzz.command 1000 --built 100

ASAN := build/asan
ASAN_CAPTURES ?= 3000

asan: $(STAMP)   ## the compiled modules under AddressSanitizer, over 3,000 damaged captures (ASAN_CAPTURES)
	rm -rf $(ASAN) && mkdir -p $(ASAN)
	CFLAGS="-fsanitize=address -fno-omit-frame-pointer -g -O1" LDFLAGS=-fsanitize=address REQUIRE_COMPILED=1 \
		$(BIN)/python setup.py --quiet build --build-base $(ASAN)/work --build-lib $(ASAN)/lib
	cd $(ASAN)/lib && ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=99 PYTHONMALLOC=malloc LD_PRELOAD=$$(gcc -print-file-name=libasan.so) \
		PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/python -m tests.fuzz.asan $(ASAN_CAPTURES)

accuracy: $(STAMP)   ## precision and recall over all samples, also into docs/accuracy.md
	$(BIN)/python -m tests.golden.accuracy

BENCH_IN ?= /tmp/winrm-analyzer-bench
BENCH ?= --large

bench: $(STAMP)   ## speed and memory against peers (an hour, 45 GB of disk; BENCH= for 4 GB): prints the tables, also into docs/performance.md
	$(BIN)/python -m benchmarks.bench $(BENCH_IN) $(BENCH)

docs: $(STAMP)   ## fill what the documents show of the program again
	$(BIN)/python docs/refresh.py

site:   ## the manual as a searchable site, in build/site
	$(MAKE) setup EXTRAS=docs
	$(BIN)/sphinx-build -q -W -b html docs $(SITE)
	cp $(SITE)/site.html $(SITE)/index.html

man:    ## man pages of the commands, in build/man
	$(MAKE) setup EXTRAS=docs
	$(BIN)/python docs/man.py $(MAN)

notebooks: $(STAMP)   ## run every notebook and write its outputs
	$(BIN)/python notebooks/run.py

lock:  ## write .ci/requirements.txt again, with hashes (uv)
	uv pip compile pyproject.toml --extra test --extra docs --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -o .ci/requirements.txt

audit: ## known weaknesses of what the lock names; asks a database on the network (pip-audit)
	pip-audit -r .ci/requirements.txt --disable-pip --require-hashes

sbom:  ## a bill of materials: build/sbom.json, CycloneDX (cyclonedx-bom)
	mkdir -p build
	cyclonedx-py requirements .ci/requirements.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.json

sdist: ## a source archive with tests and samples (build)
	$(PYTHON) -m build --sdist

offline: $(STAMP)  ## the quick tests without any network (Linux, root)
	unshare -n $(MAKE) quick

lab:   ## make every sample again (root, Debian): into sample_pcaps, or make lab LAB_OUT=FOLDER
	PYTHON=$(PYTHON) lab/setup.sh $(LAB_OUT)

setup: $(STAMP)

COMPILED := $(addprefix analyzer/,capture/table capture/verdicts capture/flows capture/kernel formats/lz77 formats/reader http/walk psrp/strings transport/columns wsman/marks \
	transport/plain wsman/ordinary wsman/shapes)

$(STAMP): pyproject.toml setup.py $(COMPILED:=.py) $(COMPILED:=.pxd) analyzer/capture/bits.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "winrm-analyzer needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@began=$$(date +%s); \
	echo "Installing winrm-analyzer into $(VENV), with its libraries from the package index and its kernel compiled where there is a C compiler: 1 to 4 minutes the first time (two cores), 1 minute after a change." >&2; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || exit 1; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]' || exit 1; \
	echo "Installed in $$(( $$(date +%s) - began )) seconds." >&2
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
