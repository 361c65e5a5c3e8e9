"""The verdict on a study: for the first page of the report with its pictures, and for terminals."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fsdiff.reports.plain_text import html, markdown, table_row
from fsdiff.reports.standings import Standing
from fsdiff.reports.verdicts import FLOOR, multiple, of_place, of_standing, plain

MEAN = "mean"
"""Heading of the geometric mean over the distances that follow."""


def in_markdown(standings: Sequence[Standing]) -> str:
    """The verdict in Markdown: for each data set a sentence and a table."""
    return "\n".join(
        line for standing in standings for line in (*_section_in_markdown(standing), "")
    )


def in_html(standings: Sequence[Standing], pictures: Mapping[str, Path]) -> str:
    """The verdict as elements of a page, the ``pictures`` (PNG) of data sets, by name, in it."""
    return "".join(_section_in_html(item, pictures[item.dataset]) for item in standings)


def _heading(standing: Standing) -> str:
    return f"{standing.dataset} at resolution {standing.resolution}"


def _header(standing: Standing) -> list[str]:
    """Headings of the columns of numbers."""
    return [MEAN, *standing.columns]


def _rows(standing: Standing) -> Iterator[tuple[str, list[str]]]:
    """Name and numbers of each row: the experiments and the surrogate, the nearest first."""
    number = multiple if standing.floor else plain
    for place in standing.everyone:
        yield of_place(place, standing), [number(v) for v in (place.mean, *place.distances)]


def _notes(standing: Standing) -> list[str]:
    """What the numbers of the table are, and which experiments are not in it."""
    unit = f"Distances are multiples of {FLOOR}" if standing.floor else "Distances"
    notes = [f"{unit}, and their geometric mean; less is better."] if standing.columns else []
    if standing.absent:
        names = ", ".join(standing.absent)
        notes.append(f"Without samples at this resolution: {names}.")
    return notes


def _sentence(standing: Standing) -> str:
    """The verdict as a sentence; a title at its beginning keeps its letters."""
    words = of_standing(standing)
    named = words.startswith(f"{standing.places[0].name}: ")
    return f"{words if named else words[0].upper() + words[1:]}."


def _section_in_markdown(standing: Standing) -> Iterator[str]:
    yield from (f"## {markdown(_heading(standing))}", "", markdown(_sentence(standing)), "")
    if standing.columns:
        header = _header(standing)
        yield table_row(["", *map(markdown, header)])
        yield table_row(["---", *["---:"] * len(header)])
        for name, numbers in _rows(standing):
            yield table_row([markdown(name), *numbers])
        yield ""
    for note in _notes(standing):
        yield markdown(note)


def _section_in_html(standing: Standing, picture: Path) -> str:
    encoded = b64encode(picture.read_bytes()).decode()
    heading = html(_heading(standing))
    return (
        f"<h2>{heading}</h2>\n<p><strong>{html(_sentence(standing))}</strong></p>\n"
        f'<p><img alt="samples beside data, {heading}" style="width: 100%" '
        f'src="data:image/png;base64,{encoded}"></p>\n'
        f"{_table_in_html(standing) if standing.columns else ''}"
        f"<p>{html(' '.join(_notes(standing)))}</p>\n"
    )


def _table_in_html(standing: Standing) -> str:
    head = "".join(f"<th>{html(text)}</th>" for text in ("", *_header(standing)))
    rows = "".join(
        f"<tr><td>{html(name)}</td>{''.join(f'<td>{number}</td>' for number in numbers)}</tr>\n"
        for name, numbers in _rows(standing)
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n"
