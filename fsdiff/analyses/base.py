"""What an exact experiment is: settings that turn into numbers that say what they are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import xarray as xr
from pydantic import Field
from torch import Tensor, nn

from fsdiff.characters import Line

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

    title: Line = ""
    figure: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$", max_length=100)] = ""

    @abstractmethod
    def run(self) -> xr.Dataset:
        """Do the experiment."""


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
