"""How near imitations come to the moments of the very fields that they are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt
from scipy.stats import kurtosis, skew
from torch import Tensor

from fsdiff.analyses.base import Analysis, results
from fsdiff.blocks.explain import Problem
from fsdiff.data.sources.source import Source
from fsdiff.measures.imitations import Imitation
from fsdiff.randomness import generator
from fsdiff.streams import Stream

MOMENTS = {
    "mean": "mean, mean square error over nodes",
    "variance": "variance, mean square error",
    "skewness": "skewness, mean square error",
    "kurtosis": "kurtosis, mean square error",
}
"""Pointwise moments that are compared, and what these numbers are."""


@dataclass(frozen=True, kw_only=True)
class ImitatedMoments(Analysis):
    """Moments at each node of ``samples`` fields of an ``imitation``, and of those it is made of.

    Errors are mean squares over nodes and channels, one for each of the ``seeds``, as generative
    models of few curves are compared (Kerrigan et al., functional flow matching, AISTATS 2024):
    with the curves that they were trained on. Without an imitation one half of the fields is
    compared with the other, which is what new fields of the same law would have.
    """

    numbers: ClassVar[tuple[str, ...]] = tuple(MOMENTS)

    source: Source
    imitation: Imitation | None = None
    samples: Annotated[int, Field(ge=2)] = 500
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = tuple(range(10))
    kind: Literal["imitated_moments"] = "imitated_moments"

    def __post_init__(self) -> None:
        """Refuse laws that have as many fields as one likes, and fewer than four."""
        available = self.source.available
        if available is None or available < 4:
            raise ValueError(f"source: give curves in files, at least four, not {available}")

    def check(self) -> Iterator[Problem]:
        """Refuse fields that cannot be imitated."""
        yield from not_imitated(self.imitation, self.source)

    def run(self) -> xr.Dataset:
        """The four errors (seed)."""
        available = self.source.available
        assert available is not None
        fields = torch.from_numpy(self.source.generate(range(available), 0)["field"].values)
        pairs = self._pairs(fields.double())
        errors = [np.square(moments(found) - moments(known)).mean(1) for found, known in pairs]
        return results(
            {
                name: ("seed", values, meaning)
                for (name, meaning), values in zip(MOMENTS.items(), np.array(errors).T, strict=True)
            },
            {"seed": ("seed", list(self.seeds), "seed")},
        )

    def _pairs(self, fields: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Fields that are compared and those they are compared with, for each seed."""
        law = None if self.imitation is None else self.imitation.fit(fields, self.source.basis)
        for seed in self.seeds:
            random = generator(seed, Stream.CALIBRATION, 1)
            if law is not None:
                yield law(self.samples, random), fields
                continue
            half = len(fields) // 2
            order = torch.from_numpy(random.permutation(len(fields)))
            yield fields[order[:half]], fields[order[half : 2 * half]]


def not_imitated(imitation: Imitation | None, source: Source) -> Iterator[Problem]:
    """An imitation that cannot be made of the fields of a source."""
    try:
        if imitation is not None:
            imitation.check_grid(source.basis, source.resolution)
    except ValueError as error:
        yield ("imitation",), str(error)


def moments(fields: Tensor) -> np.ndarray:
    """Mean, variance, skewness and kurtosis at each node of fields (N, …), (4, nodes)."""
    values = fields.flatten(1).numpy()
    return np.stack([values.mean(0), values.var(0), skew(values), kurtosis(values)])
