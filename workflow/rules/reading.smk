"""Configuration files, looked at before Snakemake makes anything of them."""

import os

from snakemake.exceptions import WorkflowError

from fsdiff import strict_yaml


def look_at(files):
    """Refuse files that are no plain YAML, or too much of it, with the line.

    Snakemake keeps the last of two entries of one name, and says nothing.
    """
    for file in files:
        try:
            strict_yaml.read(file)
        except (OSError, ValueError) as error:
            raise WorkflowError(f"{file}: {error}") from None
