"""Files that were made from something else, where Snakemake cannot know it by its records.

What Snakemake knows of a file is in its folder .snakemake. Where that was lost, or files were put
there from elsewhere, it only asks whether they are there and which are younger.
"""

from contextlib import suppress

from snakemake.logging import logger

from fsdiff.jobs.lineage import difference_of, recorded, records


def doubtful(persistence, touch):
    """Results that may not be those of Snakemake's records, and whether there are any of them.

    A file that was put in its place after the record was written, such as by a copy, may be any;
    and what is to be touched need not be what the study says.
    """
    found = {}
    for path, changed in results_there():
        written = time_of_record(persistence, path)
        if touch or written is None or changed > written:
            found[path] = written is not None
    return found


def results_there():
    """Files of results, also where folders are links to other disks, and when they were changed."""
    top, seen = placed("results"), set()
    for folder, below, names in os.walk(top, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or folder in (f"{top}/state", f"{top}/benchmarks"):
            below.clear()
            continue
        seen.add(real)
        for path in (f"{folder}/{name}" for name in names if not name.startswith(".")):
            with suppress(OSError):  # links that lead nowhere, files that go
                yield path, os.stat(path).st_ctime


def outdated(persistence, touch, targets):
    """What is wrong with doubtful files, by their names; of all, or of those that targets need.

    Figures and tables do not say what they were made from, and take no time: they are made again
    where there is no record of them.
    """
    found = doubtful(persistence, touch)
    if not found:
        return {}
    named = {path: plan for plan in plans(targets) for path in plan["outputs"]}
    reasons = {}
    for path in sorted(found.keys() & named.keys()):
        if records(path):
            reasons[path] = difference_of(recorded(path), named[path])
        elif not found[path]:
            reasons[path] = "does not record what it was made from"
    return {path: reason for path, reason in reasons.items() if reason}


def make_outdated_again(workflow):
    """Let Snakemake make these files again, if they are needed."""
    if workflow.exec_mode != ExecMode.DEFAULT:
        return
    touch = workflow.touch
    targets = workflow.dag.targetfiles if touch else ()
    found = outdated(workflow.persistence, touch, targets)
    if found and touch:
        raise WorkflowError(
            f"{listed(found)}\n--touch would take these files for current: run the workflow without "
            "it, after 'python -m fsdiff.study adopt' if records of files that fit were lost"
        )
    if found:
        logger.warning(listed(found))
        workflow.dag.forcefiles.update(found)


def listed(found):
    """Files and what is wrong with them, for people."""
    told = (
        "Snakemake did not make these files as they are; they are made again if needed:"
    )
    lines = [f"  {path} {reason}" for path, reason in found.items()]
    more = [f"  and {len(lines) - 10} more"] if len(lines) > 10 else []
    return "\n".join([told, *lines[:10], *more])
