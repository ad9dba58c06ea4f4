# Everything a fresh machine needs: Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV   ?= .venv
LOWEST ?= .venv-lowest
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-lowest lint docs bench dist clean

demo: $(STAMP)
	$(BIN)/coral demo --output runs/demo
	@echo 'Trained 12.5 times as long, beside CoMM and InfMasking: results/long/trifeature/curves.png'

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# with the minimum of every dependency but torch; what old releases use of newer ones is deprecated there
test-lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the site, in site/: open site/index.html; a broken link is an error
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# about six minutes on two idle cores; exits with 1 where a row is more than 20 % worse than its record.
# make bench BENCH='--reference COrAL --reference-data DIR' measures the authors' code beside it.
bench: $(STAMP)
	$(BIN)/python benchmarks/train_speed.py $(BENCH)

# needs about 3 GB below /tmp for two fresh environments
dist: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[release]'
	$(BIN)/python tests/release.py

$(LOWEST)/.installed: pyproject.toml setup.py constraints-lowest.txt entry_points.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[test,docs,tensorboard,multibench]'
	touch $@

$(STAMP): pyproject.toml setup.py constraints.txt entry_points.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "coral-multibench needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint,docs,tensorboard,multibench]'
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist site *.egg-info runs
