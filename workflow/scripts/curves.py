"""Draw the loss curves of all experiments on a data set."""

from typing import TYPE_CHECKING

import xarray as xr

from fsdiff import logs
from fsdiff.plotting.history import loss_curves
from fsdiff.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

paths = iter(snakemake.input.histories)
histories = {
    item["title"]: [xr.load_dataset(next(paths)) for _ in item["levels"]]
    for item in snakemake.params.job["config"]["experiments"]
}
save(loss_curves(histories), snakemake.output.figure)
