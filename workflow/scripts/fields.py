"""Draw samples of all experiments beside data at one resolution, with spectra and densities."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fsdiff import logs, parts, storage
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.models import Statistics
from fsdiff.plotting.distributions import densities
from fsdiff.plotting.fields import sample_grid
from fsdiff.plotting.spectra import spectra
from fsdiff.plotting.style import save
from fsdiff.stages.evaluate import gaussian_surrogate
from fsdiff.stages.files import split

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def read(path: Path) -> Tensor:
    """The samples in a file."""
    with storage.read(path) as dataset:
        return torch.from_numpy(dataset["field"].values)


logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

config = snakemake.params.job["config"]
basis = parts.build("basis", config["basis"])
titles = [item["title"] for item in config["experiments"]]
with storage.read(snakemake.input.data) as dataset:
    data, statistics = split(dataset, "test"), Statistics.of(dataset)
    channel, unit = str(dataset["channel"].values[0]), dataset["field"].attrs["units"]
    length = float(dataset["x"][1] - dataset["x"][0]) * dataset.sizes["x"]
samples = dict(zip(titles, map(read, snakemake.input.samples), strict=True))
resolution = data.shape[-1]
surrogate = gaussian_surrogate(statistics, basis, len(data), resolution)
quantity = channel if unit == "1" else f"{channel} [{unit}]"

figure = sample_grid(data, samples, surrogate=surrogate, quantity=quantity)
save(figure, snakemake.output.samples)

figure = spectra(
    radial_spectrum(data, basis)[1][0],
    {name: radial_spectrum(fields, basis)[1][0] for name, fields in samples.items()},
    basis=basis,
    resolution=resolution,
    levels=sorted({level for item in config["experiments"] for level in item["levels"]}),
    surrogate=radial_spectrum(surrogate, basis)[1][0],
    quantity=quantity,
)
save(figure, snakemake.output.spectra)

figure = densities(
    data[:, :1],
    {name: fields[:, :1] for name, fields in samples.items()},
    basis=basis,
    surrogate=surrogate[:, :1],
    length=length,
    quantity=quantity,
)
save(figure, snakemake.output.densities)
