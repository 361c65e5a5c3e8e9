"""What is observed of functions, and draws of functions given that."""


def observed_data(wildcards):
    """The data set that is observed, at its finest resolution."""
    dataset = STUDY.observations[wildcards.observation].dataset
    return f"results/data/{dataset}/{STUDY.datasets[dataset].resolutions[-1]}.nc"


def observation_file(name):
    """What is observed, by the name of the observation."""
    return f"results/observations/{name}.nc"


def observation_of(block):
    """What a reference or a posterior that the wildcards name is given; ``block`` has them."""

    def path(wildcards):
        name = wildcards.get("reference") or wildcards.posterior
        return observation_file(block[name].observation)

    return path


def weights_of_posterior(suffix):
    """A file of the model that a posterior is drawn from."""

    def path(wildcards):
        name = STUDY.posteriors[wildcards.posterior].experiment
        return model_file(name, wildcards.seed, levels_of(name)[-1], suffix)

    return path


rule observe:
    input:
        data=observed_data,
    output:
        observation="results/observations/{observation}.nc",
    log:
        "logs/observe/{observation}.log",
    benchmark:
        "results/benchmarks/observe/{observation}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        job=job("observe", "observation"),
        lineage=lineage_of_job,
    script:
        "../scripts/observe.py"


rule infer:
    input:
        weights=weights_of_posterior(".safetensors"),
        sidecar=weights_of_posterior(".json"),
        observation=observation_of(STUDY.posteriors),
    output:
        draws="results/posteriors/{posterior}/seed{seed}/{resolution}.nc",
        cost="results/posteriors/{posterior}/seed{seed}/{resolution}.json",
    log:
        "logs/infer/{posterior}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/infer/{posterior}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **GPUS,
        mem_mb=growing(3000),
        runtime=240,
    params:
        job=job("infer", "posterior", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/infer.py"


rule refer:
    input:
        observation=observation_of(STUDY.references),
    output:
        draws="results/references/{reference}/{resolution}.nc",
    log:
        "logs/refer/{reference}/{resolution}.log",
    benchmark:
        "results/benchmarks/refer/{reference}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=720,
    params:
        job=job("refer", "reference", "resolution"),
        lineage=lineage_of_job,
    script:
        "../scripts/refer.py"
