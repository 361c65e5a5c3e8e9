"""Write the page about a study, with the figures that are its own."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from fsdiff.jobs.atomic import atomic
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.combinations import Combinations, multiples
from fsdiff.reports.moments import judged
from fsdiff.reports.page import Table, page, pictures
from fsdiff.reports.plotting.combinations import heat_maps
from fsdiff.reports.plotting.quality_by_time import quality_by_time
from fsdiff.reports.plotting.style import save
from fsdiff.reports.summary import Known
from fsdiff.stages.files import Job


def write_page(job: Job, *, summary: Path, trajectories: Path | None, output: Path) -> None:
    """Write the page to ``output``, and ``pictures`` beside it.

    ``trajectories`` are evaluations during training, if there are any.
    """
    config = job["config"]
    known = [Words(**item) for item in config["words"]]
    settings = {
        **config["page"],
        "tables": [Table(**item) for item in config["page"]["tables"]],
        "combinations": [Combinations(**item) for item in config["page"]["combinations"]],
    }
    rows = tables.read(summary)
    moments = None if trajectories is None else tables.read(trajectories)
    names = pictures(settings["tables"], settings["combinations"])
    drawn = _figures(settings, rows, moments, config["variations"], known)
    for name, figure in zip(names, drawn, strict=True):
        save(figure, output.parent / name)
    settings["figures"] = [*(f"figures/{name}" for name in settings["figures"]), *names]
    with atomic(output) as temporary:
        text = page(settings, rows, moments, config["variations"], known)
        temporary.write_text(text, encoding="utf-8")


def _figures(
    settings: Mapping[str, Any],
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    variations: Mapping[str, Any],
    known: Known,
) -> Iterator[Figure]:
    """Those of ``pictures``, in their order."""
    shown: Sequence[Table] = settings["tables"]
    for table in shown:
        if table.rows == "moments":
            found = judged(summary, trajectories, table.resolution, table.samples)
            yield quality_by_time(found, summary, table.columns, samples=table.samples, known=known)
    for ranked in settings["combinations"]:
        yield heat_maps(multiples(ranked, summary, variations, known), known=known)
