"""What every file of the study must have been made from, as its rule and those before it say."""

from snakemake.iocontainers import Wildcards

from fsdiff.lineage import lineage


@cache
def maker(path):
    """The rule that makes a file and its wildcards there; nothing for a file of the user's."""
    for item in workflow.rules:
        if item.is_producer(path):
            return item, tuple(item.get_wildcards(path).items())
    return None


@cache
def plan_of(made_by):
    """What a job is, the lineage of what it makes, and what it reads."""
    item, values = made_by
    wildcards = Wildcards(fromdict=dict(values))
    job = getattr(item.params, "job", None)
    job = job(wildcards) if callable(job) else job or {}
    inputs = [str(path) for path in item.expand_input(wildcards)[0]]
    before = [plan["lineage"] for path in inputs if (plan := planned(path))]
    return {**job, "lineage": lineage(job, before), "inputs": inputs}


def planned(path):
    """The plan of the job that makes a file; nothing for a file of the user's."""
    made_by = maker(path)
    return made_by and plan_of(made_by)


def lineage_of_job(wildcards, output):
    """The lineage of what a job makes, and what the files that it reads must have been made from.

    This function has ``output`` among its arguments, and so nothing runs again because of it: what
    is in it are parameters of this job and of those before it, which are looked at themselves.
    """
    plan = planned(output[0])
    inputs = {path: made for path in plan["inputs"] if (made := planned(path))}
    kept = ("config", "code", "lineage")
    return {
        "own": plan["lineage"],
        "inputs": {
            path: {name: made[name] for name in kept} for path, made in inputs.items()
        },
    }
