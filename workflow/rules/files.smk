"""Files that rules read and write, by what they are about."""


def files_read(wildcards):
    """The files that a data set is read from, if it is.

    Without those that have braces in their paths: Snakemake takes these for wildcards.
    """
    files = STUDY.datasets[wildcards.dataset].source.part.files
    # They are no results: the prefix of a module, which absolute paths have not, is not theirs.
    paths = [str(path if MAIN else path.absolute()) for path in files]
    return [path for path in paths if not re.search("[{}]", path)]


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
    return STUDY.trained_at(experiment)


@with_signature
def training_data(wildcards):
    """Data to train on at one resolution, and those of other loss curves."""
    dataset = STUDY.runs[wildcards.experiment].dataset
    resolutions = STUDY.validated(wildcards.experiment, int(wildcards.resolution))
    return [f"results/data/{dataset}/{n}.nc" for n in resolutions]


def model_file(experiment, seed, resolution, suffix):
    """A file of a trained level, under the name of the first experiment that trains it so."""
    owner = STUDY.trained_as(experiment, int(resolution))
    return f"results/models/{owner}/seed{seed}/{resolution}{suffix}"


def histories_of(experiment, seed):
    """Loss curves of an experiment, level by level; none of what is not trained."""
    levels = levels_of(experiment) if STUDY.runs[experiment].trained else []
    return [model_file(experiment, seed, n, ".history.nc") for n in levels]


@with_signature
def histories_of_one(wildcards):
    """Loss curves of the model that the wildcards name, level by level."""
    return histories_of(wildcards.experiment, wildcards.seed)


def coarser(suffix):
    """A file of the level below, or none at the coarsest level."""

    @with_signature
    def path(wildcards):
        experiment, seed = wildcards.experiment, wildcards.seed
        below = [n for n in levels_of(experiment) if n < int(wildcards.resolution)]
        return [model_file(experiment, seed, n, suffix) for n in below[-1:]]

    return path


def weights(suffix):
    """A file of the finest level that an experiment is trained at: what is sampled."""

    @with_signature
    def path(wildcards):
        finest = levels_of(wildcards.experiment)[-1]
        return model_file(wildcards.experiment, wildcards.seed, finest, suffix)

    return path


def fields_to_start_from(experiment, sampler):
    """The data that the finest model of an experiment was trained on, if a sampler asks for them."""
    if sampler is None or not sampler.part.of_training:
        return []
    dataset = STUDY.runs[experiment].dataset
    return [f"results/data/{dataset}/{levels_of(experiment)[-1]}.nc"]


@with_signature
def training_fields(wildcards):
    """What the samples of an experiment start from, where these are training fields."""
    experiment = wildcards.experiment
    return fields_to_start_from(experiment, STUDY.runs[experiment].sampler)


def sharded(folder, block):
    """The files of a job that is divided, by the first and last of what they have; or none."""
    ranges = block.shard_ranges() if block.shards > 1 else ()
    return [f"{folder}/{first}-{last}.shard.safetensors" for first, last in ranges]


def shards_of_samples(wildcards):
    """The shards of samples at one resolution; none where one job draws them all."""
    experiment, seed, n = wildcards.experiment, wildcards.seed, wildcards.resolution
    folder = f"results/samples/{experiment}/seed{seed}/{n}"
    return sharded(folder, STUDY.runs[experiment].samples)


@with_signature
def data(wildcards):
    """Data at one resolution, of the data set that the wildcards name or of the experiment's."""
    experiment = wildcards.get("experiment")
    dataset = STUDY.runs[experiment].dataset if experiment else wildcards.dataset
    return f"results/data/{dataset}/{wildcards.resolution}.nc"


@with_signature
def classifiers(wildcards):
    """The classifiers that see fields at one resolution, where a metric asks them."""
    return classifiers_of(data(wildcards)) if STUDY.classified else []


def classifiers_of(path):
    """The classifiers that see fields like the data in a file."""
    stem, _ = os.path.splitext(path.removeprefix("results/data/"))
    dataset, resolution = os.path.split(stem)
    n = STUDY.classified_at(dataset, int(resolution))
    return [f"results/classifiers/{dataset}/{n}.networks.safetensors"]


def finest_data_of_one(wildcards):
    """Data of the experiment that the wildcards name, at the finest resolution."""
    return data_of(wildcards.experiment)[-1]


def kept_suffix(every):
    """The suffix of the file with the weights of a level after every ``every`` epochs."""
    return f".every{every}.safetensors"


def trained(every):
    """The files of a trained level, by name; with weights on the way where these are kept."""
    stem = "results/models/{experiment}/seed{seed}/{resolution}"
    files = {"weights": ".safetensors", "sidecar": ".json", "history": ".history.nc"}
    kept = {} if every is None else {"kept": kept_suffix(every)}
    return {name: f"{stem}{suffix}" for name, suffix in (files | kept).items()}


def experiments_by_kept_epochs():
    """Names of the trained experiments by how often the weights of their levels are kept."""
    groups = {}
    for name in STUDY.runs:
        if STUDY.runs[name].trained:
            groups.setdefault(STUDY.kept_every(name), []).append(name)
    return groups


def measured():
    """Names of the experiments that have nothing to train."""
    return [name for name, item in STUDY.runs.items() if not item.trained]


def ways_to_train():
    """Names of the rules that train, how often they keep weights, and their experiments.

    Names do not depend on how often: profiles and logs of other studies have them, too.
    """
    groups = experiments_by_kept_epochs()
    if None in groups:
        yield "train", None, groups.pop(None)
    for number, every in enumerate(sorted(groups), start=1):
        suffix = f"_{number}" if number > 1 else ""
        yield f"train_keeping_weights{suffix}", every, groups[every]


def kept_weights(wildcards):
    """Weights on the way of the finest level that an experiment is trained at."""
    finest = levels_of(wildcards.experiment)[-1]
    owner = STUDY.trained_as(wildcards.experiment, finest)
    return weights(kept_suffix(STUDY.kept_every(owner)))(wildcards)
