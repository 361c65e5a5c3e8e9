"""Figures, table and verdict of posteriors."""


rule posterior_pages:
    input:
        observation="results/observations/{observation}.nc",
        posteriors=posteriors_drawn,
        references=reference_drawn,
        data=truths,
    output:
        fields=report(
            "results/figures/posteriors/{observation}/fields-{resolution}.png",
            caption="../report/posterior_fields.rst",
            category="Posteriors",
            subcategory="{observation}",
            labels={"figure": "posteriors beside truth", "resolution": "{resolution}"},
        ),
        calibration=report(
            "results/figures/posteriors/{observation}/calibration-{resolution}.svg",
            caption="../report/posterior_calibration.rst",
            category="Posteriors",
            subcategory="{observation}",
            labels={"figure": "calibration", "resolution": "{resolution}"},
        ),
        numbers="results/metrics/calibration/{observation}/{resolution}.json",
    log:
        "logs/posterior_pages/{observation}/{resolution}.log",
    benchmark:
        "results/benchmarks/posterior_pages/{observation}/{resolution}.tsv"
    conda:
        "../../envs/fsdiff.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        job=drawing_posteriors("posterior_pages"),
        lineage=lineage_of_job,
    script:
        "../scripts/posterior_pages.py"


if FIGURES.forecasts:

    rule posterior_forecast:
        input:
            observation="results/observations/{observation}.nc",
            posteriors=posteriors_drawn,
            references=reference_drawn,
            data=truths,
        output:
            figure=report(
                "results/figures/posteriors/{observation}/forecast-{resolution}.svg",
                caption="../report/posterior_forecast.rst",
                category="Posteriors",
                subcategory="{observation}",
                labels={"figure": "spread and error", "resolution": "{resolution}"},
            ),
        log:
            "logs/posterior_forecast/{observation}/{resolution}.log",
        benchmark:
            "results/benchmarks/posterior_forecast/{observation}/{resolution}.tsv"
        wildcard_constraints:
            observation="|".join(FIGURES.forecasts),
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(3000),
            runtime=growing(20),
        params:
            job=drawing_posteriors("posterior_forecast"),
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_forecast.py"


if FIGURES.on_several_grids:

    rule posterior_resolutions:
        input:
            observation="results/observations/{observation}.nc",
            posteriors=posteriors_on_all_grids,
            references=references_on_all_grids,
            data=truths_on_all_grids,
        output:
            figure=report(
                "results/figures/posteriors/{observation}/resolutions.png",
                caption="../report/posterior_resolutions.rst",
                category="Posteriors",
                subcategory="{observation}",
                labels={"figure": "the same case", "resolution": "all"},
            ),
        log:
            "logs/posterior_resolutions/{observation}.log",
        benchmark:
            "results/benchmarks/posterior_resolutions/{observation}.tsv"
        wildcard_constraints:
            observation="|".join(FIGURES.on_several_grids),
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(3000),
            runtime=growing(20),
        params:
            job=drawing_grids,
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_resolutions.py"


if FIGURES.observations_judged:

    rule posterior_summary:
        input:
            baselines=judged_baselines(),
            posteriors=judged_posteriors(),
        output:
            summary="results/posteriors.csv",
        log:
            "logs/posterior_summary.log",
        benchmark:
            "results/benchmarks/posterior_summary.tsv"
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=described(
                "posterior_summary",
                {"baselines": baseline_rows(), "posteriors": posterior_rows()},
            ),
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_summary.py"

    rule posterior_table:
        input:
            summary="results/posteriors.csv",
        output:
            table=report(
                "results/figures/posteriors.html",
                caption="../report/posterior_table.rst",
                category="Posteriors",
                labels={"figure": "table of posteriors"},
            ),
        log:
            "logs/posterior_table.log",
        benchmark:
            "results/benchmarks/posterior_table.tsv"
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=telling_posteriors("posterior_table"),
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_table.py"

    rule posterior_errors:
        input:
            summary="results/posteriors.csv",
        output:
            figure=report(
                "results/figures/posteriors/{observation}/errors.svg",
                caption="../report/posterior_errors.rst",
                category="Posteriors",
                subcategory="{observation}",
                labels={"figure": "errors by resolution"},
            ),
        log:
            "logs/posterior_errors/{observation}.log",
        benchmark:
            "results/benchmarks/posterior_errors/{observation}.tsv"
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=telling_posteriors("posterior_errors"),
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_errors.py"

    # The pictures stand in the page, which the description of the report takes in.
    rule posterior_verdict:
        input:
            summary="results/posteriors.csv",
            baselines=judged_baselines(),
            posteriors=judged_posteriors(),
            calibrated=[
                f"results/metrics/calibration/{name}/{n}.json"
                for name, n in FIGURES.observations_drawn
            ],
            pictures=in_folder(FIGURES.by_observation("fields-{}.png")),
        output:
            text=report(
                "results/posteriors.md",
                caption="../report/posterior_verdict.rst",
                category="Posteriors",
                labels={"figure": "verdict"},
            ),
            page="results/posteriors.html",
        log:
            "logs/posterior_verdict.log",
        benchmark:
            "results/benchmarks/posterior_verdict.tsv"
        conda:
            "../../envs/fsdiff.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            job=described(
                "posterior_verdict",
                {
                    "titles": {
                        name: observation_title(name)
                        for name in FIGURES.observations_judged
                    },
                    "drawn": [
                        [name, n, STUDY.reference_of(name, n) is not None]
                        for name, n in FIGURES.observations_drawn
                    ],
                    "posteriors": [
                        [row["observation"], row["posterior"], row["resolution"]]
                        for row in posterior_rows()
                    ],
                    "left_out": {
                        name: STUDY.left_out(name)
                        for name in FIGURES.observations_judged
                    },
                },
            ),
            lineage=lineage_of_job,
        script:
            "../scripts/posterior_verdict.py"
