"""Say in words how near experiments come to data, for the first page of the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.first_page import in_html, in_markdown
from fsdiff.reports.standings import standings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    known = [Words(**item) for item in job["config"]["words"]]
    found = standings(tables.read(snakemake.input.summary), known)
    names = job["config"]["datasets"]
    pictures = dict(zip(names, map(Path, snakemake.input.pictures), strict=True))
    with atomic(snakemake.output.text) as temporary:
        temporary.write_text(in_markdown(found), encoding="utf-8")
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(in_html(found, pictures), encoding="utf-8")
