"""Gather the evaluations of all models and references in one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsdiff.data import json_files
from fsdiff.reports import tables
from fsdiff.reports.summary import LEVEL_SECONDS
from fsdiff.stages.job import Job

WHOLE_NUMBERS = ("seed", "resolution", "count", "trained_at")
"""Columns of integers, of which references lack some."""


def summarise(
    job: Job, *, references: Sequence[Path], models: Sequence[Path], output: Path
) -> None:
    """Write the rows of all files, those of references first, with what identifies each.

    The configuration has what identifies the rows of each file, in the order of the files. Raises
    ValueError where there are none.
    """
    if not references and not models:
        raise ValueError("nothing has been evaluated yet: there is nothing to summarise")
    rows = rows_of_files(job["config"], references=references, models=models)
    rows = with_all_levels(rows)
    tables.write(tables.identified(tables.of_rows(rows, WHOLE_NUMBERS)), output)


def with_all_levels(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, in which models have spent no time on levels that are those of others alone."""
    levels = {name: 0.0 for row in rows for name in row if name.startswith(LEVEL_SECONDS)}
    return [{**row, **levels, **row} if "training_seconds" in row else {**row} for row in rows]


def rows_of_files(config: Mapping[str, Any], **groups: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of all files, group after group, with what the configuration says of each file."""
    return [
        identity | row
        for group, paths in groups.items()
        for identity, path in zip(config[group], paths, strict=True)
        for row in json_files.read(path)["rows"]
    ]
