"""Draw how samples of the experiments on one data set come nearer to it during training."""

from pathlib import Path

from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.style import save
from fsdiff.stages.job import Job


def progress(
    job: Job, *, dataset: str, summary: Path, trajectories: Path, epochs: Path, seconds: Path
) -> None:
    """Draw metrics against ``epochs`` and against ``seconds`` of training."""
    known = [Words(**item) for item in job["config"]["words"]]
    end, moments = (
        table[table["dataset"] == dataset] for table in map(tables.read, (summary, trajectories))
    )
    save(metric_by_epoch(moments, end, against="epoch", known=known), epochs)
    save(metric_by_epoch(moments, end, against="seconds", known=known), seconds)
