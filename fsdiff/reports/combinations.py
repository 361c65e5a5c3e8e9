"""How near to the data experiments come whose blocks are varied in all combinations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.summary import Column, Known, as_table, column_title, columns, models, reference

FAMILY, GRID, METRIC, MULTIPLE = "family", "resolution", "metric", "multiple"
"""Columns of ``multiples`` beside what is varied."""

Variations = Mapping[str, Mapping[str, Any]]
"""By experiment: its ``family``, and its ``choices`` by what is varied; all of the same things."""


@dataclass(frozen=True, kw_only=True)
class Combinations:
    """A ranking of what experiments ``vary``, and a figure of each distance.

    ``columns`` are those of the summary, at each of the ``resolutions``. Distances count as
    multiples of the floor, that of as many real data from other real data; combinations are ranked
    by the geometric mean over columns, resolutions and the entries that vary the same; those of
    which a distance is unknown come last.
    """

    columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    resolutions: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    title: str = ""


def multiples(
    settings: Combinations, summary: pd.DataFrame, variations: Variations, known: Known = None
) -> pd.DataFrame:
    """A row for each experiment, resolution and column: the mean over seeds over the floor.

    Rows have what is varied, and ``family``, ``resolution``, ``metric`` and ``multiple``.
    """
    table = as_table(summary)
    named = {column.name: column for column in columns(table, known)}
    shown = [named[name] for name in settings.columns if name in named]
    return pd.DataFrame(
        {
            **variations[name]["choices"],
            FAMILY: variations[name]["family"],
            GRID: n,
            METRIC: column.name,
            MULTIPLE: _multiple(column, rows[rows["resolution"] == n], table),
        }
        for name, rows in models(table).items()
        if name in variations
        for n in settings.resolutions
        for column in shown
    )


def _multiple(column: Column, rows: pd.DataFrame, table: pd.DataFrame) -> float:
    """NaN without samples, without a floor, or where a seed has no number."""
    floor = reference(table, "real", column, rows)
    return column.mean_deviation(rows) / floor if floor > 0 else float("nan")


def varied(found: pd.DataFrame) -> list[str]:
    """What is varied, in its order."""
    return [name for name in found if name not in (FAMILY, GRID, METRIC, MULTIPLE)]


def geometric_mean(values: pd.Series) -> float:
    """NaN if one is unknown: a mean over fewer distances does not compare with others."""
    return float(np.exp(np.log(values).mean(skipna=False)))


def ranking(
    settings: Combinations, summary: pd.DataFrame, variations: Variations, known: Known = None
) -> list[str]:
    """The table in Markdown: a row for each combination, the nearest to the data first.

    There is none where no experiment has any of these results.
    """
    found = multiples(settings, summary, variations, known)
    if found.empty:
        return [NO_NUMBERS]
    by = varied(found)
    # Where there is no floor, nobody's distance is known, and means are over all others.
    found = found[found.groupby([FAMILY, GRID, METRIC])[MULTIPLE].transform("count") > 0]
    means = found.groupby(by, sort=False)[MULTIPLE].agg(geometric_mean)
    each = found.groupby([*by, FAMILY, GRID], sort=False)[MULTIPLE].agg(geometric_mean)
    families = list(dict.fromkeys(found[FAMILY]))
    grids = " / ".join(map(str, settings.resolutions))
    header = [*(markdown(name.replace("_", " ")) for name in by), "all"]
    header += [f"{markdown(family)}, {grids}" for family in families]
    lines = [table_row(header), table_row(["---"] * len(by) + ["---:"] * (1 + len(families)))]
    for choices, mean in means.sort_values(kind="stable").items():
        key = choices if isinstance(choices, tuple) else (choices,)
        cells = [
            " / ".join(_cell(each.get((*key, family, n))) for n in settings.resolutions)
            for family in families
        ]
        lines.append(table_row([*map(markdown, key), _cell(mean), *cells]))
    return lines


def _cell(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else number(value)


def legend(settings: Combinations, known: Known = None) -> str:
    """What the numbers of the table are."""
    named = ", ".join(markdown(column_title(name, known)) for name in settings.columns)
    return (
        "Distances as multiples of that of real data from other real data; *all* is the geometric "
        f"mean over {named}, all data sets and all grids. Less is better."
    )
