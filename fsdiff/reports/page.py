"""A page about a study in Markdown: its question, and tables of what was found."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import Field, PositiveInt

from fsdiff.reports.combinations import Combinations, Variations, legend, ranking
from fsdiff.reports.differences import Differences, differences
from fsdiff.reports.findings import Findings
from fsdiff.reports.labels import NO_NUMBERS, REFERENCES
from fsdiff.reports.moments import by_moment, judged
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.posteriors.targets import Target, targets
from fsdiff.reports.selection import Selection
from fsdiff.reports.sooner import Sooner, sooner
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    beside,
    by_count,
    column_title,
    models,
    reference,
    titles,
)

if TYPE_CHECKING:
    import xarray as xr

Told = tuple[pd.DataFrame, Known]
Analysed = tuple[Mapping[str, "xr.Dataset"], Mapping[str, str]]

FIGURES = "figures"
"""The folder of the report's figures, beside the page."""


@dataclass(frozen=True, kw_only=True)
class Table(Selection):
    """A table of the ``columns`` of the summary at one ``resolution``, references first.

    With ``dataset`` it has the rows of that one alone. With ``rows`` = experiments a row is an
    experiment, with moments each moment at which its samples were judged during training, with the
    time of training and of drawing ``samples`` samples; with ``same_sampler`` the median of all
    sampling times stands for each. With ``multiples`` distances are given as multiples of the
    floor, too: that of as many real data from other real data.
    """

    rows: Literal["experiments", "moments"] = "experiments"
    multiples: bool = False
    samples: PositiveInt = 100
    same_sampler: bool = False

    def moments(self, summary: pd.DataFrame, trajectories: pd.DataFrame | None) -> pd.DataFrame:
        """Its rows, where these are moments."""
        same = self.same_sampler
        found = judged(summary, trajectories, self.resolution, self.samples, same_sampler=same)
        return self.chosen(found)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the report: its ``path`` below results/figures, and a ``caption`` in Markdown."""

    path: Annotated[str, Field(pattern=r"^[\w./-]+\.(svg|png)$")]
    caption: str = ""


def pictures(tables: Sequence[Any], combinations: Sequence[Any]) -> list[str]:
    """Names of the figures that are the page's own, in their order."""
    numbered = enumerate(tables, start=1)
    moments = [f"page-{number}.svg" for number, table in numbered if table.rows == "moments"]
    return moments + [f"page-combinations-{n}.svg" for n in range(1, len(combinations) + 1)]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a page has: its heading, a text in Markdown, and its parts in their order.

    ``claims`` is the page of ``fsdiff.reports.reproduction``, which becomes a section, and
    ``posteriors`` has sections, a verdict for each observation and resolution; ``targets`` are what
    these were to reach, and ``chance`` what of the number of each is by chance.
    """

    title: str
    text: str
    claims: str = ""
    posteriors: str = ""
    targets: Sequence[Target] = ()
    chance: Sequence[float] = ()
    differences: Sequence[Differences] = ()
    sooner: Sequence[Sooner] = ()
    tables: Sequence[Table] = ()
    combinations: Sequence[Combinations] = ()
    analyses: Sequence[Findings] = ()
    figures: Sequence[Picture] = ()


def page(
    contents: Contents,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None = None,
    variations: Variations | None = None,
    known: Known = None,
    analysed: Analysed = ({}, {}),
    posteriors: Told | None = None,
) -> str:
    """The page in Markdown; figures are paths below its folder.

    ``variations`` are those that ``combinations`` are about, ``known`` is what metrics call their
    results. ``analysed`` are results of analyses by name, and what these are called. ``posteriors``
    is the table of them that targets are about, with what its columns are called.
    """
    lines = [f"# {markdown(contents.title)}", "", contents.text.strip(), ""]
    if contents.claims:
        lines += [re.sub(r"^#", "##", contents.claims.strip(), flags=re.MULTILINE), ""]
    lines += [contents.posteriors.strip(), ""] if contents.posteriors else []
    if contents.targets and posteriors is not None:
        told = targets(contents.targets, *posteriors, contents.chance)
        lines += [*_heading("Targets"), *told, ""]
    for compared in contents.differences:
        table = differences(compared, summary, trajectories, known)
        lines += [*_heading(compared.title), *table, ""]
    for timed in contents.sooner:
        lines += [*_heading(timed.title), *sooner(timed, summary, trajectories, known), ""]
    for shown in contents.tables:
        lines += [*_heading(shown.title), *_table(shown, as_table(summary), trajectories, known)]
        lines += [""]
    for ranked in contents.combinations:
        ranks = ranking(ranked, summary, variations or {}, known)
        lines += [*_heading(ranked.title), legend(ranked, known), "", *ranks, ""]
    for findings in contents.analyses:
        lines += [*_heading(findings.title), *findings.table(*analysed), ""]
    for figure in contents.figures:
        lines += [f"{figure.caption}\n"] if figure.caption else []
        lines += [f"![{_alternative(figure)}]({FIGURES}/{figure.path})\n"]
    lines += [f"![{name}]({name})\n" for name in pictures(contents.tables, contents.combinations)]
    return "\n".join(lines)


def _alternative(figure: Picture) -> str:
    """What is read in place of a figure: its caption in a line, without links, or its path."""
    caption = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(figure.caption.split()))
    return markdown(caption or figure.path)


def _heading(title: str) -> list[str]:
    return [f"## {markdown(title)}", ""] if title else []


TIMES = {"training_seconds": "training, s", "time": "time, s"}
"""Columns of moments → what they are called."""


def _table(
    table: Table, summary: pd.DataFrame, trajectories: pd.DataFrame | None, known: Known
) -> Iterator[str]:
    selected = table.chosen(summary)
    shown = list(table.shown(selected, known))
    if not shown:
        yield NO_NUMBERS
        return
    of_moments = table.rows == "moments"
    header = ["", *(TIMES.values() if of_moments else ())]
    header += [markdown(column_title(column.name, known)) for column in shown]
    yield table_row(header)
    yield table_row(["---", *["---:"] * (len(header) - 1)])
    several = selected["dataset"].nunique() > 1
    found = table.moments(summary, trajectories) if of_moments else selected
    for dataset, rows in found.groupby("dataset", sort=False):
        judged = rows[rows["row"] == "model"]
        for kind, (which, own) in itertools.product(("real", "surrogate"), by_count(judged)):
            row = beside(selected, kind, own)
            if len(row):
                name = f"*{REFERENCES[kind]}*{which}"
                name += f", {markdown(dataset)}" if several else ""
                times = [""] * len(TIMES) if of_moments else []
                yield table_row([name, *times, *_cells(table, shown, row, selected)])
    if of_moments:
        for _, epoch, seeds in by_moment(found):
            after = "" if pd.isna(epoch) else f" after {epoch:.0f} epoch{'s' * (epoch != 1)}"
            name = f"{markdown(seeds['title'].iloc[0])}{after}"
            means = (seeds[key].mean() for key in TIMES)
            times = ["" if pd.isna(mean) else f"{mean:,.0f}" for mean in means]
            yield table_row([name, *times, *_cells(table, shown, seeds, selected)])
        return
    called = titles(selected)
    for name, rows in models(selected).items():
        yield table_row([markdown(called[name]), *_cells(table, shown, rows, selected)])


def _cells(
    table: Table, shown: Sequence[Column], rows: pd.DataFrame, summary: pd.DataFrame
) -> Iterator[str]:
    """A cell for each column: mean and half of the range of seeds with a number, or nothing.

    Of a reference there is the mean alone.
    """
    of_reference = rows["row"].iloc[0] in REFERENCES
    for column in shown:
        if column.name not in rows or rows[column.name].isna().all():
            yield ""
            continue
        values = (column.shown(rows) if of_reference else rows[column.name]).dropna()
        text = number(values.mean())
        if values.nunique() > 1 and not of_reference:
            text += f" ± {number((values.max() - values.min()) / 2)}"
        floor = reference(summary, "real", column, rows)
        if len(values) < len(rows) and not of_reference:
            text += f" ({len(values)} of {len(rows)} seeds)"
        elif table.multiples and column.compares and not column.target and floor > 0:
            text += f" ({column.deviation(rows).mean() / floor:.1f})"
        yield text
