"""Draw what tells the experiments on one data set apart: priors, losses, metrics and costs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.measures.roughness import compare_prior
from fsdiff.metrics.words import Words
from fsdiff.parts import build
from fsdiff.reports import tables
from fsdiff.reports.plotting.comparison import cost, metric_by_resolution
from fsdiff.reports.plotting.history import loss_curves
from fsdiff.reports.plotting.panels import remark
from fsdiff.reports.plotting.pareto import quality_against_cost
from fsdiff.reports.plotting.prior_spectrum import prior_spectrum
from fsdiff.reports.plotting.style import save
from fsdiff.reports.plotting.transfer import trained_by_sampled
from fsdiff.reports.summary import as_table, columns
from fsdiff.stages.job import Job

Histories = Mapping[str, Sequence[xr.Dataset]]
"""Loss curves of the experiments that are trained, level by level."""


def comparison(
    job: Job,
    *,
    data: Path,
    summary: Path,
    histories: Sequence[Path],
    figures: Mapping[str, Path],
) -> None:
    """Draw priors beside ``data``, the finest fields of a data set, losses, metrics and costs.

    ``summary`` is the table of the experiments on these data, ``histories`` those of all levels of
    all that are trained, in their order, and ``figures`` the paths of ``priors``, ``losses``,
    ``metrics``, ``transfer``, ``cost`` and ``pareto``.
    """
    config = job["config"]
    trained = histories_by_name(config["experiments"], histories)
    drawn = dict(_of_training(config, data, trained))
    drawn |= _of_results(config, tables.read(summary), trained)
    for name, path in figures.items():
        save(drawn[name], path)


def histories_by_name(experiments: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> Histories:
    """Files of loss curves, one after the other for all levels, by the name of the experiment."""
    following = iter(paths)
    return {
        item["name"]: [storage.read_results(next(following)) for _ in item["levels"]]
        for item in experiments
        if item["trained"]
    }


def _of_training(
    config: Mapping[str, Any], data: Path, histories: Histories
) -> Iterator[tuple[str, Figure]]:
    """The figures of what models are made of and learn."""
    experiments, basis = config["experiments"], build("basis", config["basis"])
    titles = {item["name"]: item["title"] for item in experiments}
    with storage.read(data) as dataset:
        statistics = Statistics.of(dataset)
    spectrum, n = statistics.spectrum, statistics.resolution
    priors = {
        item["name"]: compare_prior(spectrum, build("prior", item["prior"]), basis, n)
        for item in experiments
        if "prior" in item
    }
    noiseless = remark("no experiment here has noise")
    yield "priors", prior_spectrum(priors, titles) if priors else noiseless
    yield "losses", loss_curves(histories, titles) if histories else _untrained()


def _of_results(
    config: Mapping[str, Any], summary: pd.DataFrame, histories: Histories
) -> Iterator[tuple[str, Figure]]:
    """The figures of what samples are like."""
    known = [Words(**item) for item in config["words"]]
    yield "metrics", metric_by_resolution(summary, known=known)
    yield "transfer", trained_by_sampled(summary, known=known)
    shown: dict[str, Any] = {
        "metric": columns(as_table(summary), known)[0].name,
        "resolution": int(summary["resolution"].max()),
        "known": known,
    }
    yield "cost", cost(histories, summary, **shown) if histories else _untrained()
    yield "pareto", quality_against_cost(summary, **shown)


def _untrained() -> Figure:
    return remark("no experiment here is trained")
