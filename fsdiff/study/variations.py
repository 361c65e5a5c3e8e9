"""Experiments in all combinations of some of their blocks, from one entry of a configuration."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from fsdiff.blocks.explain import refuse
from fsdiff.blocks.types import Block
from fsdiff.reports.combinations import FAMILY, GRID, METRIC, MULTIPLE
from fsdiff.study.fields import Name

MOST = 2000
"""The most experiments that one entry stands for."""

Suffix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=100)]
Choices = Annotated[dict[Suffix, dict[str, Any]], Field(min_length=1)]


def _apart(vary: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Refuse more experiments than anybody can mean, and what could not be told apart."""
    refuse(
        ((name,), "rankings have a column of this name; call it otherwise")
        for name in vary.keys() & {FAMILY, GRID, METRIC, MULTIPLE}
    )
    refuse(
        ((name, choice, "title"), "expected text, which becomes part of other titles")
        for name, choices in vary.items()
        for choice, block in choices.items()
        if not isinstance(block.get("title"), str | None)
    )
    if (count := math.prod(map(len, vary.values()))) > MOST:
        raise ValueError(f"{count} experiments; give fewer choices, {MOST} combine at most")
    chosen: dict[str, str] = {}
    refuse(
        ((name, choice, key), f"{chosen[key]} chooses this, too; let one of them do so")
        for name, choices in vary.items()
        for choice, block in choices.items()
        for key in block.keys() - {"title"}
        if chosen.setdefault(key, name) != name
    )
    return vary


class Varied(Block):
    """What an entry of ``experiments`` says of the experiments that it stands for."""

    vary: Annotated[dict[Name, Choices], Field(min_length=1), AfterValidator(_apart)]
    """An experiment for each combination of choices, {what: {choice: {title: …, prior: …}}}.

    It has the other blocks of the entry beside those that are chosen; its name is that of the entry
    followed by those of the choices, and so is its title.
    """
    title: str | None = None
    """What the titles of all of them begin with; the name of the entry if absent."""

    def experiments(self, name: str, entry: Mapping[str, Any]) -> "Iterator[Variation]":
        """An experiment for each combination."""
        base = {key: value for key, value in entry.items() if key != "vary"}
        family = self.title or name
        for choice in product(*(choices.items() for choices in self.vary.values())):
            suffixes, blocks = zip(*choice, strict=True)
            titles = [block.get("title") or suffix for suffix, block in choice]
            chosen = {key: value for block in blocks for key, value in block.items()}
            yield Variation(
                name="_".join((name, *suffixes)),
                family=family,
                choices=dict(zip(self.vary, titles, strict=True)),
                block={**base, **chosen, "title": ", ".join((family, *titles))},
            )


@dataclass(frozen=True)
class Variation:
    """One of the experiments that an entry stands for.

    ``family`` is the title of the entry, ``choices`` have those of what was chosen by what is
    varied, ``block`` is the experiment's.
    """

    name: str
    family: str
    choices: Mapping[str, str]
    block: Mapping[str, Any]
