"""The page that a study writes about itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.blocks.explain import Problem, refuse
from fsdiff.blocks.types import Block, BlockOf, PartBlock
from fsdiff.reports.combinations import Combinations
from fsdiff.reports.page import Table, pictures

if TYPE_CHECKING:
    from fsdiff.study.study import Study


class Page(Block):
    """A page about the study, ``results/page.md``: what is asked, and what was found."""

    title: Annotated[str, Field(min_length=1)]
    text: str
    """What stands before the tables, in Markdown."""
    tables: tuple[Annotated[PartBlock, BlockOf(Table)], ...] = ()
    combinations: tuple[Annotated[PartBlock, BlockOf(Combinations)], ...] = ()
    """Rankings of what experiments ``vary``."""
    figures: tuple[Annotated[str, Field(pattern=r"^[\w./-]+\.(svg|png)$")], ...] = ()
    """Figures of the report that are shown, by their paths below ``results/figures``."""

    @property
    def pictures(self) -> list[str]:
        """Names of the figures that are drawn for the page, below ``results``."""
        return pictures(self.tables, self.combinations)


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
        refuse(_about_variations(page, study))
    return page


def _about_variations(page: Page, study: "Study") -> Iterator[Problem]:
    """Why there will be nothing to rank."""
    varied = {tuple(variation.choices) for variation in study.variations.values()}
    for index, ranked in enumerate(page.combinations):
        if len(varied) != 1:
            yield (
                ("combinations", index),
                "experiments vary different things: give all that vary any the same ones"
                if varied
                else "no experiment varies anything: say vary in one",
            )
        for place, column in enumerate(ranked.columns):
            for n in ranked.resolutions:
                if problem := study.unknown_column(column, n):
                    yield ("combinations", index, "columns", place), problem
                    break


PageOfStudy = Annotated[Page | None, AfterValidator(_about_the_study)]
