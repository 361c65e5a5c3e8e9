"""Searches for hyperparameters on a coarse grid and on a fine one, as parameter spaces."""

import pandas as pd
from snakemake.utils import Paramspace

# The paths of the parameter space are names of experiments, so
# that all rules make their files as any experiment's; `at` is the resolution.

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
    return described("search", {"metric": metric, "runs": runs})


def outcomes(searches):
    """The files that say how well the two grids agree, one for each search."""
    return [f"results/searches/{name}.json" for name in searches]


rule search:
    input:
        metrics=lambda wildcards: metrics_of(candidates(wildcards.search)),
    output:
        table=report(
            "results/searches/{search}.csv",
            caption="../report/search_table.rst",
            category="Searches",
            labels={"search": "{search}", "result": "table"},
        ),
        agreement="results/searches/{search}.json",
        figure=report(
            "results/figures/searches/{search}.svg",
            caption="../report/search.rst",
            category="Searches",
            labels={"search": "{search}", "result": "figure"},
        ),
    log:
        "logs/search/{search}.log",
    benchmark:
        "results/benchmarks/search/{search}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=searching,
    script:
        "../scripts/search.py"
