"""Matrices of numbers as text, as numpy.savetxt and spreadsheets write them."""

from contextlib import ExitStack
from pathlib import Path

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.table import FEW, numbered
from fsdiff.data.sources.formats.tables import read_table
from fsdiff.jobs.failures import StorageError


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The matrix of a file, called ``field``; StorageError for tables that are none.

    Names of columns, text and rows of places and values, such as (x, y, u), are none of it.
    """
    table = read_table(path)
    rows, columns = len(table.values), len(table.names)
    if table.labels or table.names != numbered(table.names):
        raise StorageError(
            f"{path} has names of columns, or text beside numbers: fields in text are numbers "
            "alone, a row of nodes in each line; curves in tables are read by kind: curves"
        )
    if columns <= FEW < rows:
        raise StorageError(
            f"{path} has {columns} columns and {rows} rows, as of a place and a value in each: "
            "fields in text have a row of nodes in each line; curves in tables are read by kind: "
            "curves"
        )
    return {"field": Stored(table.values[:, 0])}
