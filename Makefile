# make run     simulate, train, sample, evaluate; then write report.html
# make test    what continuous integration runs
# make test-cluster    a small study on a real Slurm (Debian, as root; installs and starts it)
# make docs    the reference of the library, from its docstrings: build/api/index.html
# make clean   remove results, logs and the report; the environment .venv stays
#
# Variables: PYTHON (3.11 or later), CORES, CONFIG (a file such as configs/*.yaml, or several).

PYTHON ?= python3
CORES ?= all
CONFIG ?= config.yaml
export CONFIG

VENV := .venv
BIN := $(VENV)/bin
SLURM := munge slurmctld slurmd slurm-client
TINY := tests/workflow/tiny.yaml
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Snakemake keeps a cache in the home folder: where there is none to write to, it is here.
ifeq ($(shell test -n "$$HOME" && test -w "$$HOME" && echo writable),)
export HOME := $(CURDIR)/.snakemake/home
endif

# Hundreds of short processes import the same modules: what one has compiled serves the others, even
# where containers tell Python to keep nothing.
unexport PYTHONDONTWRITEBYTECODE

# The files that CONFIG names, as the shell's arguments: one whose name may have spaces, or several.
FILES := if [ -e "$$CONFIG" ]; then set -- "$$CONFIG"; quote='"'; else set -- $$CONFIG; quote=; fi

.PHONY: run report test style types test-cluster docs clean

run: $(VENV)/installed
	@$(FILES); $(BIN)/python -m fsdiff.study.strict_yaml "$$@"
	@$(FILES); $(BIN)/snakemake --cores $(CORES) --report report.html --report-after-run \
	  --configfile "$$@" || { \
	  status=$$?; \
	  if [ -n "$$(ls -A .snakemake/locks 2>/dev/null)" ]; then \
	    echo "If no other run is active here, a killed run has left its lock:"; \
	    echo "remove it with '$(BIN)/snakemake --unlock --configfile $$quote$$CONFIG$$quote'," \
	      "then 'make run'."; \
	  fi; \
	  exit $$status; \
	}
	@for page in verdict posteriors; do \
	  ! grep -q results/$$page.md report.html || cat results/$$page.md; \
	done

report: $(VENV)/installed
	@$(FILES); $(BIN)/snakemake --configfile "$$@" --report report.html

# What takes one core each is done side by side.
test: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style docs
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not workflow and not cluster and not faults and not benchmarks" --numprocesses auto
	OMP_NUM_THREADS=1 $(BIN)/pytest -m benchmarks tests/benchmarks --numprocesses 2
	$(BIN)/pytest -m workflow tests/workflow --numprocesses 2 --dist loadfile
	OMP_NUM_THREADS=1 $(BIN)/pytest -m faults tests/faults --numprocesses 2

style: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile $(TINY)

types: $(VENV)/installed-dev
	$(BIN)/mypy

test-cluster: $(VENV)/installed-dev
	@PATH="$$PATH:/usr/sbin:/sbin"; \
	  command -v munged && command -v slurmctld && command -v slurmd && command -v sbatch || \
	  { apt-get update && apt-get install --yes --no-install-recommends $(SLURM); }
	$(BIN)/pytest -m cluster tests/cluster

# Modules ask the system what it is when they are imported, and a warning is a failure.
docs: $(VENV)/installed-dev
	PDOC_ALLOW_EXEC=1 OMP_NUM_THREADS=1 $(BIN)/python -W error::UserWarning \
	  -m pdoc --no-show-source --output-directory build/api fsdiff

clean:
	rm -rf results logs report.html .snakemake

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) --editable ".[dev]"
	touch $@
