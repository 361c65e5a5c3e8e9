"""Draw the spectra of the experiments' priors beside that of the training data."""

from typing import TYPE_CHECKING

import torch

from fsdiff import logs, parts, storage
from fsdiff.plotting.spectra import prior_spectrum
from fsdiff.plotting.style import save
from fsdiff.roughness import compare

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

config = snakemake.params.job["config"]
basis = parts.build("basis", config["basis"])
with storage.read(snakemake.input.data) as dataset:
    spectrum, n = dataset["spectrum"], dataset.sizes["x"]
    # Channels, and the frames of series, are all of unit mean square: the roughest one counts.
    average = spectrum.mean([name for name in spectrum.dims if not name.startswith("mode_")])
    data = torch.from_numpy(average.values)
comparisons = {}
for item in config["experiments"]:
    eigenvalues = parts.build("prior", item["prior"]).eigenvalues(basis, n)
    comparisons[item["title"]] = compare(data, eigenvalues, basis, n)

save(prior_spectrum(comparisons), snakemake.output.figure)
