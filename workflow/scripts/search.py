"""Compare hyperparameters on a coarse grid and on a fine one."""

from typing import TYPE_CHECKING

from fsdiff.data.storage import Provenance, read_json, write_json
from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import ranking, tables
from fsdiff.reports.plotting.ranking import coarse_against_fine
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    rows = [row for path in snakemake.input.metrics for row in read_json(path)["rows"]]
    found = ranking.outcomes(config["runs"], rows, config["metric"])
    table, agreements = ranking.compared(found), ranking.agreements(found)
    made = Provenance.of_job(job).attributes()
    write_json(snakemake.output.agreement, {"rows": agreements, **made})
    known = [Words(**item) for item in config["words"]]
    figure = coarse_against_fine(table, agreements[0], metric=config["metric"], known=known)
    save(figure, snakemake.output.figure)
    kept = table[["mean", "std", "rank", "seconds"]]
    kept.columns = [f"{quantity}_at_{n}" for quantity, n in kept.columns]
    tables.write(kept.reset_index(), snakemake.output.table)
