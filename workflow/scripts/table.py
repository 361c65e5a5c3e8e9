"""Lay out the summary as a page for the report."""

from typing import TYPE_CHECKING

from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.table import summary_html

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    known = [Words(**item) for item in job["config"]["words"]]
    page = summary_html(tables.read(snakemake.input.summary), known=known)
    with atomic(snakemake.output.table) as temporary:
        temporary.write_text(page, encoding="utf-8")
