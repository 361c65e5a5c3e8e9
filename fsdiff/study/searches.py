"""Blocks of searches for hyperparameters, and the experiments that they consist of."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from fsdiff.blocks.explain import refuse, suggest
from fsdiff.blocks.types import Block, BlockOf, Integer, Number, PartBlock
from fsdiff.reports.ranking import GRID, OUTCOME
from fsdiff.reports.summary import LOSS, OTHERS
from fsdiff.study.evaluation import without_best
from fsdiff.study.fields import Count, Name, Seed, distinct
from fsdiff.training.options import Level

POINTS = 2000
"""The most combinations of hyperparameters; each is an experiment, on two grids."""

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Value = Integer | Number | Word


def _several(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(values) < 2:
        raise ValueError("there is nothing to choose from; give two values or more")
    return values


Values = Annotated[tuple[Value, ...], AfterValidator(_several), AfterValidator(distinct)]


VARIED = (
    "prior",
    "process",
    "prediction",
    "network",
    "time_sampling",
    "training",
    "sampler",
    "level",
)
"""Blocks whose keys can be searched: the rest is the same for all candidates."""

OTHER_LOSS = ("prior.", "process.", "prediction.", "time_sampling.")
"""Blocks that decide what the loss is."""

LOSSES = frozenset(words.name for words in OTHERS if words.family == LOSS)


def _varied(parameters: dict[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
    """Refuse keys that would change nothing, or what the search sets itself."""
    refuse(
        ((key,), problem)
        for key in parameters
        if (problem := _never_varied(*key.partition(".")[::2]))
    )
    return parameters


def _never_varied(block: str, name: str) -> str | None:
    """Why a key of a block cannot be searched; or None."""
    if not name:
        return "name block and key, such as network.modes or level.learning_rate"
    if block not in VARIED:
        return f"no block that is searched; known: {suggest(VARIED, block)}"
    if (block, name) == ("level", "resolution"):
        return "resolutions are those of coarse and fine"
    return None


def _different_names(parameters: dict[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
    names = [key.partition(".")[2] for key in parameters]
    if len(set(names)) < len(names):
        raise ValueError("two keys are the same after the dot, which is what tables call them")
    if taken := {GRID, *OUTCOME} & {*names}:
        raise ValueError(f"tables call something else '{min(taken)}': it cannot be searched")
    if (points := math.prod(map(len, parameters.values()))) > POINTS:
        raise ValueError(f"{points:.4g} combinations; give fewer values, {POINTS} combine at most")
    return parameters


class Search(Block):
    """Hyperparameters tried on a coarse grid and again on a fine one: are the same ones best?"""

    experiment: Name
    """The experiment whose parameters are varied; all but its levels is taken from it."""
    parameters: Annotated[
        dict[str, Values],
        Field(min_length=1),
        AfterValidator(_varied),
        AfterValidator(_different_names),
    ]
    """Values by block and key, such as network.modes; level.batch_size for that of the level."""
    coarse: Annotated[PartBlock, BlockOf(Level)]
    """The level that all combinations are trained on, and sampled at, first."""
    fine: Annotated[PartBlock, BlockOf(Level)]
    """The level that all are trained on, and sampled at, to see if they rank in the same order."""
    metric: Annotated[str, Field(min_length=1)]
    """The column of results that ranks them, NAME or NAME[CHANNEL]; the least is the best.

    Losses do not compare between priors, processes, predictions and time samplings.
    """
    count: Count | None = None
    """How many samples to draw from each model; as many as of the experiment's if absent."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(distinct)] | None = None
    """One model is trained for each seed; those of the experiment if absent."""

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("experiments", [name])
        if name not in known:
            raise ValueError(f"no such experiment; known: {suggest(known, name)}")
        return name

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, name: str, info: ValidationInfo) -> str:
        study, experiment = (info.context or {}).get("study"), info.data.get("experiment")
        if study:
            problem = study.missing_result(name, experiment)
            if problem := problem or without_best(name, study.evaluation.metrics):
                raise ValueError(problem)
        keys = [key for key in info.data.get("parameters", ()) if key.startswith(OTHER_LOSS)]
        if name in LOSSES and keys:
            raise ValueError(f"does not compare where {keys[0]} differs; choose a distance")
        return name

    @field_validator("fine")
    @classmethod
    def _check_fine(cls, fine: PartBlock, info: ValidationInfo) -> PartBlock:
        coarse = info.data.get("coarse")
        if coarse and fine.resolution <= coarse.resolution:
            raise ValueError(f"resolution = {fine.resolution}: use more than the coarse level has")
        return fine

    def points(self) -> list[dict[str, Value]]:
        """All combinations of values by the names of their parameters, first coarse then fine.

        The last entry, ``at``, is the resolution.
        """
        names = [key.partition(".")[2] for key in self.parameters]
        return [
            {**dict(zip(names, values, strict=True)), "at": level.resolution}
            for level in (self.coarse, self.fine)
            for values in product(*self.parameters.values())
        ]

    def candidates(
        self, name: str, base: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, block) of an experiment for each of ``points``; ``base`` is the one varied.

        Names are paths of parameters and values, as Snakemake's Paramspace makes them.
        """
        for point in self.points():
            level = self.coarse if point["at"] == self.coarse.resolution else self.fine
            blocks = {**base, "level": level.plain()}
            for key, value in zip(self.parameters, point.values(), strict=False):
                block, _, parameter = key.partition(".")
                blocks[block] = {**blocks.get(block, {}), parameter: value}
            trained = [blocks.pop("level")]
            pattern = "/".join(f"{parameter}~{value}" for parameter, value in point.items())
            yield (
                f"{name}/{pattern}",
                {
                    **blocks,
                    "title": ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in point.items()),
                    "levels": trained,
                    "samples": {
                        **base["samples"],
                        "resolutions": [level.resolution],
                        **({"count": self.count} if self.count else {}),
                    },
                    "seeds": list(self.seeds or base.get("seeds", (0,))),
                    "trajectory": None,
                },
            )
