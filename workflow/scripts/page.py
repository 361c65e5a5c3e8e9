"""Write the page about a study."""

from typing import TYPE_CHECKING

from fsdiff.data import storage
from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.moments import judged
from fsdiff.reports.page import Table, page
from fsdiff.reports.plotting.quality_by_time import quality_by_time
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    known = [Words(**item) for item in config["words"]]
    summary = tables.read(snakemake.input.summary)
    trajectories = next(map(tables.read, snakemake.input.trajectories), None)
    shown = [Table(**item) for item in config["page"]["tables"]]
    figures = [f"figures/{name}" for name in config["page"]["figures"]]
    of_moments = [table for table in shown if table.rows == "moments"]
    for table, path in zip(of_moments, snakemake.output.figures, strict=True):
        found = judged(summary, trajectories, table.resolution, table.samples)
        figure = quality_by_time(found, summary, table.columns, samples=table.samples, known=known)
        save(figure, path)
        figures.append(path.rpartition("results/")[2])
    settings = {**config["page"], "tables": shown, "figures": figures}
    with storage.atomic(snakemake.output.page) as temporary:
        temporary.write_text(page(settings, summary, trajectories, known), encoding="utf-8")
