"""The page that a study writes about itself."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.blocks.explain import refuse
from fsdiff.blocks.types import Block, BlockOf, PartBlock
from fsdiff.reports.page import Table


class Page(Block):
    """A page about the study, ``results/page.md``: what is asked, and what was found."""

    title: Annotated[str, Field(min_length=1)]
    text: str
    """What stands before the tables, in Markdown."""
    tables: tuple[Annotated[PartBlock, BlockOf(Table)], ...] = ()
    figures: tuple[Annotated[str, Field(pattern=r"^[\w./-]+\.(svg|png)$")], ...] = ()
    """Figures of the report that are shown, by their paths below ``results/figures``."""


def _about_the_study(page: Page | None, info: ValidationInfo) -> Page | None:
    """Refuse columns that no experiment of the study will have."""
    study = (info.context or {}).get("study")
    if page is not None and study is not None:
        refuse(
            (("tables", index, "columns", place), problem)
            for index, table in enumerate(page.tables)
            for place, column in enumerate(table.columns)
            if (problem := study.unknown_column(column, table.resolution))
        )
    return page


PageOfStudy = Annotated[Page | None, AfterValidator(_about_the_study)]
