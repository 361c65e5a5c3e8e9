"""What is done to Snakemake itself, whose methods here are not all public: all of it is in this file.

Its release is bounded in pyproject.toml, and tests/workflow shows that each of these has its effect.
"""

import gc
import inspect
import math
import os
import shlex
import sys
import time

from snakemake.io import IOFile

from fsdiff.jobs.lineage import wherever

# What is imported, and the plan of a study, are millions of objects that stay until the end. To
# look through them for garbage again and again is a sixth of the time to plan. Garbage is collected
# again from the start of the first job on, see `collect_garbage`.
if MAIN:
    gc.disable()

# Snakemake puts the path of Python into commands of the shell as it is, spaces and quotes included.
if os.path.exists(sys.executable):
    sys.executable = shlex.quote(sys.executable)


def collect_garbage():
    """Collect what becomes garbage from now on; what is planned stays until the end."""
    gc.freeze()
    gc.enable()


def with_signature(function):
    """Keep a function's signature with it: Snakemake looks it up twice for each job."""
    function.__signature__ = inspect.signature(function)
    return function


class Parameter(dict):
    """A rule's parameter, which Snakemake compares as text: where files are has no part in it.

    The report has the text in a script, which ``</script>`` must not end.
    """

    def __repr__(self):
        return repr(wherever(self)).replace("<", r"\x3c")

    def __reduce__(self):
        return dict, (dict(self),)  # jobs do not know this class


def schedule_once(scheduler):
    """Let Snakemake plan a look for jobs to start only where none is planned.

    After every look it plans the next, a second later. Every job that ends makes it look, too, and
    so leaves one more look in every second behind: after 70 jobs of a study of 250, these took 40 %
    of a core.
    """
    plan = getattr(scheduler, "_schedule_reevalutation", None)
    if plan is None:
        return
    due = 0.0

    def plan_one(delay):
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + delay
            plan(delay)

    scheduler._schedule_reevalutation = plan_one


def after_preparation(workflow, function):
    """Call a function once, after records are at hand and before it is decided what must run."""
    prepare = workflow._prepare_dag

    def prepared(*args, **kwargs):
        prepare(*args, **kwargs)
        function(workflow)

    workflow._prepare_dag = prepared


def time_of_record(persistence, path):
    """When Snakemake wrote its record of a file; None where it has none. None of them is read."""
    where = getattr(persistence, "_record_path", None)
    if where is None:  # records are in a data base
        known = persistence.metadata(IOFile(path)) is not None
        return math.inf if known else None
    try:
        return os.stat(where(persistence._metadata_path, path)).st_mtime
    except OSError:
        return None
