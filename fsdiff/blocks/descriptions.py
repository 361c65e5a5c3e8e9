"""What is written beside a model's weights, checked like a configuration before it is used.

A model may come from anywhere: whatever its description says, one line tells what is wrong with it.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
)

from fsdiff import parts
from fsdiff.blocks.explain import Explainer, shown
from fsdiff.blocks.types import NAMES, Block, PartBlock, PartOf, block_type
from fsdiff.jobs.failures import DamagedError

PARTS = ("prior", "process", "prediction", "time_sampling", "network", "condition")
"""The blocks that a model is made of, besides its basis and its method, which says which."""

OPTIONAL = ("condition",)
"""Those that a model may lack."""

LARGEST = 2**14
"""The largest integer in blocks but the network's, which is compared with the weights; names aside.

Integers count nodes and modes: a larger one would not end.
"""

Attributes = dict[str, str | int | float | list[str | int | float]]


class _Open(Block):
    """A block that may have more keys."""

    model_config = ConfigDict(extra="ignore")


class Axis(Block):
    """An axis of the data: coordinates are ``start`` + ``scale`` times those of the basis.

    Where nodes are the same at every level, ``values`` are theirs, evenly spaced or not.
    """

    name: str
    start: float
    scale: float
    attributes: Attributes
    values: list[float] | None = None


class Data(_Open):
    """Names, units and extent of the fields that a model was trained on."""

    channels: list[str] = Field(min_length=1)
    axes: list[Axis] = Field(min_length=1)
    times: list[float] | float | None = None
    field: Attributes
    time: Attributes | None = None


class Description(_Open):
    """What is known of a model besides its weights, whose digest is ``weights``."""

    config: dict[str, Any]
    data: Data
    parameters: NonNegativeInt
    training_seconds: NonNegativeFloat
    spectrum_resolution: int = Field(ge=1, le=LARGEST)
    transforms: list[Annotated[PartBlock, PartOf("transforms")] | None] = Field(
        default_factory=list
    )
    weights: str


def check(description: Any, path: Path) -> None:
    """Refuse what does not describe a model; the message names the file and the key."""
    try:
        first = next(_problems(Description, description), None)
        first = first or next(_problems_of_parts(description["config"]), None)
    except RecursionError:
        first = "its blocks are nested too deeply"
    if first:
        raise DamagedError(f"{path} does not describe a model: {first}")


def _problems_of_parts(config: Mapping[str, Any]) -> Iterator[str]:
    for family in ("basis", "method", *PARTS):
        if family in PARTS and family not in _used(config):
            continue
        block = config.get(family)
        if block is None and family in OPTIONAL:
            continue
        if not isinstance(block, Mapping) or not isinstance(block.get("kind"), str):
            yield f"config.{family} = {shown(block)}: expected a block with a kind"
            continue
        try:
            described = block_type(parts.find(family, block["kind"]))
        except ValueError as error:
            yield f"config.{family}.kind: {error}"
            continue
        yield from (f"config.{family}.{line}" for line in _problems(described, block))
        if family != "network":
            yield from (f"config.{family}.{line}" for line in _too_large(block))


def _used(config: Mapping[str, Any]) -> set[str]:
    """The blocks that the method of a model has."""
    described = parts.find("method", config["method"]["kind"])
    return {*described.needs, *described.takes}


def _problems(described: type[BaseModel], document: Any) -> Iterator[str]:
    """What is wrong with a document, in the words in which a configuration is explained."""
    try:
        described.model_validate(document)
    except ValidationError as error:
        explainer = Explainer(described.model_json_schema(), document)
        yield from islice(explainer.lines(error, lambda location: location), 1)
    except (ValueError, ArithmeticError, TypeError) as error:  # of a part's own check
        yield f"kind: {error}"


def _too_large(block: Mapping[str, Any]) -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{line}" for line in _too_large(value))
            continue
        numbers = value if isinstance(value, list) else [value]
        if key in NAMES:
            continue
        if any(isinstance(n, int) and n > LARGEST for n in numbers):
            yield f"{key} = {shown(value)}: expected no more than {LARGEST}"
