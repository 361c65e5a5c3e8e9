"""What surrounds the work of every job of the workflow: one ``with`` block in each script.

Nothing is written that does not belong to the plan: the code must be the one that was planned with,
what is read must have been made from what the plan says, no other job may be at the same result,
and Snakemake must still be there. Another attempt, or another run, puts things right.
"""

import importlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsdiff import parts, provenance
from fsdiff.errors import Error
from fsdiff.jobs import lineage, logs
from fsdiff.jobs.atomic import guarded
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.jobs.locks import Lock
from fsdiff.jobs.supervision import desertion

logger = logging.getLogger(__name__)


class PlanChangedError(Error, RuntimeError):
    """The code or the configuration of a job is not the one that it was planned with."""


@contextmanager
def job_of(
    snakemake: Any, script: str, *, modules: Iterable[str] | None = None, first: bool = True
) -> Iterator[dict[str, Any]]:
    """The job that Snakemake gave to a script: {"config", "code", "lineage"}.

    ``modules`` are those that the configuration names and the script does not import, by default
    those of its parts. Of processes that work together, all but the ``first`` keep silent and leave
    files alone. Raises PlanChangedError, StorageError for inputs that were made from something
    else, and Interrupted where a result must not be written any more. Where another job made the
    same results meanwhile, the process ends well.
    """
    if first:
        logs.configure(snakemake.log[0])
    else:
        logging.disable()
    job, planned = dict(snakemake.params.job), snakemake.params.lineage
    reached = parts.modules(job["config"]) if modules is None else modules
    if planned.get("asked", planned["own"]) != planned["own"]:
        raise PlanChangedError(
            "the configuration or the code was edited after this job was planned: nothing was "
            "written, run again"
        )
    check_code(Path(script), reached, job["code"])
    job |= {"lineage": planned["own"]}
    if not first:
        yield job
        return
    outputs = [Path(path) for path in snakemake.output]
    with Lock(outputs[0], planned["own"]) as lock:
        if lock.waited and lineage.made(outputs, planned["own"]):
            logger.info("another job has made %s meanwhile", outputs[0])
            raise SystemExit(0)
        lineage.check(planned["inputs"])

        def reason() -> str | None:
            return desertion() or lock.superseded()

        def guard() -> None:
            if why := reason():
                logger.warning("%s is not written, because %s", outputs[0], why)
                raise Interrupted

        with watched(reason), guarded(outputs, guard):
            yield job


def check_code(script: Path, modules: Iterable[str], planned: str) -> None:
    """Refuse to work with other code than was planned with.

    All of it is loaded first, so what is edited later has no part in the job.
    """
    modules = list(modules)
    for name in provenance.dependencies(script=script, modules=modules):
        _load(name)
    found = provenance.fingerprint(script=script, modules=modules)
    if found != planned:
        raise PlanChangedError(
            f"the code was edited after this job was planned, or is another than Snakemake has "
            f"(fingerprint {found} in {provenance.PACKAGE} and {script}, planned {planned}): "
            "nothing was written, run again"
        )


def _load(name: str) -> None:
    """Import a module of the package, if what it needs besides is installed.

    One that needs an extra that is not is left to its user, who does without or says what to do.
    """
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "fsdiff":
            raise
