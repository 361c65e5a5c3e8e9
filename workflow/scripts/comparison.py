"""Draw what tells the experiments on one data set apart: priors, losses, metrics and costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
import xarray as xr

from fsdiff import logs, parts, storage
from fsdiff.plotting.comparison import cost, metric_by_resolution
from fsdiff.plotting.history import loss_curves
from fsdiff.plotting.spectra import prior_spectrum
from fsdiff.plotting.style import save
from fsdiff.plotting.summary import as_table, columns
from fsdiff.plotting.transfer import trained_by_sampled
from fsdiff.roughness import Comparison, compare

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def priors_beside_data(path: Path, config: dict[str, Any]) -> dict[str, Comparison]:
    """The spectrum of each experiment's prior beside that of the training data, by title."""
    basis = parts.build("basis", config["basis"])
    with storage.read(path) as dataset:
        spectrum, n = dataset["spectrum"], dataset.sizes["x"]
        # Channels, and frames of series, are all of unit mean square: the roughest one counts.
        average = spectrum.mean([name for name in spectrum.dims if not name.startswith("mode_")])
        data = torch.from_numpy(average.values)
    return {
        item["title"]: compare(
            data, parts.build("prior", item["prior"]).eigenvalues(basis, n), basis, n
        )
        for item in config["experiments"]
    }


logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

config = snakemake.params.job["config"]
save(
    prior_spectrum(priors_beside_data(Path(snakemake.input.data), config)), snakemake.output.priors
)

paths = iter(snakemake.input.histories)
histories = {
    item["title"]: [xr.load_dataset(next(paths)) for _ in item["levels"]]
    for item in config["experiments"]
}
save(loss_curves(histories), snakemake.output.losses)

summary = pd.read_csv(snakemake.input.summary)
summary = summary[summary["dataset"] == snakemake.wildcards.dataset]
save(metric_by_resolution(summary), snakemake.output.metrics)
save(trained_by_sampled(summary), snakemake.output.transfer)

resolution = int(summary["resolution"].max())
metric = columns(as_table(summary))[0].name
figure = cost(histories, summary, metric=metric, resolution=resolution)
save(figure, snakemake.output.cost)
