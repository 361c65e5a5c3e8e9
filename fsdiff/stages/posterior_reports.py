"""Tell how near posteriors come to the true ones: a table, figures by resolution, words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsdiff.data.storage import read_json
from fsdiff.jobs.atomic import atomic
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.posteriors.errors import errors_by_resolution
from fsdiff.reports.plotting.style import save
from fsdiff.reports.posteriors.first_page import in_html, in_markdown
from fsdiff.reports.posteriors.standings import posterior_standings
from fsdiff.reports.posteriors.summary import NAMES
from fsdiff.reports.posteriors.table import posteriors_html
from fsdiff.stages.files import Job


def posterior_table(job: Job, *, summary: Path, output: Path) -> None:
    """Lay out the table of posteriors as a page."""
    config = job["config"]
    known = [Words(**item) for item in config["words"]]
    page = posteriors_html(tables.read(summary, NAMES), known=known, called=config["titles"])
    with atomic(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def posterior_errors(job: Job, *, observation: str, summary: Path, output: Path) -> None:
    """Draw the errors of the posteriors of one observation by resolution."""
    known = [Words(**item) for item in job["config"]["words"]]
    table = tables.read(summary, NAMES)
    save(errors_by_resolution(table[table["observation"] == observation], known=known), output)


def posterior_verdict(
    job: Job,
    *,
    summary: Path,
    baselines: Sequence[Path],
    calibrated: Sequence[Path],
    pictures: Sequence[Path],
    text: Path,
    page: Path,
) -> None:
    """Say in words which posteriors are nearest to the true ones, and what others lose.

    ``baselines``, ``calibrated`` and ``pictures`` are what was judged, written and drawn of the
    observations and resolutions in the configuration, in its order.
    """
    config = job["config"]
    drawn = [(name, int(n)) for name, n, _ in config["drawn"]]
    told = {
        (name, n): {
            "rows": read_json(path)["rows"],
            "remark": _remark(read_json(judged)) if has_reference else "",
        }
        for (name, n, has_reference), path, judged in zip(
            config["drawn"], calibrated, baselines, strict=True
        )
    }
    found = posterior_standings(tables.read(summary, NAMES), told, config["titles"])
    shown = dict(zip(drawn, pictures, strict=True))
    for path, content in ((text, in_markdown(found)), (page, in_html(found, shown))):
        with atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _remark(judged: Mapping[str, Any]) -> str:
    """Why the reference of an observation was not used; empty if it was."""
    told = judged["reference"]
    return "" if told["used"] else str(told["remark"])
