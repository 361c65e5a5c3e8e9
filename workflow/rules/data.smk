"""Fields of a differential equation or from files, merged and restricted to each resolution."""


# A shard is named by its first and last sample: with another number of shards these files differ,
# and the data set, once merged, stays as it is. Files that are read are told apart by their digest
# in the parameter, not by their age.
rule simulate:
    input:
        files=ancient(files_read),
    output:
        shard=temp("results/data/{dataset}/shards/{first}-{last}.nc"),
    log:
        "logs/simulate/{dataset}/{first}-{last}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}/{first}-{last}.tsv"
    priority: SOUGHT
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        **DATA_GPUS,
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        job=job("simulate", "dataset"),
        lineage=lineage_of_job,
    script:
        "../scripts/simulate.py"


rule dataset:
    input:
        shards=shards,
    output:
        dataset="results/data/{dataset}/dataset.nc",
    log:
        "logs/dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/dataset/{dataset}.tsv"
    priority: SOUGHT
    conda:
        "../../envs/fsdiff.yaml"
    # Two would wait until two cores are free together, while others take each that is.
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        job=merging,
        lineage=lineage_of_job,
    script:
        "../scripts/dataset.py"


rule hierarchy:
    input:
        dataset="results/data/{dataset}/dataset.nc",
    output:
        data="results/data/{dataset}/{resolution}.nc",
    log:
        "logs/hierarchy/{dataset}/{resolution}.log",
    benchmark:
        "results/benchmarks/hierarchy/{dataset}/{resolution}.tsv"
    priority: SOUGHT
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        job=job("hierarchy", "dataset", "resolution"),
        lineage=lineage_of_job,
    script:
        "../scripts/hierarchy.py"
