"""The table of posteriors as one self-contained HTML page."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from fsdiff.metrics.words import Words
from fsdiff.reports.plain_text import html
from fsdiff.reports.plotting.table import BLIND, STYLE, Yardsticks, head, line, value
from fsdiff.reports.posteriors.summary import (
    BASELINES,
    IDENTITY,
    as_table,
    baseline,
    observations,
    posteriors,
    titles,
)
from fsdiff.reports.summary import Column, columns

_GUIDE = """
<p>Fields are in units of each channel's standard deviation. Means over cases; mean ± standard
deviation over seeds. <b>Bold</b>: the best posterior of a column.
<span class="key better">blue</span> nearer than kriging, the best linear estimate from the training
fields, <span class="key worse">orange</span> not nearer.
<small>×3.2</small>: in units of the floor, one half of the reference's draws against the other.
→ a: the value a right posterior has. † kriging is hardly told from the reference here (less than
{blind} floors), so cells are not coloured.</p>
"""


def posteriors_html(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    *,
    known: Iterable[Words],
    called: Mapping[str, str] | None = None,
) -> str:
    """The table of posteriors as a page: a table for each observation, a block for each resolution.

    Blocks begin with the baselines. ``known`` is what measures call their results, ``called`` the
    titles of observations by name.
    """
    table, words = as_table(rows), list(known)
    sections = [
        _section((called or {}).get(name, name), part, words)
        for name, part in observations(table).items()
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Posteriors</title><style>{STYLE}</style></head>\n<body>"
        f"{_GUIDE.format(blind=BLIND)}{''.join(sections)}</body></html>\n"
    )


def _section(name: str, table: pd.DataFrame, known: list[Words]) -> str:
    shown = columns(table.drop(columns=[*IDENTITY], errors="ignore"), known)
    blocks = [_block(int(n), part, shown, titles(table)) for n, part in table.groupby("resolution")]
    headed = head([_with_target(column) for column in shown])
    body = f'<div class="wide"><table>{headed}{"".join(blocks)}</table></div>'
    return f"<h2>{html(name)}</h2>{body}\n"


def _with_target(column: Column) -> Column:
    """A column whose title tells the value that is best, where this is not zero."""
    goal = f" → {column.target:g}" if column.ranked and column.target else ""
    return replace(column, title=column.title + goal)


def _block(
    resolution: int, table: pd.DataFrame, shown: list[Column], called: Mapping[str, str]
) -> str:
    """All rows at one resolution: baselines, then posteriors."""
    heading = f'<th colspan="{1 + len(shown)}">resolution {resolution}</th>'
    lines = [f'<tr class="resolution">{heading}</tr>\n']
    told = [_yardsticks(table, column) for column in shown]
    for kind, title in BASELINES.items():
        rows = table[table["row"] == kind]
        if len(rows):
            cells = [
                ("", _baseline_cell(rows, kind, column, yardsticks))
                for column, yardsticks in zip(shown, told, strict=True)
            ]
            lines.append(line(title, cells, shown, "reference"))
    for name, rows in posteriors(table).items():
        cells = [
            yardsticks.cell(rows, column, multiples=not column.target)
            for column, yardsticks in zip(shown, told, strict=True)
        ]
        lines.append(line(called[name], cells, shown, ""))
    return f"<tbody>{''.join(lines)}</tbody>"


def _baseline_cell(rows: pd.DataFrame, kind: str, column: Column, yardsticks: Yardsticks) -> str:
    text = value(rows, column)
    return f"{text} †" if kind == "kriging" and text and yardsticks.blind else text


def _yardsticks(table: pd.DataFrame, column: Column) -> Yardsticks:
    """Kriging, and one half of the reference against the other."""
    kriging, floor = (baseline(table, kind, column) for kind in ("kriging", "reference"))
    return Yardsticks.of(posteriors(table).values(), column, kriging, floor)
