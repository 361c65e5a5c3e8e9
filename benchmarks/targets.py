"""What studies of inverse problems were to reach, gathered from their pages.

Takes the tables under *Targets* of the pages in ``docs/inverse/`` and puts their rows into the
section of that name of ``docs/inverse_problems.md``. Targets that are on no page yet are named
without numbers.

    python benchmarks/targets.py
"""

import re
from collections.abc import Iterator
from pathlib import Path

from fsdiff.jobs.atomic import atomic
from fsdiff.reports.plain_text import markdown, table_row
from fsdiff.study import load

ROOT = Path(__file__).parents[1]
PAGES, TARGET = ROOT / "docs" / "inverse", ROOT / "docs" / "inverse_problems.md"
HEADER = ("study", "target", "measured", "", "met")
BEGIN, END = "<!-- from the pages of the studies -->\n", "<!-- end -->\n"
STUDIES = (
    "posterior_darcy",
    "darcy_level_set",
    "posterior_membrane",
    "sparse",
    "restoration",
    "regression",
)


def rows(name: str) -> Iterator[tuple[str, ...]]:
    """The rows of a study: those of its page and, without numbers, what this does not have."""
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    found = re.search(r"^## Targets\n\n(?:\|.*\n){2}((?:\|.*\n)*)", text, re.MULTILINE)
    measured = set()
    for line in found[1].splitlines() if found else ():
        statement, *cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("| \n")))
        measured.add(statement)
        yield f"[{name}](inverse/{name}.md)", statement, *cells
    study = load(ROOT / "configs" / f"{name}.yaml")
    for item in study.page.targets if study.page else ():
        if (statement := markdown(item.part.statement)) not in measured:
            yield f"`{name}`", statement, "–", "–", "not measured yet"


def section() -> str:
    """The table."""
    body = [row for name in STUDIES for row in rows(name)]
    lines = [table_row(cells) for cells in (HEADER, ("---", "---", "---", "---:", "---"), *body)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Replace what stands between the two marks."""
    before, _, rest = TARGET.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{TARGET} has no marks {BEGIN.strip()} … {END.strip()}")
    with atomic(TARGET) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{section()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
