"""Compare hyperparameters on a coarse grid and on a fine one."""

from typing import TYPE_CHECKING

from fsdiff import logs, ranking, tables
from fsdiff.plotting.ranking import coarse_against_fine
from fsdiff.plotting.style import save
from fsdiff.storage import read_json, write_json

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

config = snakemake.params.job["config"]
rows = [row for path in snakemake.input.metrics for row in read_json(path)["rows"]]
found = ranking.outcomes(config["runs"], rows, config["metric"])
table, agreements = ranking.compared(found), ranking.agreements(found)
write_json(snakemake.output.agreement, {"rows": agreements})
save(coarse_against_fine(table, agreements[0], metric=config["metric"]), snakemake.output.figure)
kept = table[["mean", "std", "rank", "seconds"]]
kept.columns = [f"{quantity}_at_{n}" for quantity, n in kept.columns]
tables.write(kept.reset_index(), snakemake.output.table)
