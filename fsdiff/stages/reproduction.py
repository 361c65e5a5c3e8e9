"""Set the claims of a publication beside the summary of a study."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fsdiff.data import json_files
from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.claims import Claim, Shares, judge_all
from fsdiff.reports.reproduction import page
from fsdiff.stages.job import Job

if TYPE_CHECKING:
    import xarray as xr


def reproduction(
    job: Job,
    *,
    summary: Path | None,
    trajectories: Path | None,
    searches: Sequence[Path],
    analyses: Sequence[Path] = (),
    output: Path,
) -> None:
    """Write what became of every claim to ``output``.

    ``summary`` is there if the study has experiments. ``trajectories`` are evaluations during
    training, if there are any, ``searches`` the outcomes of the searches, ``analyses`` the results
    of those that claims are about, both in their order.
    """
    config = job["config"]
    claims = {item["name"]: _claim(item) for item in config["claims"]}
    rows = pd.DataFrame(_rows_of_searches(config["searches"], searches))
    known = [Words(**item) for item in config["words"]]
    shares: Shares = {item["name"]: item["shares"] for item in config["analyses"]}
    findings = judge_all(
        claims,
        rows if summary is None else pd.concat([tables.read(summary), rows]),
        None if trajectories is None else tables.read(trajectories),
        results_of_analyses(config["analyses"], analyses),
        {**shares, None: [words.name for words in known if words.share]},
    )
    text = page(claims, findings, config["experiments"], known, config["analyses"])
    write_text(output, text)


def results_of_analyses(
    described: Sequence[Mapping[str, Any]], files: Sequence[Path]
) -> "dict[str, xr.Dataset]":
    """Results of analyses by name."""
    if not described:
        return {}
    # Pages about nothing of the kind are made without the libraries that arrays need.
    from fsdiff.data.storage import read_results

    pairs = zip(described, files, strict=True)
    return {item["name"]: read_results(path) for item, path in pairs}


def _claim(item: Mapping[str, Any]) -> Claim:
    return Claim(**{key: value for key, value in item.items() if key != "name"})


def _rows_of_searches(
    described: Sequence[Mapping[str, Any]], outcomes: Sequence[Path]
) -> Iterator[dict[str, Any]]:
    """A row for each search and seed, such as a summary has."""
    for search, path in zip(described, outcomes, strict=True):
        for agreement in json_files.read(path)["rows"]:
            if agreement["seed"] is not None:
                yield {**search, "row": "search", **agreement}
