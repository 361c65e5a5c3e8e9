"""The summary table as one self-contained HTML page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.plain_text import html, two_digits
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    by_count,
    columns,
    models,
    reference,
    titles,
)

BLIND = 1.5
"""A metric that puts the Gaussian surrogate within this many floors of the data is blind to it."""

STYLE = """
body { font: 14px/1.4 system-ui, "Segoe UI", sans-serif; color: #1a1a1a; background: #fff;
  margin: 1.2em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 2em; }
th, td { padding: .3em .7em; text-align: right; white-space: nowrap; vertical-align: baseline; }
thead th { font-weight: 600; white-space: normal; max-width: 8.5em; vertical-align: bottom;
  border-bottom: 1.5px solid #1a1a1a; }
thead tr:first-child th { text-align: left; color: #555; font-weight: 400; border-bottom: 0; }
tbody th { text-align: left; font-weight: 400; position: sticky; left: 0; background: #fff; }
tbody tr:last-child > * { border-bottom: 1px solid #bbb; }
.first { border-left: 1px solid #ddd; }
tr.reference > * { color: #666; background: #f6f6f6; }
tr.resolution th { font-weight: 600; padding-top: 1em; }
.better { background: #d6e8f5; }
.worse { background: #fbe3cf; }
td.best { font-weight: 700; }
small { color: #666; font-weight: 400; }
.note { color: #555; }
.key { padding: .1em .5em; margin-right: .2em; }
.wide { overflow-x: auto; }
"""
"""How tables look."""

_GUIDE = """
<p>Distances are in units of each channel's standard deviation. Mean ± standard deviation over
seeds, and of real data over divisions of the test data. <b>Bold</b>: the best experiment of a
column (not of losses, which depend on the prior and on what is predicted).
<span class="key better">blue</span> closer to the data than the Gaussian surrogate,
<span class="key worse">orange</span> not closer: second moments at best.
<small>×3.2</small>: the deviation in units of the floor, i.e. of real data against other real data;
×1 cannot be told from real data by this metric. → a: the value real data have, to be matched.
† this metric hardly tells the Gaussian surrogate from data here (less than {blind} floors), so
cells are not coloured. ↑ sampled above the finest resolution trained on.</p>
"""


def summary_html(rows: pd.DataFrame | Iterable[Mapping[str, Any]], *, known: Known = None) -> str:
    """The summary as an HTML page: one table per data set, one block of rows per resolution.

    ``rows`` are the rows of ``summary.csv``, see ``fsdiff.reports.summary``. Experiments that are
    judged by fewer samples than others have a block of their own. Each begins with the three
    reference rows. Metrics absent from the summary are left out. ``known`` is what metrics call
    their results.
    """
    table = as_table(rows)
    sections = [
        _section(str(name), part, known) for name, part in table.groupby("dataset", sort=False)
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Summary</title><style>{STYLE}</style></head>\n<body>"
        f"{_GUIDE.format(blind=BLIND)}{''.join(sections)}</body></html>\n"
    )


def _section(dataset: str, table: pd.DataFrame, known: Known) -> str:
    shown = columns(table, known)
    called = titles(table)
    blocks = [
        _block(int(n), which, part[part["count"].isin(rows["count"])], shown, called)
        for n, part in table.groupby("resolution")
        for which, rows in by_count(part[part["row"] == "model"])
    ]
    heading = f"<h2>{html(dataset)}</h2>" if dataset else ""
    return f'{heading}<div class="wide"><table>{head(shown)}{"".join(blocks)}</table></div>\n'


def head(shown: list[Column]) -> str:
    """The head of a table: families of results, and what each is called."""
    families = [(name, len(list(group))) for name, group in groupby(shown, lambda c: c.family)]
    groups = "".join(f'<th class="first" colspan="{n}">{html(name)}</th>' for name, n in families)
    firsts = _firsts(shown)
    names = "".join(
        f"<th{_class(c.name in firsts and 'first')}>{html(c.title)}</th>" for c in shown
    )
    return f"<thead><tr><th></th>{groups}</tr><tr><th></th>{names}</tr></thead>"


def _block(
    resolution: int,
    which: str,
    table: pd.DataFrame,
    shown: list[Column],
    called: Mapping[str, str],
) -> str:
    """All rows of as many fields at one resolution: references, then experiments."""
    heading = f'<th colspan="{1 + len(shown)}">resolution {resolution}{which}</th>'
    lines = [f'<tr class="resolution">{heading}</tr>\n']
    told = [_yardsticks(table, column) for column in shown]
    for kind, title in REFERENCES.items():
        rows = table[table["row"] == kind]
        if len(rows):
            cells = [
                _reference_cell(rows, kind, column, yardsticks)
                for column, yardsticks in zip(shown, told, strict=True)
            ]
            lines.append(line(title, cells, shown, "reference"))
    for name, rows in models(table).items():
        cells = [
            yardsticks.cell(rows, column, multiples=True)
            for column, yardsticks in zip(shown, told, strict=True)
        ]
        lines.append(line(_name(called[name], rows, resolution), cells, shown, ""))
    return f"<tbody>{''.join(lines)}</tbody>"


def line(title: str, cells: list[tuple[str, str]], shown: list[Column], kind: str) -> str:
    """A row of a table: its title, and (classes, text) of each cell; ``kind`` is its class."""
    firsts = _firsts(shown)
    body = "".join(
        f"<td{_class(classes, column.name in firsts and 'first')}>{text}</td>"
        for column, (classes, text) in zip(shown, cells, strict=True)
    )
    return f"<tr{_class(kind)}><th>{html(title)}</th>{body}</tr>\n"


def _reference_cell(
    rows: pd.DataFrame, kind: str, column: Column, yardsticks: "Yardsticks"
) -> tuple[str, str]:
    text = value(rows.assign(**{column.name: column.shown(rows)}), column)
    if kind == "real" and column.target and text:
        text += f" <small>→ {number(float(column.goal(rows).mean()), column)}</small>"
    if kind == "surrogate" and text and yardsticks.blind:
        text += " †"
    return "", text


@dataclass(frozen=True)
class Yardsticks:
    """What deviations in a column are told by: a baseline, and a floor that chance alone causes.

    ``best`` is the least of all that are compared, NaN if there is none or all are equal.
    """

    best: float
    baseline: float
    floor: float

    @classmethod
    def of(
        cls, compared: Iterable[pd.DataFrame], column: Column, baseline: float, floor: float
    ) -> "Yardsticks":
        """Those of the rows of each that is compared."""
        means = [column.mean_deviation(rows) for rows in compared]
        means = [mean for mean in means if not np.isnan(mean)]
        return cls(min(means) if len(set(means)) > 1 else float("nan"), baseline, floor)

    @property
    def blind(self) -> bool:
        """Whether the measure hardly tells the baseline from the floor."""
        return self.baseline < BLIND * self.floor

    def cell(self, rows: pd.DataFrame, column: Column, *, multiples: bool) -> tuple[str, str]:
        """Classes and text of the cell of what is compared; with ``multiples`` of the floor."""
        text, deviation = value(rows, column), column.mean_deviation(rows)
        if not text or np.isnan(deviation):
            return "", text
        classes = ["best"] if deviation == self.best else []
        if not np.isnan(self.baseline) and not self.blind:
            classes.append("better" if deviation < self.baseline else "worse")
        if multiples and self.floor > 0:
            text += f" <small>×{two_digits(deviation / self.floor)}</small>"
        return " ".join(classes), text


def _yardsticks(table: pd.DataFrame, column: Column) -> Yardsticks:
    """The Gaussian surrogate, and real data beside real data."""
    surrogate, floor = (reference(table, kind, column, table) for kind in ("surrogate", "real"))
    return Yardsticks.of(models(table).values(), column, surrogate, floor)


def number(value: float, column: Column) -> str:
    """A value with three significant digits, counts in full."""
    if column.name in ("parameters", "network_evaluations") or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def value(rows: pd.DataFrame, column: Column) -> str:
    """Mean ± standard deviation over rows, and how many have a number if not all; or nothing."""
    values = rows[column.name].dropna()
    if not len(values):
        return ""
    text = number(float(values.mean()), column)
    if len(values) > 1 and values.std() > 0:
        decimals = len(text.partition(".")[2])
        spread = f"{values.std():.{decimals}f}"
        text += f" ± {spread if float(spread) else format(values.std(), '.1g')}"
    if len(values) < len(rows):
        text += f" <small>({len(values)} of {len(rows)})</small>"
    return text


def _name(title: str, rows: pd.DataFrame, resolution: int) -> str:
    above = resolution > rows["trained_at"].max()
    return f"{title} ↑" if above else title


def _firsts(shown: list[Column]) -> set[str]:
    """Names of the columns that open a family."""
    return {next(group).name for _, group in groupby(shown, lambda c: c.family)}


def _class(*names: str | bool) -> str:
    joined = " ".join(name for name in names if isinstance(name, str) and name)
    return f' class="{joined}"' if joined else ""
