"""Text of people's configurations and data, written where text may also be something else.

A title such as ``<b>``, ``=1+1`` or ``*x*`` is shown as it stands: it is no markup of a page and no
formula of a spreadsheet. There is a function for each kind of file. Figures turn their markup off
(``fsdiff.reports.plotting.style``), logs indent (``fsdiff.jobs.logs``), and the description of the
report, which is in reStructuredText, escapes by itself (``workflow/report/workflow.rst``).
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from fsdiff.characters import visible

_MARKUP = re.compile(r"[\\`*\[\]~$&<>|]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")
_ENTITIES = {"\\": "&#92;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_FORMULA = re.compile(r"(^|[;\t])(?=[=+\-@\t\r\n＝＋－＠'])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

HUGE = 1e7
"""From there on numbers are read by their exponent."""


def html(text: str) -> str:
    """A text in a page, or in an attribute of an element."""
    return escape(visible(text))


def markdown(text: str) -> str:
    """A text in a line of Markdown, also in a cell of a table."""
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), visible(text))


def code(text: str) -> str:
    """A name in a line of Markdown, in letters of equal width."""
    return f"<code>{markdown(text)}</code>" if set(text) & set("`|\\") else f"`{visible(text)}`"


def number(value: float) -> str:
    """Three digits, or all before the point of what is not huge."""
    if abs(value) >= HUGE:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def two_digits(value: float) -> str:
    """Two digits, or all before the point of what is not huge: 120, and not 1.2e+02."""
    if abs(value) >= HUGE:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def enumerated(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def table_row(cells: Iterable[str]) -> str:
    """A line of a table in Markdown, from cells in Markdown."""
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """A text in a table that spreadsheets open: an apostrophe keeps it from being a formula.

    So does one behind a semicolon or tab, with which some spreadsheets begin a new cell.
    """
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'", text)


def of_cell(text: str) -> str:
    """The text that ``cell`` was given."""
    return re.sub(r"(^|[;\t])'", r"\1", text)
