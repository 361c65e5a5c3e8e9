"""Draw analyses of one kind together."""

import importlib
from typing import TYPE_CHECKING

from fsdiff import logs, storage
from fsdiff.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

config = snakemake.params.job["config"]
results = zip(config["titles"], map(storage.read_results, snakemake.input.results), strict=True)
drawing = importlib.import_module(f"fsdiff.plotting.analyses.{config['kind']}")
save(drawing.draw(dict(results)), snakemake.output.figure)
