"""Coarse-to-fine training: each level is a job, warm-started from the weights of the one below."""


rule train:
    input:
        data=training_data,
        warm_start=coarser_weights,
    output:
        weights="results/models/{experiment}/seed{seed}/{resolution}.safetensors",
        sidecar="results/models/{experiment}/seed{seed}/{resolution}.json",
        history="results/models/{experiment}/seed{seed}/{resolution}.history.nc",
    log:
        "logs/train/{experiment}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/seed{seed}/{resolution}.tsv"
    # The longest chains of jobs are those of training: start them first, sample meanwhile.
    priority: 10
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **GPUS,
        mem_mb=growing(3000),
        runtime=720,
    params:
        job=job("train", "experiment", "resolution", "seed"),
    script:
        "../scripts/train.py"
