"""Draws of posteriors with what they are compared with, and what every measure of them has."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from fsdiff.metrics.words import Words
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.leading import inner_products, leading_functions

logger = logging.getLogger(__name__)

Needed = Literal["truth", "reference", "residuals"]
"""What a measure compares draws with."""

AGAINST_REFERENCE, AGAINST_TRUTH, CALIBRATION = (
    "posterior, against the reference",
    "posterior, against the truth",
    "posterior, calibration",
)
"""Families of results, as tables call them."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Draws (cases, draws, channels, *grid) of posteriors, one case for each observation.

    Where there is one of each case it is an estimate, the one answer of a method without spread.
    ``truth`` (cases, channels, *grid) are the fields that were observed; ``reference`` (cases,
    draws, channels, *grid) draws of the true posteriors; ``residuals`` (cases, draws, count) the
    misfits (G(u) − y)/σ of the draws. Fields are in units of each channel's own deviation. Draws
    are taken as independent: those of Markov chains are to be thinned. Only nodes that are
    ``present`` (channels, *grid) have values, all if absent; at others, fields are continued.
    ``origin`` (channels, *grid) is what the physical field zero is here, zero if absent. ``roots``
    (channels, *grid) are what ``weighted`` has multiplied fields by, one if absent.
    """

    draws: Tensor
    basis: Basis
    truth: Tensor | None = None
    reference: Tensor | None = None
    residuals: Tensor | None = None
    present: Tensor | None = None
    origin: Tensor | None = None
    roots: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse sets that do not fit together, by name."""
        shape = tuple(self.draws.shape)
        if len(shape) != 3 + self.basis.dimension or 0 in shape:
            raise ValueError(f"draws have shape {shape}; expected (cases, draws, channels, *grid)")
        expected = {
            "truth": (shape[0], *shape[2:]),
            "reference": (shape[0], None, *shape[2:]),
            "residuals": (shape[0], shape[1], None),
            "present": shape[2:],
            "origin": shape[2:],
            "roots": shape[2:],
        }
        for name, wanted in expected.items():
            given = getattr(self, name)
            if given is not None and not _fits(tuple(given.shape), wanted):
                text = ", ".join("any" if size is None else str(size) for size in wanted)
                raise ValueError(f"{name} has shape {tuple(given.shape)}; expected ({text})")
            if given is not None and not given.isfinite().all():
                raise ValueError(f"{name} contains NaN or infinity")
        if self.reference is not None and self.reference.shape[1] < 2:
            raise ValueError("reference has one draw of each case, which tells of no spread")
        if not self.draws.isfinite().all():
            case = int((~self.draws.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"draws contain NaN or infinity, first in case {case}")

    def one(self, case: int) -> "Cases":
        """One of the cases by itself."""
        here = slice(case, case + 1)
        parts = {name: getattr(self, name) for name in ("truth", "reference", "residuals")}
        own: dict[str, Any] = {
            name: None if part is None else part[here] for name, part in parts.items()
        }
        return replace(self, draws=self.draws[here], **own)

    def of_channels(self, chosen: Sequence[int]) -> "Cases":
        """The cases of some channels, without misfits, which are those of all."""
        own = list(chosen)
        places = {"truth": 1, "reference": 2, "present": 0, "origin": 0, "roots": 0}
        parts = {name: (getattr(self, name), place) for name, place in places.items()}
        fields = {
            name: None if part is None else part[(slice(None),) * place + (own,)]
            for name, (part, place) in parts.items()
        }
        draws, basis = self.draws[:, :, own], self.basis.select(own)
        return Cases(draws, basis, residuals=None, **fields)

    def weighted(self) -> "Cases":
        """Fields whose inner products are means over the domain, where it has values."""
        if self.present is None and bool((self.basis.shares(self.n) == 1).all()):
            return self
        roots, names = self._shares.sqrt(), ("draws", "truth", "reference", "origin")
        own = {name: getattr(self, name) for name in names}
        fields: dict[str, Any] = {
            name: None if part is None else part * roots.to(part) for name, part in own.items()
        }
        return replace(self, **fields, present=None, roots=roots)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of values (..., channels, *grid) over channels and the domain of each."""
        return (values * self._shares.to(values)).flatten(-1 - self.basis.dimension).mean(-1)

    def relative(self, error: Tensor, size: Tensor) -> Tensor:
        """‖error‖/‖size − origin‖ of weighted fields (..., channels, *grid), mean over channels.

        A ratio of norms of physical fields, whatever the units of a channel.
        """
        axes = self.basis.grid_axes()
        true = size if self.origin is None else size - self.origin.to(size)
        norms = (u.square().sum(axes).sqrt() for u in (error, true))
        return torch.div(*norms).mean(-1)

    @property
    def _shares(self) -> Tensor:
        """What nodes stand for of the domain of a channel, one on average, zero where absent."""
        shares = self.basis.shares(self.n).expand(self.draws.shape[2:])
        if self.present is None:
            return shares
        shares = shares.to(self.present.device) * self.present
        return shares / shares.mean(self.basis.grid_axes(), keepdim=True)

    @property
    def estimates(self) -> bool:
        """Whether there is one answer for each case, without spread."""
        return self.draws.shape[1] == 1

    @property
    def n(self) -> int:
        """The level of the fields."""
        return self.basis.resolution(self.draws)

    def leading(self, fields: Tensor, count: int) -> Tensor:
        """Coefficients (..., channels · count) in the modes of the lowest wavenumbers."""
        found = []
        for channel, own in enumerate(self.basis.by_channel(self.draws.shape[2])):
            functions = leading_functions(own, self.n, count)
            if self.roots is not None:
                functions = functions * self.roots[channel].to(functions)
            found.append(inner_products(fields.select(-1 - own.dimension, channel), functions))
        return torch.cat(found, -1)


class PosteriorMetric(ABC):
    """A measure of draws of posteriors: a number or a few, means over cases.

    ``needs`` says what cases must have for it, and ``at_least`` how many draws a case. Those that
    posteriors are ranked by are ``compared`` case by case as well; ``joint`` are those of all
    channels at once and not of each by itself as well, and ``classified`` those that look at fields
    through classifiers of the data. The fields that a measure is given are ``weighted``, so that
    nodes without values have none; those that take fields as they are ``continued`` weigh nodes by
    themselves, or need fields without gaps. ``words`` are what results are called, as in
    ``fsdiff.metrics.base.Metric``; ``of_estimates`` are the names of those that an estimate without
    spread has as well.
    """

    kind: str
    needs: ClassVar[tuple[Needed, ...]] = ()
    at_least: ClassVar[int] = 2
    compared: ClassVar[bool] = False
    joint: ClassVar[bool] = False
    classified: ClassVar[bool] = False
    continued: ClassVar[bool] = False
    words: ClassVar[tuple[Words, ...]] = ()
    of_estimates: ClassVar[tuple[str, ...]] = ()

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the numbers."""
        return tuple(words.name for words in self.words)

    @property
    def at_least_cases(self) -> int:
        """How many cases it needs; of observations with fewer it is left out."""
        return 1

    def given(self, classifiers: Path) -> Self:
        """The same measure, which knows the classifiers in a file if it needs any."""
        return self

    def check(self, cases: Cases) -> None:
        """Raise ValueError for cases that have not what it needs."""
        for name in self.needs:
            if getattr(cases, name) is None:
                raise ValueError(f"'{self.kind}' compares draws with the {name}, which is missing")
        if not (cases.estimates and self.of_estimates):
            self.check_counts(*cases.draws.shape[:2])

    def check_counts(self, cases: int, draws: int) -> None:
        """Raise ValueError where there are too few cases, or draws of each."""
        if draws < self.at_least:
            raise ValueError(
                f"'{self.kind}' needs {self.at_least} draws or more of each posterior; there are "
                f"{draws}"
            )
        if cases < self.at_least_cases:
            raise ValueError(
                f"'{self.kind}' needs {self.at_least_cases} cases or more; there are {cases}"
            )

    def __call__(self, cases: Cases) -> dict[str, float]:
        """The numbers by name; ValueError for cases that it cannot measure."""
        self.check(cases)
        found = self.measure(cases if self.continued else cases.weighted())
        return {name: found[name] for name in self.of_estimates} if cases.estimates else found

    @abstractmethod
    def measure(self, cases: Cases) -> dict[str, float]:
        """The numbers of cases that have been checked."""


def evaluate(metrics: Mapping[str, PosteriorMetric], cases: Cases) -> dict[str, float]:
    """The numbers of all measures in one row, in the order of ``metrics``.

    Measures of what the cases do not have are left out, of estimates those of a spread, and so are
    numbers that are not defined, with a warning. ValueError, naming the measure, where two give the
    same key.
    """
    row: dict[str, float] = {}
    for name, metric in metrics.items():
        missing = any(getattr(cases, needed) is None for needed in metric.needs)
        if missing or (cases.estimates and not metric.of_estimates):
            continue
        for key, value in metric(cases).items():
            if key in row:
                raise ValueError(f"metric '{name}' gives '{key}' again: remove it or the other")
            if math.isfinite(value):
                row[key] = float(value)
            else:
                logger.warning("metric '%s' gives no %s", name, key)
    return row


def mean_over_cases(measure: Callable[[int], Tensor], cases: Cases) -> Tensor:
    """The mean of what ``measure`` makes of each case, float64."""
    return torch.stack([measure(case).double() for case in range(len(cases.draws))]).mean(0)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w is None or size == w for size, w in zip(shape, wanted, strict=True)
    )
