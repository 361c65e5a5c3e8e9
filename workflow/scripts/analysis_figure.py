"""Draw analyses of one kind together."""

import importlib
from typing import TYPE_CHECKING

from fsdiff.data import storage
from fsdiff.jobs.job import job_of
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

config = snakemake.params.job["config"]
drawn_by = f"fsdiff.reports.plotting.analyses.{config['kind']}"
with job_of(snakemake, __file__, modules=[drawn_by]):
    results = zip(config["titles"], map(storage.read_results, snakemake.input.results), strict=True)
    drawing = importlib.import_module(drawn_by)
    save(drawing.draw(dict(results)), snakemake.output.figure)
