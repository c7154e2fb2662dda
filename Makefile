# book · test · lab · clean: each makes .venv itself when it is missing, with what it needs.
PYTHON ?=
BACKEND ?= tensorflow
BOUNDS ?= tested
URL ?=
TESTS ?=
JOBS ?= 2
CHAPTER ?=

VENV := $(if $(filter lowest,$(BOUNDS)),.venv-lowest,.venv)
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
export KERAS_BACKEND := $(BACKEND)
export TF_CPP_MIN_LOG_LEVEL ?= 3
# What would bring another Python's modules into ours, or make asserts vanish.
unexport PYTHONHOME PYTHONOPTIMIZE PYTHONPATH PYTHONSAFEPATH PYTHONWARNINGS __PYVENV_LAUNCHER__

ifeq ($(filter $(BACKEND),tensorflow jax torch),)
$(error BACKEND is "$(BACKEND)"; give tensorflow, jax or torch)
endif
ifeq ($(filter $(BOUNDS),tested lowest),)
$(error BOUNDS is "$(BOUNDS)"; give tested or lowest)
endif

# Any Python 3 finds the one that the environment is made with: tools/environment.py.
FINDER := $(or $(shell command -v python3 || command -v python),$(PYTHON),python3)
INSTALL = @"$(FINDER)" tools/environment.py --folder $(VENV) --python "$(PYTHON)" --backend $(BACKEND) --bounds $(BOUNDS)

.PHONY: help install book site test test-install lab lint links notebooks mutants repository clean clean-all
help:
	@echo "make book    build the website, executing every chapter that changed"
	@echo "make test    run every test and every notebook   (BACKEND=jax or torch for another backend)"
	@echo "make lab     open JupyterLab on the chapters"
	@echo "make install install all that the targets need, so that they start at once later"
	@echo "make clean   remove what was built (clean-all: the environment too)"
	@echo
	@echo "PYTHON=python3.12   make .venv with that Python: 3.11, 3.12 or 3.13"
	@echo "BOUNDS=lowest       the oldest versions of the libraries, on Python 3.11 in .venv-lowest"

# Everything at once; or one list of requirements/, such as make install-benchmarks.
install:
	$(INSTALL) run website tests lint
install-%:
	$(INSTALL) run $*

book:
	$(INSTALL) run website
	$(BIN)/python tools/build_book.py --jobs $(JOBS)

site:
	$(INSTALL) run website
	$(BIN)/python tools/build_book.py --execute off --output _build/unexecuted

# Notebooks and unit tests side by side, one file a process; then the site, which shows the notebooks
# that have just run.
test:
	$(INSTALL) run website tests
ifeq ($(TESTS),)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore tests/test_site.py --ignore tests/test_launch.py
	$(BIN)/python -m pytest tests/test_site.py tests/test_launch.py
else
	$(BIN)/python -m pytest $(TESTS)
endif

test-install:
	$(INSTALL) run website tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/install

lab:
	$(INSTALL) run
	$(BIN)/python -m jupyter lab --notebook-dir=. chapters

lint:
	$(INSTALL) lint
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/codespell

links:
	$(INSTALL) run website
	$(BIN)/python tools/build_book.py --execute off --builder linkcheck --output _build/links

# The chapters in plain Markdown, as Colab, Kaggle and GitHub read it.
notebooks:
	$(INSTALL) run website
	$(BIN)/python tools/notebooks.py

# Mistakes made on purpose: which of them do the checks refuse? CHAPTER=slug for one chapter.
mutants:
	$(INSTALL) run tests
	$(BIN)/python -m tools.mutants --jobs $(JOBS) $(CHAPTER)

repository:
	$(INSTALL) website
	$(BIN)/python tools/repository.py "$(URL)"

clean:
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache

clean-all: clean
	rm -rf .venv .venv-lowest
