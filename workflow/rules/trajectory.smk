"""Samples during training: evaluated with the weights that are kept on the way."""


rule trajectory:
    input:
        weights=weights(".safetensors"),
        sidecar=weights(".json"),
        kept=kept_weights,
        histories=histories_of_one,
        data=data,
        classifiers=classifiers,
        training=training_fields,
    output:
        trajectory="results/trajectories/{experiment}/seed{seed}/{resolution}.nc",
    log:
        "logs/trajectory/{experiment}/seed{seed}/{resolution}.log",
    benchmark:
        "results/benchmarks/trajectory/{experiment}/seed{seed}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **GPUS,
        mem_mb=growing(trajectory_memory),
        runtime=240,
    params:
        job=job("trajectory", "experiment", "resolution", "seed"),
        lineage=lineage_of_job,
    script:
        "../scripts/trajectory.py"


rule trajectories:
    input:
        trajectories=trajectories_of(EVALUATED_DURING_TRAINING),
    output:
        table="results/trajectories.csv",
    log:
        "logs/trajectories.log",
    benchmark:
        "results/benchmarks/trajectories.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=described("trajectories", {"models": EVALUATED_DURING_TRAINING}),
        lineage=lineage_of_job,
    script:
        "../scripts/trajectories.py"


rule progress:
    input:
        summary="results/summary.csv",
        trajectories="results/trajectories.csv",
    output:
        epochs=report(
            "results/figures/{dataset}/metric_by_epoch.svg",
            caption="../report/metric_by_epoch.rst",
            category="Training",
            subcategory="{dataset}",
            labels={"figure": "metrics by epoch"},
        ),
        seconds=report(
            "results/figures/{dataset}/metric_by_seconds.svg",
            caption="../report/metric_by_epoch.rst",
            category="Training",
            subcategory="{dataset}",
            labels={"figure": "metrics by training time"},
        ),
    log:
        "logs/progress/{dataset}.log",
    benchmark:
        "results/benchmarks/progress/{dataset}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=described("progress", {"words": STUDY.words()}),
        lineage=lineage_of_job,
    script:
        "../scripts/progress.py"
