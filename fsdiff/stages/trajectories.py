"""Gather what samples were like during training in one table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fsdiff.data.storage import read_results
from fsdiff.reports import tables
from fsdiff.stages.job import Job


def gather_trajectories(job: Job, *, trajectories: Sequence[Path], output: Path) -> None:
    """Write what was evaluated after each epoch, with what identifies the models of the files.

    The configuration has what identifies each, in the order of the files.
    """
    evaluations = [
        read_results(path).drop_vars("resolution").to_dataframe().reset_index().assign(**identity)
        for identity, path in zip(job["config"]["models"], trajectories, strict=True)
    ]
    identity = (*tables.IDENTITY, "epoch", "seconds")
    tables.write(tables.identified(pd.concat(evaluations), identity), output)
