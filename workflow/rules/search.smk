"""Searches for hyperparameters on a coarse grid and on a fine one, as parameter spaces."""


rule search:
    input:
        metrics=lambda wildcards: metrics_of(candidates(wildcards.search)),
    output:
        table=report(
            "results/searches/{search}.csv",
            caption="../report/search_table.rst",
            category="Searches",
            labels={"search": "{search}", "result": "table"},
        ),
        agreement="results/searches/{search}.json",
        figure=report(
            "results/figures/searches/{search}.svg",
            caption="../report/search.rst",
            category="Searches",
            labels={"search": "{search}", "result": "figure"},
        ),
    log:
        "logs/search/{search}.log",
    benchmark:
        "results/benchmarks/search/{search}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=searching,
        lineage=lineage_of_job,
    script:
        "../scripts/search.py"
