"""What an exact experiment is: settings that turn into numbers that say what they are."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import xarray as xr
from pydantic import Field
from torch import Tensor, nn

from fsdiff.blocks.explain import Location, Problem
from fsdiff.characters import Line
from fsdiff.spaces.basis import Basis

Variables = Mapping[str, tuple[str | tuple[str, ...], Any, str]]
"""Name → (dimensions, values, what it is): a short text that may end with a unit in brackets."""


class NetworkFactory(Protocol):
    """Makes a network for a number of channels; the block of a network in a configuration."""

    def __call__(self, channels: int) -> nn.Module:
        """A network with the global random state's next weights."""
        ...


@dataclass(frozen=True, kw_only=True)
class Analysis(ABC):
    """An experiment. Analyses of one kind that share a ``figure`` are drawn together.

    ``title`` is what figures call it, by default its name, which is also the default figure.
    """

    numbers: ClassVar[tuple[str, ...]] = ()
    """Results that claims and tables may be about."""
    shares = tuple[str, ...]()
    """Those of them that are from 0 to 1, as frequencies are; no part of fingerprints."""
    levelled: ClassVar[tuple[str, ...]] = ("resolution", "resolutions")
    """Settings that are levels of its fields, where it has a ``basis``."""
    of_functions: ClassVar[bool] = False
    """Whether a law that it has may be one of functions."""

    title: Line = ""
    figure: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$", max_length=100)] = ""

    @abstractmethod
    def run(self) -> xr.Dataset:
        """Do the experiment."""

    def check(self) -> Iterator[Problem]:
        """Settings with which it would fail or be about nothing; told before any job starts.

        What parts have against each other, and against ``grids``, is known without it.
        """
        yield from ()

    def grids(self) -> Iterator[tuple[Location, Basis, int]]:
        """The levels of its fields: which setting says so, the basis and the level."""
        if (basis := getattr(self, "basis", None)) is None:
            return
        for name in self.levelled:
            found = getattr(self, name, ())
            if isinstance(found, int):
                yield (name,), basis, found
            else:
                yield from (((name, i), basis, n) for i, n in enumerate(found))


def wrong_point(point: tuple[float, ...], coordinates: int) -> Iterator[Problem]:
    """A point that lies elsewhere than the points of a law."""
    if len(point) != coordinates:
        yield (
            ("point",),
            f"it has {len(point)} coordinates and points of the law have {coordinates}: give as "
            "many",
        )


def times_beyond(times: tuple[float, ...], end: float) -> Iterator[Problem]:
    """Times that a process does not reach."""
    for i, time in enumerate(times):
        if time > end:
            yield ("times", i), f"{time:g} is beyond the end of the process; use times <= {end:g}"


def results(variables: Variables, coordinates: Variables) -> xr.Dataset:
    """A data set of numbers, each with what it is as ``long_name`` and with ``units``."""
    return xr.Dataset(
        {name: _variable(*described) for name, described in variables.items()},
        coords={name: _variable(*described) for name, described in coordinates.items()},
    )


def _variable(dimensions: str | tuple[str, ...], values: Any, meaning: str) -> xr.Variable:
    text, _, unit = meaning.partition(" [")
    values = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
    attributes = {"long_name": text, "units": unit.rstrip("]") or "1"}
    return xr.Variable(dimensions, values, attributes if values.dtype.kind in "fiu" else None)
