"""Figures of the report, and what is drawn in each."""

from fsdiff.reports.labels import labels


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


PORTRAIT = ("levels", "name", "place", "seed", "title", "trained")
"""What every figure says of an experiment."""


def label(experiment):
    """What figures call an experiment, told apart from all others on its data set."""
    names = experiments_on(STUDY.runs[experiment].dataset)
    return labels(names, {name: title(name) for name in names})[experiment]


def portrait(experiment):
    """What figures may say of an experiment."""
    item = STUDY.runs[experiment]
    return {
        "levels": levels_of(experiment),
        "name": experiment,
        "place": experiments_on(item.dataset).index(experiment),
        **item.blocks("prior"),
        "resolutions": list(item.samples.resolutions),
        "seed": first_seed(experiment),
        "title": label(experiment),
        "trained": item.trained,
    }


def drawing(script, *keys, **more):
    """The parameter of a figure: its experiments in order, with ``keys`` of each, and the basis.

    ``more`` is what the figure shows besides.
    """

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
        return described(script, {"basis": basis, "experiments": experiments, **more})

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


def finest_picture(dataset):
    """Samples beside data, at the finest resolution at which they are compared."""
    return f"results/figures/{dataset}/samples-{compared(dataset)[-1]}.png"


def datasets_judged():
    """Names of the data sets that experiments are compared with."""
    return [name for name in STUDY.datasets if compared(name)]


def in_folder(names):
    """The files of figures."""
    return [f"results/figures/{name}" for name in names]


def figures_of_page():
    """The figures of the report that the page of the study shows, if there is one."""
    return [figure.path for figure in STUDY.page.figures] if STUDY.page else []


# Exact experiments.


def kind_of(figure):
    """The kind of the analyses in a figure."""
    return STUDY.analyses[STUDY.drawn_analyses()[figure][0]].kind


def figures_of(kind):
    """Names of the figures that show analyses of a kind."""
    return [figure for figure in STUDY.drawn_analyses() if kind_of(figure) == kind]


def analyses_drawn(wildcards):
    """The results that a figure shows."""
    names = STUDY.drawn_analyses()[wildcards.figure]
    return results_of_analyses(names)


def results_of_analyses(names):
    """The results of analyses."""
    return [f"results/analyses/{name}.nc" for name in names]


def drawing_analyses(wildcards):
    """The parameter of a figure of analyses: their kind, what they are called, and the code."""
    names = STUDY.drawn_analyses()[wildcards.figure]
    kind = kind_of(wildcards.figure)
    called = labels(names, {name: STUDY.analyses[name].title for name in names})
    drawn_by = frozenset({f"fsdiff.reports.plotting.analyses.{kind}"})
    return Parameter(
        code=code("analysis_figure", drawn_by),
        config={"kind": kind, "titles": list(called.values())},
    )
