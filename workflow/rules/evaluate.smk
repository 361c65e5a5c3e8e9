"""Samples against test data, and what real data, a Gaussian surrogate and noise would score."""


rule evaluate:
    input:
        samples="results/samples/{experiment}/seed{seed}/{resolution}.nc",
        cost="results/samples/{experiment}/seed{seed}/{resolution}.json",
        data=data,
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
    output:
        metrics="results/metrics/{experiment}/seed{seed}/{resolution}.json",
    log:
        "logs/evaluate/{experiment}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        job=job("evaluate", "experiment", "resolution", "seed"),
    script:
        "../scripts/evaluate.py"


rule reference:
    input:
        data="results/data/{dataset}/{resolution}.nc",
    output:
        metrics="results/metrics/reference/{dataset}/{resolution}.json",
    log:
        "logs/reference/{dataset}/{resolution}.log",
    benchmark:
        "results/benchmarks/reference/{dataset}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        job=job("reference", "dataset", "resolution"),
    script:
        "../scripts/reference.py"


rule summary:
    input:
        metrics=[
            "results/metrics/{experiment}/seed{seed}/{resolution}.json".format(**row)
            for row in model_rows()
        ],
        references=[
            "results/metrics/reference/{dataset}/{resolution}.json".format(**row)
            for row in reference_rows()
        ],
    output:
        summary="results/summary.csv",
    log:
        "logs/summary.log",
    benchmark:
        "results/benchmarks/summary.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=summarising,
    script:
        "../scripts/summary.py"
