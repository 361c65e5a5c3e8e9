"""Samples against test data, and what real data, a Gaussian surrogate and noise would score."""


# Asked for by metrics that look at fields through them.
rule classify:
    input:
        data="results/data/{dataset}/{resolution}.nc",
    output:
        classifiers="results/classifiers/{dataset}/{resolution}.networks.safetensors",
    log:
        "logs/classify/{dataset}/{resolution}.log",
    benchmark:
        "results/benchmarks/classify/{dataset}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **METRICS_GPUS,
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        job=job("classify", "dataset", "resolution"),
        lineage=lineage_of_job,
    script:
        "../scripts/classify.py"


rule evaluate:
    input:
        samples="results/samples/{experiment}/seed{seed}/{resolution}.nc",
        cost="results/samples/{experiment}/seed{seed}/{resolution}.json",
        data=data,
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
        histories=histories_of_one,
        classifiers=classifiers,
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
        **METRICS_GPUS,
        mem_mb=growing(judging_memory),
        runtime=growing(120),
    params:
        job=job("evaluate", "experiment", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/evaluate.py"


rule reference:
    input:
        data="results/data/{dataset}/{resolution}.nc",
        classifiers=classifiers,
    output:
        metrics="results/metrics/reference/{dataset}/count{number}/{resolution}.json",
    log:
        "logs/reference/{dataset}/count{number}/{resolution}.log",
    benchmark:
        "results/benchmarks/reference/{dataset}/count{number}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **METRICS_GPUS,
        mem_mb=growing(reference_memory),
        runtime=growing(120),
    params:
        job=job("reference", "dataset", "resolution", "number"),
        lineage=lineage_of_job,
    script:
        "../scripts/reference.py"


rule summary:
    input:
        metrics=metrics_of(EVALUATED),
        references=references_of(reference_rows(JUDGED)),
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
        job=summarising(EVALUATED, reference_rows(JUDGED)),
        lineage=lineage_of_job,
    script:
        "../scripts/summary.py"


# The experiments on one data set, whose figures are those of no other.
use rule summary as data_summary with:
    input:
        metrics=lambda wildcards: metrics_of(on_data(EVALUATED, wildcards.dataset)),
        references=lambda wildcards: references_of(
            reference_rows(on_data(JUDGED, wildcards.dataset))
        ),
    output:
        summary="results/summaries/data/{dataset}.csv",
    log:
        "logs/summaries/data/{dataset}.log",
    benchmark:
        "results/benchmarks/summaries/data/{dataset}.tsv"
    params:
        job=lambda wildcards: summarising(
            on_data(EVALUATED, wildcards.dataset),
            reference_rows(on_data(JUDGED, wildcards.dataset)),
        ),
        lineage=lineage_of_job,


# One experiment by itself: snakemake results/summaries/NAME.csv
use rule summary as experiment with:
    input:
        metrics=lambda wildcards: metrics_of(model_rows([wildcards.experiment])),
        references=lambda wildcards: references_of(
            reference_rows(model_rows([wildcards.experiment]))
        ),
    output:
        summary="results/summaries/{experiment}.csv",
    log:
        "logs/summaries/{experiment}.log",
    benchmark:
        "results/benchmarks/summaries/{experiment}.tsv"
    params:
        job=lambda wildcards: summarising(
            model_rows([wildcards.experiment]),
            reference_rows(model_rows([wildcards.experiment])),
        ),
        lineage=lineage_of_job,


# What is evaluated already, also while another run goes on (see docs/cluster.md).
use rule summary as so_far with:
    input:
        metrics=lambda wildcards: metrics_of(rows_so_far()[0]),
        references=lambda wildcards: references_of(rows_so_far()[1]),
    output:
        summary="results/summary_so_far.csv",
    log:
        "logs/summary_so_far.log",
    benchmark:
        "results/benchmarks/summary_so_far.tsv"
    params:
        job=lambda wildcards: summarising(*rows_so_far()),
        lineage=lineage_of_job,
