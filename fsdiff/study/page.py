"""The page that a study writes about itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.blocks.explain import Problem, refuse, suggest
from fsdiff.blocks.types import Block, BlockOf, Flag, PartBlock
from fsdiff.characters import Line
from fsdiff.reports.combinations import Combinations
from fsdiff.reports.differences import Differences
from fsdiff.reports.findings import Findings
from fsdiff.reports.page import Picture, Table, pictures
from fsdiff.reports.posteriors.targets import Target
from fsdiff.reports.sooner import Sooner
from fsdiff.study.figures import Figures

if TYPE_CHECKING:
    from fsdiff.study.study import Study

SELECTIONS = ("differences", "sooner", "tables")
"""Parts of a page that are about results at one resolution."""


class Page(Block):
    """A page about the study, ``results/page.md``: what is asked, and what was found."""

    title: Annotated[Line, Field(min_length=1)]
    text: str
    """What stands before the tables, in Markdown."""
    claims: Flag = False
    """Whether a section tells what became of the study's ``claims``."""
    posteriors: Flag = False
    """Whether sections tell how near the study's ``posteriors`` came to the true ones."""
    targets: tuple[Annotated[PartBlock, BlockOf(Target)], ...] = ()
    """How near they were to come, and whether they have."""
    differences: tuple[Annotated[PartBlock, BlockOf(Differences)], ...] = ()
    """How much results differ between experiments, and how much by chance."""
    sooner: tuple[Annotated[PartBlock, BlockOf(Sooner)], ...] = ()
    """How much sooner experiments are as near to the data as others ever are."""
    tables: tuple[Annotated[PartBlock, BlockOf(Table)], ...] = ()
    """Results of experiments, or of the moments at which they were judged."""
    combinations: tuple[Annotated[PartBlock, BlockOf(Combinations)], ...] = ()
    """Rankings of what experiments ``vary``."""
    analyses: tuple[Annotated[PartBlock, BlockOf(Findings)], ...] = ()
    """Results of analyses."""
    figures: tuple[Annotated[PartBlock, BlockOf(Picture)], ...] = ()
    """Figures of the report that are shown."""

    @property
    def findings(self) -> list[str]:
        """The analyses that it has numbers of, by name."""
        return list(dict.fromkeys(name for item in self.analyses for name in item.analyses))

    @property
    def pictures(self) -> list[str]:
        """Names of the figures that are drawn for the page, below ``results``."""
        return pictures(self.tables, self.combinations)


def _about_the_study(page: Page | None, info: ValidationInfo) -> Page | None:
    """Refuse what no experiment of the study will have."""
    study = (info.context or {}).get("study")
    if page is not None and study is not None:
        if page.claims and not info.data.get("claims", True):  # they are read before the page
            refuse([(("claims",), "the study makes no claims: say what they are, or leave it out")])
        if page.posteriors and not study.posteriors:
            refuse([(("posteriors",), "the study has none: say what they are, or leave it out")])
        refuse(_about_targets(page, study))
        refuse(_about_selections(page, study))
        refuse(_about_comparisons(page, study))
        refuse(_about_variations(page, study))
        refuse(_about_analyses(page, study))
        refuse(_about_figures(page, study))
    return page


def _about_targets(page: Page, study: "Study") -> Iterator[Problem]:
    """Numbers of posteriors that there will not be."""
    for index, item in enumerate(page.targets):
        for key, problem in study.missing_posteriors(item.part):
            yield ("targets", index, key), problem


def _about_selections(page: Page, study: "Study") -> Iterator[Problem]:
    """Data sets and columns that there will not be."""
    for part in SELECTIONS:
        for index, item in enumerate(getattr(page, part)):
            if item.dataset is not None and item.dataset not in study.datasets:
                known = suggest(study.datasets, item.dataset)
                yield (part, index, "dataset"), f"there is no such data set; known: {known}"
                continue
            for place, column in enumerate(item.columns):
                if problem := study.unknown_column(column, item.resolution, item.dataset):
                    yield (part, index, "columns", place), problem


def _about_comparisons(page: Page, study: "Study") -> Iterator[Problem]:
    """Experiments that cannot be compared with each other."""
    for index, item in enumerate(page.differences):
        names = study.compared(item.resolution, item.dataset)
        yield from _incomparable(names, ("differences", index), study)
        yield from _without_chance(names, ("differences", index), study)
    for index, item in enumerate(page.sooner):
        names = study.compared(item.resolution, item.dataset)
        yield from _incomparable(names, ("sooner", index), study)
        if item.significance is not None:
            yield from _without_chance(names, ("sooner", index), study)
        for place, name in enumerate(item.against):
            if name not in names:
                known = suggest(names, name)
                yield (
                    ("sooner", index, "against", place),
                    f"it is not compared with data there; those that are: {known}",
                )
        if set(names) <= set(item.against):
            yield ("sooner", index, "against"), "leave an experiment to compare with these"


def _incomparable(
    names: Sequence[str], where: tuple[str, int], study: "Study"
) -> Iterator[Problem]:
    """Experiments on different data sets, whose distances are no measure of each other."""
    datasets = dict.fromkeys(study.experiments[name].dataset for name in names)
    if len(datasets) > 1:
        yield where, f"give the dataset that it is about: {', '.join(datasets)}"


def _without_chance(
    names: Sequence[str], where: tuple[str, int], study: "Study"
) -> Iterator[Problem]:
    """Fewer than two experiments, or seeds that all have, from which chance is estimated."""
    seeds = [set(study.experiments[name].seeds) for name in names]
    if len(names) < 2 or len(set.intersection(*seeds)) < 2:
        yield where, "chance is told by two experiments and two seeds of all of them, at least"


def _about_variations(page: Page, study: "Study") -> Iterator[Problem]:
    """Why there will be nothing to rank, or several experiments in one place."""
    varied = {tuple(variation.choices) for variation in study.variations.values()}
    titles = Counter(
        ", ".join((item.family, *item.choices.values())) for item in study.variations.values()
    )
    title, count = titles.most_common(1)[0] if titles else ("", 0)
    for index, ranked in enumerate(page.combinations):
        if len(varied) != 1:
            yield (
                ("combinations", index),
                "experiments vary different things: give all that vary any the same ones"
                if varied
                else "no experiment varies anything: say vary in one",
            )
        elif count > 1:
            yield (
                ("combinations", index),
                f"{count} experiments are called '{title}': give entries and choices other titles",
            )
        for place, column in enumerate(ranked.columns):
            for n in ranked.resolutions:
                if problem := study.unknown_column(column, n):
                    yield ("combinations", index, "columns", place), problem
                    break


def _about_analyses(page: Page, study: "Study") -> Iterator[Problem]:
    """Analyses and results of them that there will not be."""
    for index, item in enumerate(page.analyses):
        for place, name in enumerate(item.analyses):
            if name not in study.analyses:
                known = suggest(study.analyses, name)
                yield ("analyses", index, "analyses", place), f"there is none; known: {known}"
        for place, column in enumerate(item.columns):
            problems = [study.missing_number(column, name) for name in item.analyses]
            if all(problems):
                yield ("analyses", index, "columns", place), str(problems[0])


def _about_figures(page: Page, study: "Study") -> Iterator[Problem]:
    """Figures that will not be drawn."""
    paths = [item.path for item in page.figures]
    for index, problem in Figures(study).missing(paths):
        yield ("figures", index, "path"), problem


PageOfStudy = Annotated[Page | None, AfterValidator(_about_the_study)]
