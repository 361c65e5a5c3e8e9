"""The verdict on posteriors: for the first page of the report with its pictures, and as text."""

import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fsdiff.reports.plain_text import html, markdown, table_row
from fsdiff.reports.posteriors.standings import Place, Standing
from fsdiff.reports.posteriors.verdicts import of_posteriors
from fsdiff.reports.verdicts import plain

COLUMNS = {
    "distance": "distance",
    "mean": "of it in the mean",
    "deviation": "in the deviations",
    "score": "CRPS",
}
"""Attribute of a place → heading."""

NOTE = (
    "Distances are those of means and standard deviations at the nodes from those of the "
    "reference, in units of the reference's deviation; less is better."
)


def in_markdown(standings: Sequence[Standing]) -> str:
    """The verdict in Markdown: for each observation sentences and a table."""
    return "\n".join(line for item in standings for line in (*_section_in_markdown(item), ""))


def in_html(standings: Sequence[Standing], pictures: Mapping[tuple[str, int], Path]) -> str:
    """The verdict as elements of a page, with ``pictures`` (PNG) by observation and resolution."""
    return "".join(
        _section_in_html(item, pictures[item.observation, item.resolution]) for item in standings
    )


def _heading(standing: Standing) -> str:
    return f"{standing.title} at resolution {standing.resolution}"


def _header(standing: Standing) -> list[str]:
    shown = COLUMNS.values() if standing.against_reference else [COLUMNS["score"]]
    return [*shown, "90 % intervals hold", "by chance"]


def _rows(standing: Standing) -> Iterator[tuple[str, list[str]]]:
    """Name and numbers of each row: posteriors and baselines, the nearest first."""
    shown = COLUMNS if standing.against_reference else ["score"]
    for place in standing.everyone:
        numbers = [plain(getattr(place, name)) for name in shown]
        yield place.name, [*numbers, *_covered(place)]


def _covered(place: Place) -> tuple[str, str]:
    held = "" if math.isnan(place.coverage) else f"{100 * place.coverage:.0f} %"
    low, high = (100 * edge for edge in (place.low, place.high))
    return held, "" if math.isnan(low) else f"{low:.0f}–{high:.0f} %"


def _section_in_markdown(standing: Standing) -> Iterator[str]:
    yield from (f"## {markdown(_heading(standing))}", "", markdown(of_posteriors(standing)), "")
    header = _header(standing)
    yield table_row(["", *map(markdown, header)])
    yield table_row(["---", *["---:"] * len(header)])
    for name, numbers in _rows(standing):
        yield table_row([markdown(name), *numbers])
    if standing.against_reference:
        yield from ("", NOTE)


def _section_in_html(standing: Standing, picture: Path) -> str:
    encoded = b64encode(picture.read_bytes()).decode()
    heading = html(_heading(standing))
    head = "".join(f"<th>{html(text)}</th>" for text in ("", *_header(standing)))
    rows = "".join(
        f"<tr><td>{html(name)}</td>{''.join(f'<td>{number}</td>' for number in numbers)}</tr>\n"
        for name, numbers in _rows(standing)
    )
    note = f"<p>{NOTE}</p>\n" if standing.against_reference else ""
    return (
        f"<h2>{heading}</h2>\n<p><strong>{html(of_posteriors(standing))}</strong></p>\n"
        f'<p><img alt="posteriors beside the truth, {heading}" style="width: 100%" '
        f'src="data:image/png;base64,{encoded}"></p>\n'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n{note}"
    )
