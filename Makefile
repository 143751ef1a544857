# Everything a developer does. Each target sets up what it needs; a fresh machine needs only Python 3.11 or newer (with venv), pip and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SAMPLE := sample_pcaps/badproxy-close-after-200

.PHONY: demo test lint types check setup clean
.DEFAULT_GOAL := check

demo: $(STAMP)   ## analyze a sample capture: a proxy that closes the connection right after the logon
	$(BIN)/winrm-analyzer analyze $(SAMPLE)

test: $(STAMP)   ## run the tests
	$(BIN)/python -m pytest

lint: $(STAMP)   ## ruff, all rules
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

check: lint types test

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "winrm-analyzer needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
