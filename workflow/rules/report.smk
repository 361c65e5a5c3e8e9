"""Figures and the table of the report."""

SUMMARY = ["results/summary.csv"] if STUDY.experiments else []
"""What pages read of experiments, if there are any."""


rule data_pages:
    input:
        data=data_at_all_resolutions,
    output:
        fields=report(
            "results/figures/{dataset}/data/fields.png",
            caption="../report/data_fields.rst",
            category="Data",
            subcategory="{dataset}",
            labels={"figure": "fields"},
        ),
        spectra=report(
            "results/figures/{dataset}/data/spectra.svg",
            caption="../report/data_spectra.rst",
            category="Data",
            subcategory="{dataset}",
            labels={"figure": "spectra by resolution"},
        ),
        densities=report(
            "results/figures/{dataset}/data/densities.svg",
            caption="../report/data_densities.rst",
            category="Data",
            subcategory="{dataset}",
            labels={"figure": "densities by resolution"},
        ),
    log:
        "logs/data_pages/{dataset}.log",
    benchmark:
        "results/benchmarks/data_pages/{dataset}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        job=job("data_pages", "dataset"),
        lineage=lineage_of_job,
    script:
        "../scripts/data_pages.py"


rule balances:
    output:
        solutions=report(
            "results/figures/{dataset}/data/solutions.png",
            caption="../report/solutions.rst",
            category="Data",
            subcategory="{dataset}",
            labels={"figure": "solutions"},
        ),
        balances=report(
            "results/figures/{dataset}/data/balances.svg",
            caption="../report/balances.rst",
            category="Data",
            subcategory="{dataset}",
            labels={"figure": "balances"},
        ),
    log:
        "logs/balances/{dataset}.log",
    benchmark:
        "results/benchmarks/balances/{dataset}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        job=job("balances", "dataset"),
        lineage=lineage_of_job,
    script:
        "../scripts/balances.py"


rule fields:
    input:
        data=data,
        samples=samples_drawn,
    output:
        samples=report(
            "results/figures/{dataset}/samples-{resolution}.png",
            caption="../report/sample_grid.rst",
            category="Samples",
            subcategory="{dataset}",
            labels={"figure": "samples beside data", "resolution": "{resolution}"},
        ),
        spectra=report(
            "results/figures/{dataset}/spectra-{resolution}.svg",
            caption="../report/spectra.rst",
            category="Spectra",
            subcategory="{dataset}",
            labels={"figure": "energy spectrum", "resolution": "{resolution}"},
        ),
        densities=report(
            "results/figures/{dataset}/densities-{resolution}.svg",
            caption="../report/densities.rst",
            category="Densities",
            subcategory="{dataset}",
            labels={"figure": "densities", "resolution": "{resolution}"},
        ),
    log:
        "logs/fields/{dataset}/{resolution}.log",
    benchmark:
        "results/benchmarks/fields/{dataset}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        job=drawing("fields", "prior"),
        lineage=lineage_of_job,
    script:
        "../scripts/fields.py"


rule resolutions:
    input:
        data=data_at_all_resolutions,
        samples=samples_at_all_resolutions,
    output:
        figure=report(
            "results/figures/{dataset}/resolutions/{experiment}.png",
            caption="../report/resolution_grid.rst",
            category="Samples",
            subcategory="{dataset}",
            labels={
                "figure": "the same samples of {experiment}",
                "resolution": "all",
            },
        ),
    log:
        "logs/resolutions/{dataset}/{experiment}.log",
    benchmark:
        "results/benchmarks/resolutions/{dataset}/{experiment}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        job=drawing("resolutions", "resolutions"),
        lineage=lineage_of_job,
    script:
        "../scripts/resolutions.py"


rule comparison:
    input:
        summary="results/summaries/data/{dataset}.csv",
        histories=histories,
        data=finest_data,
    output:
        priors=report(
            "results/figures/{dataset}/prior_spectrum.svg",
            caption="../report/prior_spectrum.rst",
            category="Spectra",
            subcategory="{dataset}",
            labels={"figure": "priors beside data", "resolution": "finest"},
        ),
        losses=report(
            "results/figures/{dataset}/loss_curves.svg",
            caption="../report/loss_curves.rst",
            category="Training",
            subcategory="{dataset}",
            labels={"figure": "loss curves"},
        ),
        metrics=report(
            "results/figures/{dataset}/metric_by_resolution.svg",
            caption="../report/metric_by_resolution.rst",
            category="Metrics",
            subcategory="{dataset}",
            labels={"figure": "metrics by resolution"},
        ),
        transfer=report(
            "results/figures/{dataset}/trained_by_sampled.svg",
            caption="../report/trained_by_sampled.rst",
            category="Metrics",
            subcategory="{dataset}",
            labels={"figure": "trained on and sampled on"},
        ),
        cost=report(
            "results/figures/{dataset}/cost.svg",
            caption="../report/cost.rst",
            category="Training",
            subcategory="{dataset}",
            labels={"figure": "cost"},
        ),
        pareto=report(
            "results/figures/{dataset}/pareto.svg",
            caption="../report/pareto.rst",
            category="Metrics",
            subcategory="{dataset}",
            labels={"figure": "quality against cost"},
        ),
    log:
        "logs/comparison/{dataset}.log",
    benchmark:
        "results/benchmarks/comparison/{dataset}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        job=drawing("comparison", "prior", words=STUDY.words()),
        lineage=lineage_of_job,
    script:
        "../scripts/comparison.py"


rule table:
    input:
        summary="results/summary.csv",
    output:
        table=report(
            "results/figures/summary.html",
            caption="../report/summary.rst",
            category="Metrics",
            labels={"figure": "summary table"},
        ),
    log:
        "logs/table.log",
    benchmark:
        "results/benchmarks/table.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=described("table", {"words": STUDY.words()}),
        lineage=lineage_of_job,
    script:
        "../scripts/table.py"


# The pictures stand in the page, which the description of the report takes in.
rule verdict:
    input:
        summary="results/summary.csv",
        pictures=[finest_picture(dataset) for dataset in datasets_judged()],
    output:
        text=report(
            "results/verdict.md",
            caption="../report/verdict.rst",
            category="Metrics",
            labels={"figure": "verdict"},
        ),
        page="results/verdict.html",
    log:
        "logs/verdict.log",
    benchmark:
        "results/benchmarks/verdict.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=described(
            "verdict", {"datasets": datasets_judged(), "words": STUDY.words()}
        ),
        lineage=lineage_of_job,
    script:
        "../scripts/verdict.py"


rule reproduction:
    input:
        summary=SUMMARY,
        trajectories=["results/trajectories.csv"] if EVALUATED_DURING_TRAINING else [],
        searches=outcomes(STUDY.searches),
        analyses=results_of_analyses(STUDY.claimed_analyses),
    output:
        page=report(
            "results/reproduction.md",
            caption="../report/reproduction.rst",
            category="Claims",
            labels={"figure": "published claims and what was found"},
        ),
    log:
        "logs/reproduction.log",
    benchmark:
        "results/benchmarks/reproduction.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        job=described("reproduction", STUDY.reproduction_slice()),
        lineage=lineage_of_job,
    script:
        "../scripts/reproduction.py"


if STUDY.page:

    rule page:
        input:
            summary=SUMMARY,
            trajectories=(
                ["results/trajectories.csv"] if EVALUATED_DURING_TRAINING else []
            ),
            claims=["results/reproduction.md"] if STUDY.page.claims else [],
            posteriors=["results/posteriors.md"] if STUDY.page.posteriors else [],
            judged=["results/posteriors.csv"] if STUDY.page.targets else [],
            analyses=results_of_analyses(STUDY.page.findings),
            figures=[f"results/figures/{path}" for path in figures_of_page()],
        output:
            page=report(
                "results/page.md",
                caption="../report/page.rst",
                category="Study",
                labels={"figure": "question and answer"},
            ),
            figures=[f"results/{name}" for name in STUDY.page.pictures],
        log:
            "logs/page.log",
        benchmark:
            "results/benchmarks/page.tsv"
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=described("page", STUDY.page_slice()),
            lineage=lineage_of_job,
        script:
            "../scripts/page.py"
