"""Compare hyperparameters on a coarse grid and on a fine one."""

from collections.abc import Sequence
from pathlib import Path

from fsdiff.data import json_files
from fsdiff.data.storage import Provenance
from fsdiff.metrics.words import Words
from fsdiff.reports import ranking, tables
from fsdiff.reports.plotting.ranking import coarse_against_fine
from fsdiff.reports.plotting.style import save
from fsdiff.stages.job import Job


def search(
    job: Job, *, metrics: Sequence[Path], table: Path, agreement: Path, figure: Path
) -> None:
    """Rank the candidates by evaluations on both grids, and tell how far the ranks agree."""
    config = job["config"]
    rows = [row for path in metrics for row in json_files.read(path)["rows"]]
    found = ranking.outcomes(config["runs"], rows, config["metric"])
    compared, agreements = ranking.compared(found), ranking.agreements(found)
    made = Provenance.of_job(job).attributes()
    json_files.write(agreement, {"rows": agreements, **made})
    known = [Words(**item) for item in config["words"]]
    drawn = coarse_against_fine(compared, agreements[0], metric=config["metric"], known=known)
    save(drawn, figure)
    kept = compared[["mean", "std", "rank", "seconds"]]
    kept.columns = [f"{quantity}_at_{n}" for quantity, n in kept.columns]
    tables.write(kept.reset_index(), table)
