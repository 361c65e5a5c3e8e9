"""Exact experiments: numbers that can be checked against closed forms, and their figures."""


rule analyse:
    output:
        results="results/analyses/{analysis}.nc",
    log:
        "logs/analyse/{analysis}.log",
    benchmark:
        "results/benchmarks/analyse/{analysis}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(240),
    params:
        job=job("analyse", "analysis"),
        lineage=lineage_of_job,
    script:
        "../scripts/analyse.py"


# A rule for each kind, because a rule has one caption.
for kind in sorted({item.kind for item in STUDY.analyses.values()}):

    rule:
        name:
            f"draw_{kind}"
        input:
            results=analyses_drawn,
        output:
            figure=report(
                "results/figures/analyses/{figure}.svg",
                caption=f"../report/analyses/{kind}.rst",
                category="Exact experiments",
                subcategory=kind.replace("_", " "),
                labels={"figure": "{figure}"},
            ),
        log:
            "logs/draw_analyses/{figure}.log",
        benchmark:
            "results/benchmarks/draw_analyses/{figure}.tsv"
        wildcard_constraints:
            figure="|".join(figures_of(kind)),
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(2000),
            runtime=growing(10),
        params:
            job=drawing_analyses,
            lineage=lineage_of_job,
        script:
            "../scripts/analysis_figure.py"
