"""Draw the spectra of the experiments' priors beside that of the training data."""

from typing import TYPE_CHECKING

from fsdiff import logs, parts, storage
from fsdiff.plotting.spectra import prior_spectrum, shell_energy
from fsdiff.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

config = snakemake.params.job["config"]
basis = parts.build("basis", config["basis"])
with storage.read(snakemake.input.data) as dataset:
    spectrum, resolution = dataset["spectrum"].values[0], dataset.sizes["x"]
priors = {}
for item in config["experiments"]:
    eigenvalues = parts.build("prior", item["prior"]).eigenvalues(basis, resolution)
    priors[item["title"]] = shell_energy(eigenvalues, basis, resolution)

figure = prior_spectrum(
    shell_energy(spectrum, basis, resolution), priors, basis=basis, resolution=resolution
)
save(figure, snakemake.output.figure)
