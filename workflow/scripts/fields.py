"""Draw samples of all experiments beside data at one resolution, with spectra and densities."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.jobs.job import job_of
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import sample_grid
from fsdiff.reports.plotting.grids import grid_of
from fsdiff.reports.plotting.spectra import spectra
from fsdiff.reports.plotting.style import quantity_of, save
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.shells import shell_energy
from fsdiff.stages.files import fields_of, split

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    config = job["config"]
    experiments, basis = config["experiments"], parts.build("basis", config["basis"])
    with storage.read(snakemake.input.data, chunks="auto") as dataset:
        data, statistics, quantity = (
            split(dataset, "test"),
            Statistics.of(dataset),
            quantity_of(dataset),
        )
        grid = grid_of(dataset["field"])
        n = basis.resolution(data)
        last = dataset[basis.axes[-1].name].values
        length = float(last[1] - last[0]) / basis.spacings(n)[-1]
    titles = {item["name"]: item["title"] for item in experiments}
    samples = dict(zip(titles, map(fields_of, map(Path, snakemake.input.samples)), strict=True))
    first = {name: fields[:, :1] for name, fields in samples.items()}
    surrogate = gaussian_fields(statistics.measured(basis), n, range(len(data)), seed=0)
    surrogate, filled = statistics.denormalise(surrogate), lambda fields: fields
    if mask := statistics.mask:
        data, surrogate, filled = *map(mask.emptied, (data, surrogate)), HarmonicFilling(mask, n)
    noise = {
        item["name"]: parts.build("prior", item["prior"]).eigenvalues(basis, n)
        for item in experiments
        if "prior" in item and statistics.transforms is None  # the unit of data has no noise then
    }
    scale = statistics.scale[0].square()
    noise = {name: scale * shell_energy(prior, basis, n) for name, prior in noise.items()}

    panels = sample_grid(
        data, samples, surrogate=surrogate, quantity=quantity, titles=titles, grid=grid
    )
    save(panels, snakemake.output.samples)

    energies = spectra(
        radial_spectrum(filled(data), basis)[1][0],
        {name: radial_spectrum(filled(fields), basis)[1][0] for name, fields in samples.items()},
        basis=basis,
        resolution=n,
        levels=sorted({level for item in experiments for level in item["levels"]}),
        surrogate=radial_spectrum(filled(surrogate), basis)[1][0],
        priors=noise,
        quantity=quantity,
        titles=titles,
    )
    save(energies, snakemake.output.spectra)

    options = {"basis": basis, "length": length, "quantity": quantity, "titles": titles}
    histograms = densities(data[:, :1], first, surrogate=surrogate[:, :1], **options)
    save(histograms, snakemake.output.densities)
