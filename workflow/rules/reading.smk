"""Folders and configuration files, looked at before Snakemake makes anything of them."""

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from fsdiff.study import strict_yaml

for folder in (Path(str(workflow.current_basedir)).parents[1], Path.cwd()):
    if {"{", "}"} & {*str(folder)}:
        raise WorkflowError(
            f"{folder}: Snakemake takes braces in the names of folders for wildcards; choose a "
            "folder without them"
        )


def check_files(files):
    """Refuse files that are no plain YAML, or too much of it, with the line.

    Snakemake keeps the last of two entries of one name, and says nothing.
    """
    for file in files:
        try:
            strict_yaml.read(file)
        except (OSError, ValueError) as error:
            raise WorkflowError(f"{file}: {error}") from None
