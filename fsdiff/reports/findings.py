"""Numbers of analyses: one of them, for a claim, and tables of them, for a page."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from fsdiff.reports.plain_text import markdown, number, table_row

if TYPE_CHECKING:
    import xarray as xr

Text = Annotated[str, Field(min_length=1)]
Entries = Mapping[str, str | int | float]
"""Dimension → the entry of it that is meant; numbers are found to six digits."""


def select(result: "xr.Dataset", name: str, at: Entries) -> "xr.DataArray":
    """A result at entries of its dimensions; LookupError, with the reason, if there is none."""
    if name not in result:
        raise LookupError(f"the analysis has no {name}")
    values = result[name]
    for dimension, entry in at.items():
        if dimension not in values.dims:
            raise LookupError(f"{name} has no dimension {dimension}")
        known = values[dimension].values
        same = known == entry if isinstance(entry, str) else np.isclose(known, entry, rtol=1e-6)
        if not np.any(same):
            raise LookupError(f"{name} has no {dimension} {entry}")
        values = values.isel({dimension: int(np.argmax(same))})
    return values


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A table of ``columns``, results of ``analyses``: a row for each of these.

    ``by`` a dimension, such as sampler, there is a row for each of its entries. ``at`` picks
    entries of others; of those that are left there is a column for each entry. Cells are means over
    seeds, with half of their range.
    """

    title: str = ""
    analyses: Annotated[tuple[Text, ...], Field(min_length=1)]
    columns: Annotated[tuple[Text, ...], Field(min_length=1)]
    by: Text | None = None
    at: dict[Text, str | int | float] = field(default_factory=dict)

    def table(
        self, results: Mapping[str, "xr.Dataset"], titles: Mapping[str, str]
    ) -> Iterator[str]:
        """Its lines in Markdown, for results by name of the analysis, and what these are called."""
        columns = list(dict.fromkeys(self._headers([results[name] for name in self.analyses])))
        labels = [column_label(header) for header in columns]
        yield table_row(["", *map(markdown, labels)])
        yield table_row(["---", *["---:"] * len(columns)])
        for name in self.analyses:
            result, title = results[name], titles.get(name) or name
            if self.by is None or self.by not in result.dims:
                yield table_row([markdown(title), *self._cells(result, columns)])
                continue
            for entry in result[self.by].values:
                called = plain(entry) if len(self.analyses) == 1 else f"{title}, {plain(entry)}"
                own = result.sel({self.by: entry})
                yield table_row([markdown(called), *self._cells(own, columns)])

    def _headers(self, results: "Sequence[xr.Dataset]") -> Iterator["Header"]:
        """The columns that results have."""
        for name in self.columns:
            for result in results:
                if name not in result:
                    continue
                values = self._picked(result, name)
                left = [str(d) for d in values.dims if d not in ("seed", self.by)]
                meaning = str(values.attrs.get("long_name", name))
                for entries in itertools.product(*(values[d].values for d in left)):
                    yield Header(name, meaning, tuple(zip(left, entries, strict=True)))

    def _picked(self, result: "xr.Dataset", name: str) -> "xr.DataArray":
        at = {key: entry for key, entry in self.at.items() if key in result[name].dims}
        return select(result, name, at)

    def _cells(self, result: "xr.Dataset", columns: Sequence["Header"]) -> Iterator[str]:
        for header in columns:
            if header.name not in result:
                yield ""
                continue
            values = self._picked(result, header.name)
            own = {key: entry for key, entry in header.entries if key in values.dims}
            yield cell(values.sel(own).values.ravel())


@dataclass(frozen=True)
class Header:
    """A column: a result, what it is, and by dimension the entry that it is of."""

    name: str
    meaning: str
    entries: tuple[tuple[str, str | float], ...] = ()


def column_label(header: Header) -> str:
    """What stands above a column."""
    return ", ".join([header.meaning, *(plain(entry) for _, entry in header.entries)])


def plain(entry: str | float) -> str:
    """An entry of a dimension, whole numbers without a point."""
    return entry if isinstance(entry, str) else f"{entry:g}"


def cell(values: np.ndarray) -> str:
    """The mean, and half of the range of several; nothing of no number, and of how many of all."""
    everyone, values = len(values), values[np.isfinite(values)]
    if not len(values):
        return ""
    text = _shown(float(values.mean()))
    if len(values) > 1 and np.ptp(values) > 0:
        text += f" ± {_shown(float(np.ptp(values)) / 2)}"
    return text if len(values) == everyone else f"{text} ({len(values)} of {everyone} seeds)"


def _shown(value: float) -> str:
    """Three digits, as a power of ten where there would be many zeros."""
    return number(value) if value == 0 or abs(value) >= 1e-3 else f"{value:.2e}"
