"""Draw what tells the experiments on one data set apart: priors, losses, metrics and costs."""

from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.jobs.job import job_of
from fsdiff.measures.roughness import compare_prior
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.comparison import cost, metric_by_resolution
from fsdiff.reports.plotting.history import loss_curves
from fsdiff.reports.plotting.panels import remark
from fsdiff.reports.plotting.pareto import quality_against_cost
from fsdiff.reports.plotting.prior_spectrum import prior_spectrum
from fsdiff.reports.plotting.style import save
from fsdiff.reports.plotting.transfer import trained_by_sampled
from fsdiff.reports.summary import as_table, columns

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    config = job["config"]
    basis = parts.build("basis", config["basis"])
    titles = {item["name"]: item["title"] for item in config["experiments"]}
    with storage.read(snakemake.input.data) as dataset:
        statistics = Statistics.of(dataset)
    spectrum, n = statistics.spectrum, statistics.resolution
    priors = {
        item["name"]: compare_prior(spectrum, parts.build("prior", item["prior"]), basis, n)
        for item in config["experiments"]
        if "prior" in item
    }
    figure = prior_spectrum(priors, titles) if priors else remark("no experiment here has noise")
    save(figure, snakemake.output.priors)

    paths = iter(snakemake.input.histories)
    histories = {
        item["name"]: [storage.read_results(next(paths)) for _ in item["levels"]]
        for item in config["experiments"]
        if item["trained"]
    }
    untrained = remark("no experiment here is trained")
    losses = loss_curves(histories, titles) if histories else untrained
    save(losses, snakemake.output.losses)

    summary = tables.read(snakemake.input.summary)
    summary = summary[summary["dataset"] == snakemake.wildcards.dataset]
    known = [Words(**item) for item in config["words"]]
    save(metric_by_resolution(summary, known=known), snakemake.output.metrics)
    save(trained_by_sampled(summary, known=known), snakemake.output.transfer)

    shown = {
        "metric": columns(as_table(summary), known)[0].name,
        "resolution": int(summary["resolution"].max()),
        "known": known,
    }
    figure = cost(histories, summary, **shown) if histories else untrained
    save(figure, snakemake.output.cost)
    save(quality_against_cost(summary, **shown), snakemake.output.pareto)
