"""Say in words how near experiments come to data, for the first page of the report."""

from collections.abc import Sequence
from pathlib import Path

from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.first_page import in_html, in_markdown
from fsdiff.reports.standings import standings
from fsdiff.stages.job import Job


def verdict(job: Job, *, summary: Path, pictures: Sequence[Path], text: Path, page: Path) -> None:
    """Write the verdict as Markdown to ``text``, and with the pictures in it to ``page``.

    ``pictures`` are of the data sets in the configuration, in its order.
    """
    config = job["config"]
    found = standings(tables.read(summary), [Words(**item) for item in config["words"]])
    write_text(text, in_markdown(found))
    write_text(page, in_html(found, dict(zip(config["datasets"], pictures, strict=True))))
