"""Files that were made from something else, where Snakemake cannot know it: without its records.

What Snakemake knows of a file is in its folder .snakemake. Where that was lost, or files were
copied from elsewhere, it only asks whether they are there and which are younger.
"""

from snakemake.io import IOFile
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from fsdiff.lineage import difference_of, recorded, records


def unrecorded(persistence):
    """Results that are there and that Snakemake has no record of."""
    return {
        path
        for folder, _, names in os.walk("results")
        for path in (f"{folder}/{name}" for name in names if not name.startswith("."))
        if not path.startswith(("results/state/", "results/benchmarks/"))
        and not has_record(persistence, path)
    }


def has_record(persistence, path):
    """Whether Snakemake has a record of a file; where these are files, none is read."""
    where = getattr(persistence, "_record_path", None)
    if where is None:
        return persistence.metadata(IOFile(path)) is not None
    return os.path.exists(where(persistence._metadata_path, path))


def outdated(persistence):
    """What is wrong with files of the study that Snakemake has no record of, by their names.

    Figures and tables do not say what they were made from, and take no time: they are made again.
    """
    found = unrecorded(persistence)
    if not found:
        return {}
    named = {path: plan for plan in plans() for path in plan["outputs"]}
    reasons = {
        path: (
            difference_of(recorded(path), named[path])
            if records(path)
            else "does not record what it was made from"
        )
        for path in sorted(found & named.keys())
    }
    return {path: reason for path, reason in reasons.items() if reason}


def make_outdated_again(workflow):
    """Let Snakemake make these files again, if they are needed; the method is not public.

    Snakemake calls it once, after its records are at hand and before it decides what must run.
    """
    prepare = workflow._prepare_dag

    def prepared(*args, **kwargs):
        prepare(*args, **kwargs)
        if workflow.exec_mode != ExecMode.DEFAULT:
            return
        found = outdated(workflow.persistence)
        if found and workflow.touch and not workflow.dag.targetfiles:
            raise WorkflowError(
                f"{listed(found)}\n--touch would take these files for current: use "
                "'python -m fsdiff.results adopt', which keeps those that fit"
            )
        if found:
            logger.warning(listed(found))
            workflow.dag.forcefiles.update(found)

    workflow._prepare_dag = prepared


def listed(found):
    """Files and what is wrong with them, for people."""
    lines = [f"  {path} {reason}" for path, reason in found.items()]
    more = [f"  and {len(lines) - 10} more"] if len(lines) > 10 else []
    return "\n".join(
        [
            "Snakemake has no record of these files; they are made again where they are needed:"
        ]
        + lines[:10]
        + more
    )
