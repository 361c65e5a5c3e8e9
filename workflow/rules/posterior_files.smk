"""Files of observations, references and posteriors, by what they are about."""


def observed_data(wildcards):
    """The data set that is observed, at its finest resolution."""
    dataset = STUDY.observations[wildcards.observation].dataset
    return f"results/data/{dataset}/{STUDY.datasets[dataset].resolutions[-1]}.nc"


def observation_named(wildcards):
    """The observation that the wildcards name, or that of what they name."""
    for key, blocks in (
        ("posterior", STUDY.posteriors),
        ("reference", STUDY.references),
    ):
        if key in wildcards.keys():
            return blocks[wildcards[key]].observation
    return wildcards.observation


def observation_read(wildcards):
    """What is observed, for what the wildcards name."""
    return f"results/observations/{observation_named(wildcards)}.nc"


def weights_of_posterior(suffix):
    """A file of the model that a posterior is drawn from."""

    def path(wildcards):
        name = STUDY.posteriors[wildcards.posterior].experiment
        return model_file(name, wildcards.seed, levels_of(name)[-1], suffix)

    return path


def training_fields_of_posterior(wildcards):
    """What the draws of a posterior start from, where these are training fields."""
    item = STUDY.posteriors[wildcards.posterior]
    sampler = item.sampler or STUDY.experiments[item.experiment].sampler
    return fields_to_start_from(item.experiment, sampler)


def shards_of_draws(wildcards):
    """The shards of a posterior at one resolution; none where one job draws it all."""
    posterior, seed, n = wildcards.posterior, wildcards.seed, wildcards.resolution
    folder = f"results/posteriors/{posterior}/seed{seed}/{n}"
    return sharded(folder, STUDY.posteriors[posterior])


def reference_for(observation, resolution):
    """The file of the reference for draws at a resolution, in a list; none where there is none."""
    found = STUDY.reference_of(observation, int(resolution))
    return [f"results/references/{found[0]}/{found[1]}.nc"] if found else []


def reference_beside(wildcards):
    """The file of the reference for draws that the wildcards name."""
    return reference_for(observation_named(wildcards), wildcards.resolution)


def truths(wildcards):
    """The data set that was observed, at the resolution of the draws."""
    dataset = STUDY.observations[observation_named(wildcards)].dataset
    return f"results/data/{dataset}/{wildcards.resolution}.nc"


def classifiers_of_truths(wildcards):
    """The classifiers of these data, where a metric of posteriors asks them and they have labels."""
    item = STUDY.datasets[STUDY.observations[observation_named(wildcards)].dataset]
    if not STUDY.draws_classified or item.source.part.label is None:
        return []
    return classifiers_of(truths(wildcards))
