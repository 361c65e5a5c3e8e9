"""Samples of the finest model at any resolution."""


rule sample:
    input:
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
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
        **GPUS,
        mem_mb=growing(3000),
        runtime=240,
    params:
        job=job("sample", "experiment", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/sample.py"
