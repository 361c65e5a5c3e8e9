"""What every file of the study must have been made from, as its rule and those before it say."""

from snakemake.iocontainers import Wildcards

from fsdiff.jobs.lineage import lineage


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
    plans = [plan for path in inputs if (plan := planned(path))]
    # Shards of a job have its configuration and code, and come of the files that it reads itself.
    before = [
        plan["lineage"] for plan in plans if not job or not job.items() <= plan.items()
    ]
    beside = [*item.expand_log(wildcards), item.expand_benchmark(wildcards)]
    return {
        **job,
        "lineage": lineage(job, before),
        "inputs": inputs,
        "outputs": [str(path) for path in item.expand_output(wildcards)[0]],
        "beside": [str(path) for path in beside if path],
    }


def planned(path):
    """The plan of the job that makes a file; nothing for a file of the user's."""
    made_by = maker(path)
    return made_by and plan_of(made_by)


def lineage_of_job(wildcards, output):
    """The lineage of what a job makes, and what the files that it reads must have been made from.

    This function has ``output`` among its arguments, and so nothing runs again because of it: what
    is in it are parameters of this job and of those before it, which are looked at themselves.
    """
    return LazyLineage(output[0])


class LazyLineage:
    """Worked out when a job starts: a study of many models is planned without it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        plan = planned(self.path)
        inputs = {path: made for path in plan["inputs"] if (made := planned(path))}
        kept = ("config", "code", "lineage")
        told = {
            "own": plan["lineage"],
            "asked": asked_for().get(self.path, plan["lineage"]),
            "inputs": {
                path: {name: made[name] for name in kept}
                for path, made in inputs.items()
            },
        }
        return dict, (told,)


ASKED_FOR = "FSDIFF_ASKED_FOR"
"""Environment variable: the file with the lineages that the run has planned with."""


def save_lineages(workflow):
    """Write down what is asked for, for jobs of a scheduler: they read configuration and code anew.

    Both may be edited until they start. Local jobs have their parameters from this process.
    """
    if not workflow.executor_plugin.common_settings.non_local_exec:
        return
    first = (job.output[0] for job in workflow.dag.needrun_jobs() if job.output)
    asked = {str(path): planned(path)["lineage"] for path in first}
    name = f"asked-for-{machine()}-{os.getpid()}.json"
    file = Path("results", "state", name).absolute()
    json_files.write(file, {"asked": asked})
    os.environ[ASKED_FOR] = str(file)


@cache
def asked_for():
    """The lineages that the run had planned with which has submitted this job, if one has."""
    file = Path(os.environ.get(ASKED_FOR, "."))
    return json_files.read(file)["asked"] if file.is_file() else {}


def remove_lineages():
    """Remove what was written for jobs of a scheduler."""
    if ASKED_FOR in os.environ:
        Path(os.environ[ASKED_FOR]).unlink(missing_ok=True)


def ends():
    """The files that a study is run for."""
    return {
        "summary": ["results/summary.csv"] if STUDY.experiments else [],
        "verdict": ["results/verdict.md"] if datasets_judged() else [],
        "figures": in_folder(FIGURES.of_results),
        "posteriors": posterior_ends(),
        "analyses": in_folder(FIGURES.of_analyses),
        "claims": ["results/reproduction.md"] if STUDY.claims else [],
        "page": ["results/page.md"] if STUDY.page else [],
    }


def plans(targets=()):
    """The plans of all jobs that the study may need, or that some files need.

    The tables that are made when asked for are among the former.
    """
    waiting = [str(path) for path in targets] or everything()
    seen, found = set(), []
    while waiting:
        path = waiting.pop()
        plan = None if path in seen else planned(path)
        if plan:
            seen.update(plan["outputs"])
            found.append(plan)
            waiting += plan["inputs"]
    return found


def everything():
    """All files that the study is run for, or that people may ask for."""
    paths = [path for paths in ends().values() for path in paths]
    paths += [f"results/summaries/{name}.csv" for name in STUDY.runs]
    paths += ["results/summary_so_far.csv"] if STUDY.experiments else []
    return [placed(path) for path in paths]


def save_plans():
    """Write the plans to the file that ``python -m fsdiff.study clean`` asks for."""
    if asked := os.environ.get("FSDIFF_PLANS"):
        Path(asked).write_text(json.dumps(plans()), encoding="utf-8")
