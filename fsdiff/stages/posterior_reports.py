"""Tell how near posteriors come to the true ones: a table, and words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsdiff.data import json_files
from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.posteriors.first_page import in_html, in_markdown
from fsdiff.reports.posteriors.standings import posterior_standings
from fsdiff.reports.posteriors.summary import NAMES, as_table, observations, titles
from fsdiff.reports.posteriors.table import posteriors_html
from fsdiff.reports.posteriors.verdicts import of_particles, without_measure
from fsdiff.stages.job import Job


def posterior_table(job: Job, *, summary: Path, output: Path) -> None:
    """Lay out the table of posteriors as a page."""
    config = job["config"]
    known = [Words(**item) for item in config["words"]]
    table = tables.read(summary, NAMES)
    write_text(output, posteriors_html(table, known=known, called=config["titles"]))


def posterior_verdict(
    job: Job,
    *,
    summary: Path,
    baselines: Sequence[Path],
    posteriors: Sequence[Path],
    calibrated: Sequence[Path],
    pictures: Sequence[Path],
    text: Path,
    page: Path,
) -> None:
    """Say in words which posteriors are nearest to the true ones, and what others lose.

    ``baselines``, ``calibrated`` and ``pictures`` are what was judged, written and drawn of the
    observations and resolutions in the configuration, in its order; ``posteriors`` is what was
    judged of the posteriors that it has.
    """
    config = job["config"]
    drawn = [(name, int(n)) for name, n, _ in config["drawn"]]
    told = {
        (name, n): {
            "rows": json_files.read(path)["rows"],
            "remark": _remark(json_files.read(judged)) if has_reference else "",
        }
        for (name, n, has_reference), path, judged in zip(
            config["drawn"], calibrated, baselines, strict=True
        )
    }
    judged_by_case: dict[tuple[str, int, str, str], list[Any]] = {}
    for (name, n), path in zip(drawn, baselines, strict=True):
        for kind, cases in json_files.read(path).get("by_case", {}).items():
            judged_by_case[name, n, kind, ""] = [cases]
    notes: dict[tuple[str, int], list[str]] = {
        (name, n): [without_measure(*measure) for measure in config["left_out"].get(name, ())]
        for name, n in drawn
    }
    table = tables.read(summary, NAMES)
    called = {name: titles(part) for name, part in observations(as_table(table)).items()}
    particles: dict[tuple[str, str, int], list[Any]] = {}
    for (name, posterior, n), path in zip(config["posteriors"], posteriors, strict=True):
        judged = json_files.read(path)
        cases = judged["by_case"]["posterior"]
        judged_by_case.setdefault((name, int(n), "posterior", posterior), []).append(cases)
        if told_of := judged.get("particles"):
            particles.setdefault((name, posterior, int(n)), []).append(told_of)
    for (name, posterior, n), told_by_seed in particles.items():
        notes[name, n].append(of_particles(called[name][posterior], told_by_seed))
    found = posterior_standings(table, told, config["titles"], judged_by_case, notes)
    shown = dict(zip(drawn, pictures, strict=True))
    write_text(text, in_markdown(found))
    write_text(page, in_html(found, shown))


def _remark(judged: Mapping[str, Any]) -> str:
    """Why the reference of an observation was not used; empty if it was."""
    told = judged["reference"]
    return "" if told["used"] else str(told["remark"])
