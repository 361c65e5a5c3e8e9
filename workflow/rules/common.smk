"""The study, checked before any job starts, and what rules look up in it."""

import gc
import inspect
import json
import os
import re
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from fsdiff import strict_yaml
from fsdiff.config import ConfigurationError, load
from fsdiff.parts import kinds, modules
from fsdiff.provenance import fingerprint
from fsdiff.storage import canonical_json

# Snakemake keeps the last of two entries of one name and says nothing.
for file in workflow.configfiles:
    try:
        strict_yaml.parse(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise WorkflowError(f"{file}: {error}") from None

try:
    STUDY = load(config)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

# Every job reads this file, wherever it runs, and so finds the scheduler.
if STUDY.dask.scheduler:
    os.environ.update(DASK_SCHEDULER_ADDRESS=STUDY.dask.scheduler)

os.environ.update(
    FSDIFF_DEVICE=STUDY.device,
    FSDIFF_PROCESSES=str(STUDY.parallel.processes),
    FSDIFF_LAUNCHER=STUDY.parallel.launcher or "",
)
GPUS = {"gpu": 1} if STUDY.device == "cuda" else {}
"""What jobs with networks ask for besides memory and time."""
TRAINING_GPUS = {name: STUDY.parallel.processes for name in GPUS}
"""What training asks for instead."""


# The plan of a study is millions of objects that stay until its end. Python looks through them for
# garbage after every 700 new ones, which is a sixth of the time to plan thousands of jobs.
gc.set_threshold(50_000)


def asked_often(function):
    """Keep a function's signature with it: Snakemake looks it up twice for each job."""
    function.__signature__ = inspect.signature(function)
    return function


wildcard_constraints:
    dataset="|".join(STUDY.datasets),
    experiment="|".join(map(re.escape, STUDY.runs)),
    search="|".join(STUDY.searches),
    analysis="|".join(STUDY.analyses),
    seed=r"\d+",
    resolution=r"\d+",
    first=r"\d+",
    last=r"\d+",


@cache
def code(script, reached):
    """Fingerprint of the code of a rule's script and of the parts that its configuration names."""
    path = Path(workflow.basedir) / "workflow" / "scripts" / f"{script}.py"
    return fingerprint(script=path, modules=reached)


def described(script, configuration):
    """All that a job's result depends on, its inputs aside: configuration and code.

    Rules have this one dictionary as their parameter, because Snakemake compares parameters as a
    set of values without names, and does not see edits of an imported package. It compares their
    text, so keys are sorted: their order in the configuration says nothing.
    """
    canonical = json.loads(canonical_json(configuration))
    return {"code": code(script, frozenset(modules(canonical))), "config": canonical}


def job(script, *names):
    """The parameter of a rule: the slice of the study for its wildcards ``names``, and its code."""

    @asked_often
    def parameter(wildcards):
        values = {name: wildcards[name] for name in names}
        for name in {"seed", "resolution"} & values.keys():
            values[name] = int(values[name])
        return described(script, getattr(STUDY, f"{script}_slice")(**values))

    return parameter


def merging(wildcards):
    """The parameter for merging shards, with what these must have been made from."""
    shard = described("simulate", STUDY.simulate_slice(wildcards.dataset))
    return {**job("dataset", "dataset")(wildcards), "shard": shard}


def growing(amount):
    """An amount of a resource that is doubled and tripled for the next attempts at a job.

    It stops there, because jobs that continue where they were interrupted make many attempts.
    ``amount`` may be a function of the wildcards.
    """

    @asked_often
    def grown(wildcards, attempt):
        first = amount(wildcards) if callable(amount) else amount
        return first * min(attempt, 3)

    return grown


def training_memory(wildcards):
    """Megabytes of training, by process: those that its fields may take, and for all else 2000."""
    fields = STUDY.runs[wildcards.experiment].training.memory_mb
    return STUDY.parallel.processes * (2000 + fields)


# Files that rules read.


def files_read(wildcards):
    """The files that a data set is read from, if it is."""
    return [str(path) for path in STUDY.datasets[wildcards.dataset].source.part.files]


def shards(wildcards):
    """The shards of a data set."""
    ranges = STUDY.datasets[wildcards.dataset].shard_ranges()
    folder = f"results/data/{wildcards.dataset}/shards"
    return [f"{folder}/{first}-{last}.nc" for first, last in ranges]


def data_of(experiment):
    """The data of an experiment at every resolution, coarse to fine."""
    dataset = STUDY.runs[experiment].dataset
    return [
        f"results/data/{dataset}/{n}.nc" for n in STUDY.datasets[dataset].resolutions
    ]


def levels_of(experiment):
    """The resolutions that an experiment is trained at, coarse to fine."""
    return [level.resolution for level in STUDY.runs[experiment].levels]


@asked_often
def training_data(wildcards):
    """Data at every resolution, for training at one and for loss curves at all."""
    return data_of(wildcards.experiment)


def model_file(experiment, seed, resolution, suffix):
    """A file of a trained level, under the name of the first experiment that trains it so."""
    owner = STUDY.trained_as(experiment, int(resolution))
    return f"results/models/{owner}/seed{seed}/{resolution}{suffix}"


def histories_of(experiment, seed):
    """Loss curves of an experiment, level by level."""
    return [
        model_file(experiment, seed, n, ".history.nc") for n in levels_of(experiment)
    ]


@asked_often
def histories_of_one(wildcards):
    """Loss curves of the model that the wildcards name, level by level."""
    return histories_of(wildcards.experiment, wildcards.seed)


@asked_often
def coarser_weights(wildcards):
    """Weights of the level below, or none at the coarsest level."""
    experiment, seed = wildcards.experiment, wildcards.seed
    coarser = [n for n in levels_of(experiment) if n < int(wildcards.resolution)]
    return [model_file(experiment, seed, n, ".safetensors") for n in coarser[-1:]]


def weights(suffix):
    """A file of the finest level that an experiment is trained at: what is sampled."""

    @asked_often
    def path(wildcards):
        finest = levels_of(wildcards.experiment)[-1]
        return model_file(wildcards.experiment, wildcards.seed, finest, suffix)

    return path


@asked_often
def data(wildcards):
    """Data at one resolution, of the data set that the wildcards name or of the experiment's."""
    experiment = wildcards.get("experiment")
    dataset = STUDY.runs[experiment].dataset if experiment else wildcards.dataset
    return f"results/data/{dataset}/{wildcards.resolution}.nc"


# What is evaluated and summarised.


def experiments_on(dataset):
    """Names of the experiments on a data set, in the order of the configuration."""
    return [name for name, item in STUDY.experiments.items() if item.dataset == dataset]


def compared(dataset):
    """The resolutions at which some experiment on a data set is evaluated."""
    return sorted(
        {n for name in experiments_on(dataset) for n in STUDY.evaluated(name)}
    )


DESCRIBED = STUDY.summary_slice()["experiments"]
"""What the summary says of each experiment."""


def title(experiment):
    """What an experiment is called in tables and figures."""
    return DESCRIBED[experiment]["title"]


def model_rows(experiments, resolutions=STUDY.evaluated):
    """The rows of a summary that are about models: what identifies them."""
    return [
        {
            "experiment": name,
            "title": title(name),
            "dataset": item.dataset,
            "row": "model",
            "seed": seed,
            "resolution": resolution,
            "trained_at": levels_of(name)[-1],
        }
        for name, item in STUDY.runs.items()
        if name in experiments
        for seed in item.seeds
        for resolution in resolutions(name)
    ]


def reference_rows(datasets):
    """The data sets and resolutions for which a summary has rows about references."""
    return [
        {"dataset": dataset, "resolution": resolution}
        for dataset in datasets
        for resolution in compared(dataset)
    ]


def references_beside(wildcards):
    """The rows of references for the resolutions at which an experiment is evaluated."""
    rows = reference_rows([STUDY.runs[wildcards.experiment].dataset])
    evaluated = STUDY.evaluated(wildcards.experiment)
    return [row for row in rows if row["resolution"] in evaluated]


def metrics_of(rows):
    """The evaluations that rows about models are made of."""
    pattern = "results/metrics/{experiment}/seed{seed}/{resolution}.json"
    return [pattern.format(**row) for row in rows]


def references_of(rows):
    """The evaluations that rows about references are made of."""
    pattern = "results/metrics/reference/{dataset}/{resolution}.json"
    return [pattern.format(**row) for row in rows]


@cache
def rows_so_far():
    """The rows of models and of references whose evaluations are there."""
    models, references = model_rows(STUDY.experiments), reference_rows(STUDY.datasets)
    return (
        [row for row in models if all(map(os.path.exists, metrics_of([row])))],
        [row for row in references if all(map(os.path.exists, references_of([row])))],
    )


def summarising(models, references):
    """The parameter of a summary: the identity of each row, in the order of its inputs."""
    return described("summary", {"models": models, "references": references})


# What is drawn.


def drawn(wildcards):
    """Experiments in a figure: those on its data set, sampled at its resolution if it has one."""
    if "experiment" in wildcards.keys():
        return [wildcards.experiment]
    names = experiments_on(wildcards.dataset)
    if "resolution" in wildcards.keys():
        return [
            name for name in names if int(wildcards.resolution) in STUDY.evaluated(name)
        ]
    return names


def first_seed(experiment):
    """The seed whose results are drawn."""
    return STUDY.runs[experiment].seeds[0]


PORTRAIT = ("levels", "name", "seed", "title")
"""What every figure says of an experiment."""


def portrait(experiment):
    """What figures may say of an experiment."""
    item = STUDY.runs[experiment]
    return {
        "levels": levels_of(experiment),
        "name": experiment,
        "prior": item.prior.plain(),
        "resolutions": list(item.samples.resolutions),
        "seed": first_seed(experiment),
        "title": title(experiment),
    }


def drawing(script, *keys):
    """The parameter of a figure: its experiments in order, with ``keys`` of each, and the basis."""

    def parameter(wildcards):
        resolutions = STUDY.datasets[wildcards.dataset].resolutions
        basis = STUDY.hierarchy_slice(wildcards.dataset, resolutions[-1])["basis"]
        experiments = [
            {
                key: value
                for key, value in portrait(name).items()
                if key in {*keys, *PORTRAIT}
            }
            for name in drawn(wildcards)
        ]
        return described(script, {"basis": basis, "experiments": experiments})

    return parameter


def samples_drawn(wildcards):
    """Samples at one resolution, one file for each experiment."""
    return [
        f"results/samples/{name}/seed{first_seed(name)}/{wildcards.resolution}.nc"
        for name in drawn(wildcards)
    ]


def samples_at_all_resolutions(wildcards):
    """Samples of one experiment, one file for each resolution."""
    name = wildcards.experiment
    folder = f"results/samples/{name}/seed{first_seed(name)}"
    return [f"{folder}/{n}.nc" for n in STUDY.runs[name].samples.resolutions]


def data_at_all_resolutions(wildcards):
    """A data set, one file for each resolution."""
    resolutions = STUDY.datasets[wildcards.dataset].resolutions
    return [f"results/data/{wildcards.dataset}/{n}.nc" for n in resolutions]


def finest_data(wildcards):
    """A data set at its finest resolution."""
    return data_at_all_resolutions(wildcards)[-1]


def histories(wildcards):
    """Training histories of the experiments on a data set, level by level."""
    return [
        path
        for name in drawn(wildcards)
        for path in histories_of(name, first_seed(name))
    ]


def data_pages(dataset):
    """The pages about a data set by itself; balances are those of equations that are known."""
    pages = ["fields.png", "spectra.svg", "densities.svg"]
    if STUDY.datasets[dataset].source.kind in kinds("diagnostics"):
        pages += ["solutions.png", "balances.svg"]
    return pages


COMPARISONS = (
    "prior_spectrum",
    "loss_curves",
    "metric_by_resolution",
    "trained_by_sampled",
    "cost",
    "pareto",
)
"""Figures of all experiments on a data set."""


def figures():
    """All figures of the report."""
    found = []
    for dataset in STUDY.datasets:
        folder = f"results/figures/{dataset}"
        found += [f"{folder}/data/{name}" for name in data_pages(dataset)]
        for n in compared(dataset):
            found += [
                f"{folder}/{name}" for name in (f"samples-{n}.png", f"spectra-{n}.svg")
            ]
            found += [f"{folder}/densities-{n}.svg"]
        for experiment in experiments_on(dataset):
            found += [f"{folder}/resolutions/{experiment}.png"]
        if experiments_on(dataset):
            found += [f"{folder}/{name}.svg" for name in COMPARISONS]
        if dataset in {row["dataset"] for row in ON_THE_WAY}:
            found += [f"{folder}/{name}.svg" for name in PROGRESS]
    found += [f"results/figures/searches/{name}.svg" for name in STUDY.searches]
    return [*found, "results/figures/summary.html"] if STUDY.experiments else found


# Exact experiments.


def kind_of(figure):
    """The kind of the analyses in a figure."""
    return STUDY.analyses[STUDY.drawn_analyses()[figure][0]].kind


def figures_of(kind):
    """Names of the figures that show analyses of a kind."""
    return [figure for figure in STUDY.drawn_analyses() if kind_of(figure) == kind]


def analysis_figures():
    """All figures of exact experiments."""
    return [
        f"results/figures/analyses/{figure}.svg" for figure in STUDY.drawn_analyses()
    ]


def analyses_drawn(wildcards):
    """The results that a figure shows."""
    names = STUDY.drawn_analyses()[wildcards.figure]
    return [f"results/analyses/{name}.nc" for name in names]


def drawing_analyses(wildcards):
    """The parameter of a figure of analyses: their kind, what they are called, and the code."""
    names = STUDY.drawn_analyses()[wildcards.figure]
    kind = kind_of(wildcards.figure)
    titles = [STUDY.analyses[name].title or name for name in names]
    drawn_by = frozenset({f"fsdiff.plotting.analyses.{kind}"})
    return {
        "code": code("analysis_figure", drawn_by),
        "config": {"kind": kind, "titles": titles},
    }
