"""Draw the same data and the same samples of one experiment at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff import logs, storage
from fsdiff.plotting.fields import resolution_grid
from fsdiff.plotting.style import save
from fsdiff.stages.files import split

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

experiment = snakemake.params.job["config"]["experiments"][0]
data, samples = {}, {}
for path in map(Path, snakemake.input.data):
    with storage.read(path) as dataset:
        data[int(path.stem)] = split(dataset, "test")
        channel, unit = str(dataset["channel"].values[0]), dataset["field"].attrs["units"]
for path in map(Path, snakemake.input.samples):
    with storage.read(path) as dataset:
        samples[int(path.stem)] = dataset["field"].values

figure = resolution_grid(
    samples,
    data,
    title=experiment["title"],
    finest_trained=experiment["levels"][-1],
    quantity=channel if unit == "1" else f"{channel} [{unit}]",
)
save(figure, snakemake.output.figure)
