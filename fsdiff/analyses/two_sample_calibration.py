"""What two-sample tests can tell: how often they reject laws known to be right or wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from tqdm import tqdm

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.imitated_moments import not_imitated
from fsdiff.blocks.explain import Problem
from fsdiff.data.sources.source import Source
from fsdiff.measures.imitations import Imitation
from fsdiff.metrics.two_sample import (
    Kernel,
    Level,
    Permutations,
    Protocol,
    check_permutations,
    rejected,
    rejection_rate,
)
from fsdiff.randomness import generator
from fsdiff.streams import Stream

FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class TwoSampleCalibration(Analysis):
    """The share of two-sample tests that reject ``generated`` fields beside real ones, by size.

    Real fields are those of a ``source``. Those they are compared with are more of the same, of an
    ``imitation`` of them, or of another source, ``against``. A test takes as many generated fields
    as each of ``sizes``, and as many real ones unless ``real`` says how many.

    Fields of a law are new in every test, and intervals exact. Of a data set in files every test
    takes a random part, others than those it compares with; intervals are about these data.
    Imitations are made of ``curves`` fields, all there are of a data set in files.
    """

    numbers: ClassVar[tuple[str, ...]] = ("rejected", "rejected_low", "rejected_high")
    shares = numbers

    source: Source
    against: Source | None = None
    imitation: Imitation | None = None
    sizes: Annotated[tuple[Annotated[int, Field(ge=FEWEST)], ...], Field(min_length=1)] = (10,)
    real: Annotated[int, Field(ge=FEWEST)] | None = None
    kernel: Kernel = "identity"
    protocol: Protocol = "calibrated"
    tests: PositiveInt = 400
    permutations: Permutations = 199
    level: Level = 0.05
    curves: PositiveInt = 2000
    seed: NonNegativeInt = 0
    kind: Literal["two_sample_calibration"] = "two_sample_calibration"

    def __post_init__(self) -> None:
        """Refuse two laws to compare with, and tests that there are not enough fields for."""
        if self.against is not None and self.imitation is not None:
            raise ValueError("give against or imitation, not both")
        if self.protocol == "calibrated":
            check_permutations(self.permutations, self.level)
        available = self.source.available
        largest = max(size + (self.real or size) for size in self.sizes)
        if available is not None and available < largest:
            raise ValueError(f"a test takes {largest} fields, and the source has {available}")

    def check(self) -> Iterator[Problem]:
        """Refuse fields that tests cannot be given together, or that cannot be imitated."""
        yield from not_imitated(self.imitation, self.source)
        own = _shape(self.source)
        if self.against is not None and (other := _shape(self.against)) != own:
            yield (
                ("against",),
                f"its fields have shape {other} (channels, then nodes) and those of source {own}; "
                "give both the same",
            )

    def run(self) -> xr.Dataset:
        """``rejected`` (size), and its exact interval, ``rejected_low`` and ``rejected_high``."""
        random = generator(self.seed, Stream.CALIBRATION)
        draws = Draws(self, random)
        rates = [
            rejection_rate(
                rejected(
                    *draws.groups(size, self.real or size),
                    self.source.basis,
                    random,
                    self.kernel,
                    self.permutations,
                    self.level,
                    self.protocol,
                )
            )
            for size in tqdm(self.sizes, desc="sizes", disable=None)
        ]
        names = ("rejected", "rejected_low", "rejected_high")
        meanings = ("share of tests that reject", "… at least", "… at most")
        described = zip(names, np.array(rates).T[: len(names)], meanings, strict=True)
        return results(
            {
                **{name: ("size", values, meaning) for name, values, meaning in described},
                "level": ((), self.level, "share of true hypotheses that tests reject"),
                "tests": ((), self.tests, "tests of each size"),
                "reference": (
                    "size",
                    [self.real or size for size in self.sizes],
                    "real fields in a test",
                ),
            },
            {"size": ("size", list(self.sizes), "generated fields in a test")},
        )


class Draws:
    """Where the fields of tests come from."""

    def __init__(self, analysis: TwoSampleCalibration, random: np.random.Generator) -> None:
        self.analysis, self.random = analysis, random
        self._next = {"source": 0, "against": 0}
        available = analysis.source.available
        fields = _fields(analysis.source, range(available or analysis.curves), analysis.seed)
        # In units of each channel's deviation, as metrics see them.
        channels = fields.movedim(1, 0).flatten(1).std(1)
        self.units = channels.view(1, -1, *[1] * (fields.ndim - 2)).clamp_min(1e-300)
        self.fields = fields / self.units
        self._next["source"] = len(self.fields)

    def groups(self, size: int, real: int) -> tuple[Tensor, Tensor]:
        """Generated fields (test, size, channel, *grid) and real ones (test, real, …)."""
        tests, analysis = self.analysis.tests, self.analysis
        if analysis.source.available is None:
            both = self._new("source", tests * (size + real)).unflatten(0, (tests, size + real))
        else:
            order = torch.from_numpy(self._orders(size + real))
            both = self.fields[order]
        same, reals = both[:, :size], both[:, size:]
        if analysis.imitation is not None:
            basis = analysis.source.basis
            made = analysis.imitation.draw(self.fields, basis, tests * size, self.random)
        elif analysis.against is not None:
            made = self._new("against", tests * size)
        else:
            return same, reals
        return made.unflatten(0, (tests, size)), reals

    def _orders(self, count: int) -> np.ndarray:
        """Different fields for each test, (test, count)."""
        every = np.tile(np.arange(len(self.fields)), (self.analysis.tests, 1))
        return self.random.permuted(every, axis=1)[:, :count]

    def _new(self, name: Literal["source", "against"], count: int) -> Tensor:
        """Fields that no test has had yet."""
        start = self._next[name]
        self._next[name] += count
        source = getattr(self.analysis, name)
        # Another source's fields are not those of the same seed.
        seed = self.analysis.seed + (name == "against")
        return _fields(source, range(start, start + count), seed) / self.units


def _shape(source: Source) -> tuple[int, ...]:
    """Channels and nodes of its fields."""
    return (source.values, *source.basis.grid(source.resolution))


def _fields(source: Source, indices: range, seed: int) -> Tensor:
    """Fields (N, channel, *grid) of a source, in double precision."""
    return torch.from_numpy(source.generate(indices, seed)["field"].values).double()
