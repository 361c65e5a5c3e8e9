"""Draw metrics by resolution, and quality against training time, on one data set."""

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from fsdiff import logs
from fsdiff.plotting.comparison import cost, metric_by_resolution
from fsdiff.plotting.style import save
from fsdiff.plotting.summary import as_table, columns

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

summary = pd.read_csv(snakemake.input.summary)
summary = summary[summary["dataset"] == snakemake.wildcards.dataset]
save(metric_by_resolution(summary), snakemake.output.metrics)

paths = iter(snakemake.input.histories)
histories = {
    item["title"]: [xr.load_dataset(next(paths)) for _ in item["levels"]]
    for item in snakemake.params.job["config"]["experiments"]
}
resolution = int(summary["resolution"].max())
metric = columns(as_table(summary))[0].name
figure = cost(histories, summary, metric=metric, resolution=resolution)
save(figure, snakemake.output.cost)
