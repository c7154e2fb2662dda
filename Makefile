# book · test · lab · clean: each makes .venv itself when it is missing.
PYTHON ?= python3
BACKEND ?= tensorflow
URL ?=
TESTS ?=
JOBS ?= 2
CHAPTER ?=

VENV := .venv
BIN := $(VENV)/bin
export KERAS_BACKEND := $(BACKEND)
export TF_CPP_MIN_LOG_LEVEL ?= 3

ifeq ($(filter $(BACKEND),tensorflow jax torch),)
$(error BACKEND is "$(BACKEND)"; give tensorflow, jax or torch)
endif

.PHONY: help book site test test-install lab lint links notebooks repository clean clean-all mutants
help:
	@echo "make book    build the website, executing every chapter that changed"
	@echo "make test    run every test and every notebook   (BACKEND=jax or torch for another backend)"
	@echo "make lab     open JupyterLab on the chapters"
	@echo "make clean   remove what was built (clean-all: the environment too)"

# The stamp carries the backend: asking for another one installs it, asking again does nothing.
STAMP := $(VENV)/.installed-$(BACKEND)
$(STAMP): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or later is needed; $(PYTHON) is {v[0]}.{v[1]}: call make PYTHON=python3.11")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable ".$(if $(filter tensorflow,$(BACKEND)),,[$(BACKEND)])"
	@touch $@

book: $(STAMP)
	$(BIN)/python tools/build_book.py --jobs $(JOBS)

site: $(STAMP)
	$(BIN)/python tools/build_book.py --execute off --output _build/unexecuted

# Notebooks and unit tests side by side, one file a process; then the site, which shows the notebooks
# that have just run.
test: $(STAMP)
ifeq ($(TESTS),)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore tests/test_site.py --ignore tests/test_launch.py
	$(BIN)/python -m pytest tests/test_site.py tests/test_launch.py
else
	$(BIN)/python -m pytest $(TESTS)
endif

test-install: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup tests/install

lab: $(STAMP)
	$(BIN)/jupyter lab --notebook-dir=. chapters

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

links: $(STAMP)
	$(BIN)/python tools/build_book.py --execute off --builder linkcheck --output _build/links

# The chapters in plain Markdown, as Colab, Kaggle and GitHub read it.
notebooks: $(STAMP)
	$(BIN)/python tools/notebooks.py

# Mistakes made on purpose: which of them do the checks refuse? CHAPTER=slug for one chapter.
mutants: $(STAMP)
	$(BIN)/python -m tools.mutants --jobs $(JOBS) $(CHAPTER)

repository: $(STAMP)
	$(BIN)/python tools/repository.py "$(URL)"

clean:
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache

clean-all: clean
	rm -rf $(VENV)
