"""Gather what was judged of posteriors, and of what stands beside them, in one table."""

from collections.abc import Sequence
from pathlib import Path

from fsdiff.reports import tables
from fsdiff.reports.posteriors.summary import IDENTITY
from fsdiff.stages.job import Job
from fsdiff.stages.summary import rows_of_files


def summarise_posteriors(
    job: Job, *, baselines: Sequence[Path], posteriors: Sequence[Path], output: Path
) -> None:
    """Write the rows of all files, those of baselines first, with what identifies each.

    The configuration has what identifies the rows of each file, in the order of the files. Raises
    ValueError where there are none.
    """
    if not baselines and not posteriors:
        raise ValueError("no posterior has been judged yet: there is nothing to summarise")
    rows = rows_of_files(job["config"], baselines=baselines, posteriors=posteriors)
    table = tables.of_rows(rows, ("seed", "resolution"), [*IDENTITY, *_results(rows)])
    texts = dict.fromkeys(["posterior", "title", "experiment"], "")
    tables.write(table.fillna(texts), output)


def _results(rows: Sequence[dict[str, object]]) -> list[str]:
    """Names of all results, in the order in which they come up."""
    return [
        name for name in dict.fromkeys(key for row in rows for key in row) if name not in IDENTITY
    ]
