"""Draw how near posteriors come to the true ones, by resolution."""

from pathlib import Path

from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.posteriors.errors import errors_by_resolution
from fsdiff.reports.plotting.style import save
from fsdiff.reports.posteriors.summary import NAMES
from fsdiff.stages.job import Job


def posterior_errors(job: Job, *, observation: str, summary: Path, output: Path) -> None:
    """Draw the errors of the posteriors of one observation by resolution."""
    known = [Words(**item) for item in job["config"]["words"]]
    table = tables.read(summary, NAMES)
    save(errors_by_resolution(table[table["observation"] == observation], known=known), output)
