"""Rows of tables: what is evaluated, summarised and searched, and from which files."""

import pandas as pd
from snakemake.utils import Paramspace

from fsdiff.study.figures import Figures

FIGURES = Figures(STUDY)
"""What the study draws, and which experiments are compared in it."""

experiments_on, compared = FIGURES.experiments_on, FIGURES.compared

DESCRIBED = STUDY.summary_slice()["experiments"]
"""What the summary says of each experiment."""


def title(experiment):
    """What an experiment is called in tables and figures."""
    return DESCRIBED[experiment]["title"]


def model_rows(experiments, resolutions=STUDY.evaluated, count=STUDY.drawn):
    """The rows of a summary that are about models: what identifies them."""
    return [
        {
            "experiment": name,
            "title": title(name),
            "dataset": item.dataset,
            "row": "model",
            "seed": seed,
            "resolution": resolution,
            "count": count(name),
            "trained_at": levels_of(name)[-1],
        }
        for name, item in STUDY.runs.items()
        if name in experiments
        for seed in item.seeds
        for resolution in resolutions(name)
    ]


EVALUATED = model_rows(STUDY.experiments)
"""What identifies the models that are evaluated."""
EVALUATED_DURING_TRAINING = model_rows(
    STUDY.experiments, STUDY.evaluated_during_training, STUDY.drawn_during_training
)
"""What identifies those that are evaluated during training, and at which resolution."""
JUDGED = EVALUATED + EVALUATED_DURING_TRAINING


def on_data(rows, dataset):
    """The rows that are about one data set."""
    return [row for row in rows if row["dataset"] == dataset]


def reference_rows(models):
    """The rows about references beside models: of the same data, grids and numbers of fields."""
    found = {(row["dataset"], row["resolution"], row["count"]) for row in models}
    return [
        {"dataset": dataset, "resolution": resolution, "count": count}
        for name in STUDY.datasets
        for dataset, resolution, count in sorted(found)
        if dataset == name
    ]


def metrics_of(rows):
    """The evaluations that rows about models are made of."""
    pattern = "results/metrics/{experiment}/seed{seed}/{resolution}.json"
    return [pattern.format(**row) for row in rows]


def references_of(rows):
    """The evaluations that rows about references are made of."""
    pattern = "results/metrics/reference/{dataset}/count{count}/{resolution}.json"
    return [pattern.format(**row) for row in rows]


@cache
def rows_so_far():
    """The rows of models and of references whose evaluations are there."""
    return (
        [row for row in EVALUATED if all(map(exists, metrics_of([row])))],
        [
            row
            for row in reference_rows(JUDGED)
            if all(map(exists, references_of([row])))
        ],
    )


def exists(path):
    """Whether a file of results is there."""
    return os.path.exists(placed(path))


def summarising(models, references):
    """The parameter of a summary: the identity of each row, in the order of its inputs."""
    return described("summary", {"models": models, "references": references})


def trajectories_of(rows):
    """The files with evaluations during training."""
    pattern = "results/trajectories/{experiment}/seed{seed}/{resolution}.nc"
    return [pattern.format(**row) for row in rows]


# The paths of a parameter space are names of experiments, so that all rules make their files as any
# experiment's; `at` is the resolution.

SPACES = {
    name: Paramspace(
        pd.DataFrame(search.points(), dtype=object), single_wildcard="point"
    )
    for name, search in STUDY.searches.items()
}


def candidates(search):
    """The rows about the experiments that a search consists of, each at its own resolution."""
    names = [f"{search}/{path}" for path in SPACES[search].instance_patterns]
    return model_rows(names)


def searching(wildcards):
    """The parameter of a search: what its experiments differ in, in the order of its inputs."""
    name = wildcards.search
    metric = STUDY.searches[name].metric
    points = dict(zip(STUDY.candidates(name), STUDY.searches[name].points()))
    runs = [
        {"seed": row["seed"], "point": points[row["experiment"]]}
        for row in candidates(name)
    ]
    return described("search", {"metric": metric, "runs": runs, "words": STUDY.words()})


def outcomes(searches):
    """The files that say how well the two grids agree, one for each search."""
    return [f"results/searches/{name}.json" for name in searches]
