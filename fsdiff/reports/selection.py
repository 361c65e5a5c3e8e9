"""Which rows and columns of a summary a part of a page is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import Field, PositiveInt

from fsdiff.reports.summary import Column, Known, columns

Result = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Results at one resolution: ``columns`` are those of the summary, in this order.

    With ``dataset``, those on that data set alone; ``title`` is the heading they stand under.
    """

    columns: Annotated[tuple[Result, ...], Field(min_length=1)]
    resolution: PositiveInt
    dataset: Annotated[str, Field(min_length=1)] | None = None
    title: str = ""

    def chosen(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are selected."""
        chosen = table["resolution"] == self.resolution
        if self.dataset is not None:
            chosen &= table["dataset"] == self.dataset
        return table[chosen]

    def shown(self, table: pd.DataFrame, known: Known = None) -> Iterator[Column]:
        """The columns that a table has, in their order."""
        named = {column.name: column for column in columns(table, known)}
        return (named[name] for name in self.columns if name in named)
