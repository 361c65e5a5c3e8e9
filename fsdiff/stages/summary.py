"""Gather the evaluations of all models and references in one table."""

from collections.abc import Sequence
from pathlib import Path

from fsdiff.data import json_files
from fsdiff.reports import tables
from fsdiff.stages.job import Job

WHOLE_NUMBERS = ("seed", "resolution", "trained_at")
"""Columns of integers, of which references lack some."""


def summarise(
    job: Job, *, references: Sequence[Path], models: Sequence[Path], output: Path
) -> None:
    """Write the rows of all files, those of references first, with what identifies each.

    The configuration has what identifies the rows of each file, in the order of the files. Raises
    ValueError where there are none.
    """
    config = job["config"]
    evaluations = [
        *zip(config["references"], references, strict=True),
        *zip(config["models"], models, strict=True),
    ]
    if not evaluations:
        raise ValueError("nothing has been evaluated yet: there is nothing to summarise")
    rows = [
        identity | row for identity, path in evaluations for row in json_files.read(path)["rows"]
    ]
    tables.write(tables.identified(tables.of_rows(rows, WHOLE_NUMBERS)), output)
