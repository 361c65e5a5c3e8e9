"""A page about a study in Markdown: its question, and tables of what was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, PositiveInt

from fsdiff.reports.combinations import Variations, legend, ranking
from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.moments import by_moment, judged
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    column_title,
    columns,
    models,
    reference,
    titles,
)

Text = Annotated[str, Field(min_length=1)]
Result = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of results: ``columns`` are those of the summary, in this order.

    With ``rows`` = experiments a row is an experiment, with moments each moment at which its
    samples were judged during training, with the time of training and of drawing ``samples``
    samples. References come first. With ``multiples`` distances are given as multiples of the
    floor, too: that of real data from other real data.
    """

    columns: Annotated[tuple[Result, ...], Field(min_length=1)]
    resolution: PositiveInt
    rows: Literal["experiments", "moments"] = "experiments"
    title: str = ""
    multiples: bool = False
    samples: PositiveInt = 100


def pictures(tables: Sequence[Any], combinations: Sequence[Any]) -> list[str]:
    """Names of the figures that are the page's own, in their order."""
    numbered = enumerate(tables, start=1)
    moments = [f"page-{number}.svg" for number, table in numbered if table.rows == "moments"]
    return moments + [f"page-combinations-{n}.svg" for n in range(1, len(combinations) + 1)]


def page(
    settings: Mapping[str, Any],
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None = None,
    variations: Variations | None = None,
    known: Known = None,
) -> str:
    """The page: ``settings`` have ``title``, ``text``, ``tables``, ``combinations``, ``figures``.

    Figures are paths below the folder of the page. ``variations`` are those that ``combinations``
    are about, ``known`` is what metrics call their results.
    """
    lines = [f"# {markdown(settings['title'])}", "", settings["text"].strip(), ""]
    for table in settings["tables"]:
        lines += [f"## {markdown(table.title)}", ""] if table.title else []
        lines += [*_table(table, as_table(summary), trajectories, known), ""]
    for ranked in settings["combinations"]:
        lines += [f"## {markdown(ranked.title)}", ""] if ranked.title else []
        lines += [legend(ranked, known), "", *ranking(ranked, summary, variations or {}, known), ""]
    lines += [f"![{name}]({name})\n" for name in settings["figures"]]
    return "\n".join(lines)


TIMES = {"training_seconds": "training, s", "time": "time, s"}
"""Columns of moments → what they are called."""


def _table(
    table: Table, summary: pd.DataFrame, trajectories: pd.DataFrame | None, known: Known
) -> Iterator[str]:
    summary = summary[summary["resolution"] == table.resolution]
    named = {column.name: column for column in columns(summary, known)}
    shown = [named[name] for name in table.columns if name in named]
    of_moments = table.rows == "moments"
    header = ["", *(TIMES.values() if of_moments else ())]
    header += [column_title(column.name, known) for column in shown]
    yield table_row(header)
    yield table_row(["---", *["---:"] * (len(header) - 1)])
    several = summary["dataset"].nunique() > 1
    for dataset, rows in summary.groupby("dataset", sort=False):
        for kind in ("real", "surrogate"):
            row = rows[rows["row"] == kind]
            if len(row):
                name = f"*{REFERENCES[kind]}*" + (f", {markdown(dataset)}" if several else "")
                times = [""] * len(TIMES) if of_moments else []
                yield table_row([name, *times, *_cells(table, shown, row, rows)])
    if of_moments:
        found = judged(summary, trajectories, table.resolution, table.samples)
        for _, epoch, seeds in by_moment(found):
            after = "" if pd.isna(epoch) else f" after {epoch:.0f} epoch{'s' * (epoch != 1)}"
            name = f"{markdown(seeds['title'].iloc[0])}{after}"
            times = [f"{seeds[key].mean():,.0f}" for key in TIMES]
            own = summary[summary["dataset"] == seeds["dataset"].iloc[0]]
            yield table_row([name, *times, *_cells(table, shown, seeds, own)])
        return
    called = titles(summary)
    for name, rows in models(summary).items():
        own = summary[summary["dataset"] == rows["dataset"].iloc[0]]
        yield table_row([markdown(called[name]), *_cells(table, shown, rows, own)])


def _cells(
    table: Table, shown: Sequence[Column], rows: pd.DataFrame, beside: pd.DataFrame
) -> Iterator[str]:
    """A cell for each column: the mean over seeds and half of their range, or nothing."""
    for column in shown:
        values = rows[column.name].dropna() if column.name in rows else pd.Series(dtype=float)
        if values.empty:
            yield ""
            continue
        text = number(values.mean())
        if len(values) > 1:
            text += f" ± {number((values.max() - values.min()) / 2)}"
        floor = reference(beside, "real", column)
        if table.multiples and column.compares and not column.target and floor > 0:
            text += f" ({values.mean() / floor:.1f})"
        yield text
