"""Draw the same data and the same samples of one experiment at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.resolutions import resolutions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    resolutions(
        job,
        data={int(path.stem): path for path in map(Path, snakemake.input.data)},
        samples={int(path.stem): path for path in map(Path, snakemake.input.samples)},
        figure=Path(snakemake.output.figure),
    )
