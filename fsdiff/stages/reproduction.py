"""Set the claims of a publication beside the summary of a study."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fsdiff.data import json_files
from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.claims import Claim, judge_all
from fsdiff.reports.reproduction import page
from fsdiff.stages.job import Job


def reproduction(
    job: Job,
    *,
    summary: Path,
    trajectories: Path | None,
    searches: Sequence[Path],
    output: Path,
) -> None:
    """Write what became of every claim to ``output``.

    ``trajectories`` are evaluations during training, if there are any, ``searches`` the outcomes of
    the searches, in their order.
    """
    config = job["config"]
    claims = {item["name"]: _claim(item) for item in config["claims"]}
    rows = pd.DataFrame(_rows_of_searches(config["searches"], searches))
    findings = judge_all(
        claims,
        pd.concat([tables.read(summary), rows]),
        None if trajectories is None else tables.read(trajectories),
    )
    known = [Words(**item) for item in config["words"]]
    write_text(output, page(claims, findings, config["experiments"], known))


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
