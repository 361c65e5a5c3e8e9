"""What is drawn and told of posteriors, and of which files it is made."""


def observation_title(observation):
    """What an observation is called in tables and figures."""
    return STUDY.observations[observation].title or observation


def posteriors_of(observation, resolution=None):
    """Names of the posteriors of an observation, of those drawn at a resolution if one is given."""
    return [
        name
        for name, item in STUDY.posteriors.items()
        if item.observation == observation
        and (resolution is None or resolution in item.resolutions)
    ]


def seeds_of(posterior):
    """The seeds of the models that a posterior is drawn from."""
    return STUDY.runs[STUDY.posteriors[posterior].experiment].seeds


def posterior_titles(names):
    """What figures and tables call posteriors, told apart from each other."""
    return labels(names, {name: STUDY.posteriors[name].title for name in names})


def posteriors_drawn(wildcards):
    """Draws of the posteriors in a figure, of the first seed of each."""
    names = posteriors_of(wildcards.observation, int(wildcards.resolution))
    return [
        f"results/posteriors/{name}/seed{seeds_of(name)[0]}/{wildcards.resolution}.nc"
        for name in names
    ]


def reference_at(observation, resolution):
    """The file of draws of the true posterior on a grid, if there are any on this one."""
    found = STUDY.reference_of(observation, resolution)
    same = found is not None and found[1] == resolution
    return [f"results/references/{found[0]}/{resolution}.nc"] if same else []


def reference_drawn(wildcards):
    """Draws of the true posterior in a figure, on its grid or a coarser one, if there are any."""
    found = STUDY.reference_of(wildcards.observation, int(wildcards.resolution))
    return [f"results/references/{found[0]}/{found[1]}.nc"] if found else []


def portraits(observation, names):
    """What figures say of some posteriors: their titles, and places among all of them."""
    known = posteriors_of(observation)
    titles = posterior_titles(known)
    return [
        {"name": name, "place": known.index(name), "title": titles[name]}
        for name in names
    ]


def drawing_posteriors(script):
    """The parameter of a figure of posteriors: what is observed, and what they are called."""

    def parameter(wildcards):
        observed = STUDY.observe_slice(wildcards.observation)
        names = posteriors_of(wildcards.observation, int(wildcards.resolution))
        return described(
            script,
            {
                "basis": observed["basis"],
                "operator": observed["operator"],
                "resolution": int(wildcards.resolution),
                "title": observation_title(wildcards.observation),
                "posteriors": portraits(wildcards.observation, names),
            },
        )

    return parameter


def posterior_grids(observation):
    """What is drawn of an observation on each grid: names of posteriors, and the reference."""
    return [
        {
            "resolution": n,
            "names": posteriors_of(observation, n),
            "reference": reference_at(observation, n),
        }
        for n in STUDY.inferred(observation)
    ]


def posteriors_on_all_grids(wildcards):
    """Draws of the posteriors of an observation, grid by grid, of the first seed of each."""
    return [
        f"results/posteriors/{name}/seed{seeds_of(name)[0]}/{grid['resolution']}.nc"
        for grid in posterior_grids(wildcards.observation)
        for name in grid["names"]
    ]


def references_on_all_grids(wildcards):
    """Draws of the true posterior, on the grids that have some."""
    grids = posterior_grids(wildcards.observation)
    return [path for grid in grids for path in grid["reference"]]


def truths_on_all_grids(wildcards):
    """The data set that is observed, on all grids on which there are posteriors."""
    dataset = STUDY.observations[wildcards.observation].dataset
    return [
        f"results/data/{dataset}/{n}.nc" for n in STUDY.inferred(wildcards.observation)
    ]


def drawing_grids(wildcards):
    """The parameter of a figure of posteriors on all grids."""
    observed = STUDY.observe_slice(wildcards.observation)
    return described(
        "posterior_resolutions",
        {
            "basis": observed["basis"],
            "operator": observed["operator"],
            "title": observation_title(wildcards.observation),
            "drawn": [
                {
                    "resolution": grid["resolution"],
                    "reference": bool(grid["reference"]),
                    "posteriors": portraits(wildcards.observation, grid["names"]),
                }
                for grid in posterior_grids(wildcards.observation)
            ],
        },
    )


def posterior_rows():
    """The rows of the table of posteriors: what identifies them."""
    return [
        {
            "observation": item.observation,
            "posterior": name,
            "title": posterior_titles(posteriors_of(item.observation))[name],
            "experiment": item.experiment,
            "seed": seed,
            "resolution": n,
        }
        for name, item in STUDY.posteriors.items()
        for seed in seeds_of(name)
        for n in item.resolutions
    ]


def baseline_rows():
    """The observations and resolutions for which the table has rows of baselines."""
    return [
        {"observation": name, "resolution": n} for name, n in FIGURES.observations_drawn
    ]


def judged_posteriors():
    """What was judged of posteriors, a file for each row of them."""
    pattern = "results/metrics/posteriors/{posterior}/seed{seed}/{resolution}.json"
    return [pattern.format(**row) for row in posterior_rows()]


def judged_baselines():
    """What was judged of baselines, a file for each observation and resolution."""
    pattern = "results/metrics/posteriors/baselines/{observation}/{resolution}.json"
    return [pattern.format(**row) for row in baseline_rows()]


def telling_posteriors(script):
    """The parameter of what is made of the table: words of measures, titles of observations."""
    titles = {name: observation_title(name) for name in FIGURES.observations_judged}
    return described(script, {"words": STUDY.posterior_words(), "titles": titles})


def posterior_ends():
    """All files about posteriors that a study is run for."""
    tables = ["results/posteriors.csv", "results/posteriors.md"]
    return (
        tables + in_folder(FIGURES.of_posteriors) if FIGURES.observations_judged else []
    )
