"""Write the page about a study, with the figures that are its own."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.combinations import Combinations, multiples
from fsdiff.reports.differences import Differences
from fsdiff.reports.findings import Findings
from fsdiff.reports.page import Contents, Picture, Table, page, pictures
from fsdiff.reports.plotting.combinations import heat_maps
from fsdiff.reports.plotting.quality_by_time import quality_by_time
from fsdiff.reports.plotting.style import save
from fsdiff.reports.posteriors.summary import NAMES
from fsdiff.reports.posteriors.targets import Target
from fsdiff.reports.sooner import Sooner
from fsdiff.reports.summary import Known
from fsdiff.stages.job import Job
from fsdiff.stages.reproduction import results_of_analyses

Part = TypeVar("Part")


def write_page(
    job: Job,
    *,
    summary: Path | None,
    trajectories: Path | None,
    claims: Path | None,
    posteriors: Path | None,
    judged: Path | None = None,
    analyses: Sequence[Path] = (),
    output: Path,
) -> None:
    """Write the page to ``output``, and ``pictures`` beside it.

    ``summary`` is there if the study has experiments. ``trajectories`` are evaluations during
    training, if there are any. ``claims`` is the page about what became of a publication's claims,
    ``posteriors`` the verdict on these, if they are a part of this one. ``judged`` is the table of
    posteriors, if there are targets. ``analyses`` are the results of those that it has numbers of,
    in their order.
    """
    config = job["config"]
    contents = _contents(config, claims, posteriors)
    known = [Words(**item) for item in config["words"]]
    rows = pd.DataFrame() if summary is None else tables.read(summary)
    moments = None if trajectories is None else tables.read(trajectories)
    names = pictures(contents.tables, contents.combinations)
    drawn = _figures(contents, rows, moments, config["variations"], known)
    for name, figure in zip(names, drawn, strict=True):
        save(figure, output.parent / name)
    found = results_of_analyses(config["analyses"], analyses)
    called = {item["name"]: item["title"] for item in config["analyses"]}
    told = None
    if judged is not None:
        told = tables.read(judged, NAMES), [Words(**item) for item in config["posterior_words"]]
    text = page(contents, rows, moments, config["variations"], known, (found, called), told)
    write_text(output, text)


def _contents(config: Mapping[str, Any], claims: Path | None, posteriors: Path | None) -> Contents:
    """What a configuration says of a page."""
    block = config["page"]
    return Contents(
        title=block["title"],
        text=block["text"],
        claims=_text(claims),
        posteriors=_text(posteriors),
        targets=_parts(Target, block["targets"]),
        chance=config.get("chance", ()),
        differences=_parts(Differences, block["differences"]),
        sooner=_parts(Sooner, block["sooner"]),
        tables=_parts(Table, block["tables"]),
        combinations=_parts(Combinations, block["combinations"]),
        analyses=_parts(Findings, block["analyses"]),
        figures=_parts(Picture, block["figures"]),
    )


def _text(path: Path | None) -> str:
    return "" if path is None else path.read_text(encoding="utf-8")


def _parts(described: type[Part], blocks: Sequence[Mapping[str, Any]]) -> list[Part]:
    return [described(**block) for block in blocks]


def _figures(
    contents: Contents,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    variations: Mapping[str, Any],
    known: Known,
) -> Iterator[Figure]:
    """Those of ``pictures``, in their order."""
    for table in contents.tables:
        if table.rows == "moments":
            found = table.moments(summary, trajectories)
            yield quality_by_time(found, summary, table.columns, samples=table.samples, known=known)
    for ranked in contents.combinations:
        yield heat_maps(multiples(ranked, summary, variations, known), known=known)
