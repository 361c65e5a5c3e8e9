"""Lay out the summary as a page for the report."""

from pathlib import Path

from fsdiff.jobs.atomic import write_text
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.table import summary_html
from fsdiff.stages.job import Job


def lay_out_table(job: Job, *, summary: Path, output: Path) -> None:
    """Write the table of all experiments as HTML."""
    known = [Words(**item) for item in job["config"]["words"]]
    write_text(output, summary_html(tables.read(summary), known=known))
