"""Samples of the finest model at any resolution."""


rule sample:
    input:
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
        training=training_fields,
        shards=shards_of_samples,
    output:
        samples="results/samples/{experiment}/seed{seed}/{resolution}.nc",
        cost="results/samples/{experiment}/seed{seed}/{resolution}.json",
    log:
        "logs/sample/{experiment}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/sample/{experiment}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **unless_gathered(shards_of_samples),
        mem_mb=growing(sampling_memory),
        runtime=240,
    params:
        job=job("sample", "experiment", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/sample.py"


# Of the same configuration and code as the job that gathers shards, or draws all itself: with another
# number of shards draws stay as they are.
use rule sample as sample_shard with:
    input:
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
        training=training_fields,
    output:
        shard=temp(
            "results/samples/{experiment}/seed{seed}/{resolution}/{first}-{last}.shard.safetensors"
        ),
    log:
        "logs/sample_shard/{experiment}/seed{seed}/{resolution}/{first}-{last}.log",
    benchmark:
        "results/benchmarks/sample_shard/{experiment}/seed{seed}/{resolution}/{first}-{last}.tsv"
