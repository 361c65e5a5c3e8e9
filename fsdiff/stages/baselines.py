"""Draws and restorations given data that need no model.

The prior, kriging, an ensemble and Laplace's approximation have a spread; interpolation and
inpainting have one answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.sources.source import Source
from fsdiff.data.statistics import Statistics
from fsdiff.inverse.latent.posterior import law_of, posteriors_of
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.references.ensemble import EnsembleSmoother
from fsdiff.inverse.references.gaussian import laplace
from fsdiff.inverse.references.kriging import JointGaussian, Spectral, Target, Unrelated
from fsdiff.inverse.references.localisation import Localisation, Located
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.restorations import bicubic, harmonic
from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.stages.files import split
from fsdiff.stages.observed import Observed
from fsdiff.streams import Stream

MOST_NUMBERS, MOST_HELD_OUT = 2**24, 64
"""Numbers of training fields that are looked at, at most, and fields that kriging is tried on."""

SMOOTHER = EnsembleSmoother()


@dataclass(frozen=True, eq=False)
class Setting:
    """What was observed, and what there is to draw from: physical fields of two splits.

    ``statistics`` are those that models are given of them; ``source`` is None where its law is not
    known, and ``localisation`` where ensembles have none.
    """

    observed: Observed
    operator: Observation
    basis: Basis
    train: Tensor
    validation: Tensor
    statistics: Statistics
    count: int
    seed: int
    source: Source | None
    localisation: Localisation | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], observed: Observed, data: Path) -> "Setting":
        """That of a job's configuration, with a data set's file at one resolution."""
        with storage.read(data, chunks="auto") as dataset:
            train, validation = split(dataset, "train"), split(dataset, "validation")
            statistics = Statistics.of(dataset)
        return cls(
            observed,
            build("operator", config["operator"]),
            build("basis", config["basis"]),
            train,
            validation,
            statistics,
            config["draws"],
            config["seed"],
            build("source", config["source"]) if "latent" in config else None,
            build("localisation", block) if (block := config.get("localisation")) else None,
        )

    @property
    def n(self) -> int:
        """The level of the fields."""
        return self.basis.resolution(self.train)

    def map(self, n: int) -> ForwardMapLike:
        """What is observed of normalised fields at level n."""
        physical = Physical(observation=self.operator, statistics=self.statistics)
        return physical.on(self.basis, self.train.shape[1], n)

    @property
    def smoother(self) -> EnsembleSmoother:
        """That of all studies, with the localisation of this one."""
        return replace(SMOOTHER, localisation=self.localisation)

    def located(self, members: Sequence[int], n: int) -> Located | None:
        """Where data and members of this shape lie, if these are on the grid of level n."""
        return Located.of(self.operator, self.basis, self.train.shape[1], n, members)

    @property
    def noise(self) -> Tensor:
        """Variances of the errors, (datum,).

        With what modes beyond this grid, of the function that was observed, say to linear maps.
        """
        noise, finest = self.observed.deviation.square(), self.observed.resolution
        if finest <= self.n or not self.map(self.n).affine:
            return noise
        hidden = self._variances(finest) - self._variances(self.n)
        return noise + hidden.clamp_min(0)

    def _variances(self, n: int) -> Tensor:
        """Those of data of fields with the spectrum of the training fields at level n."""
        map, channels = self.map(n), self.train.shape[1]
        nothing = torch.zeros(1, channels, *self.basis.grid(n), dtype=torch.float64)
        units = torch.eye(map.size, dtype=torch.float64)
        rows = map.vjp(nothing.expand(map.size, *nothing.shape[1:]), units)
        spread = self.basis.multiply(rows, self.statistics.measured(self.basis).spectrum(n))
        return map.jvp(nothing.expand_as(spread), spread).diagonal()

    def residuals(self, draws: Tensor, case: int) -> Tensor:
        """(G(u) − y)/σ of the draws of a case."""
        return self.observed.residuals(draws, case, self.operator, self.basis)

    def seed_of(self, case: int) -> int:
        """For the draws of a case."""
        random = generator(self.seed, Stream.BASELINE, self.observed.samples[case])
        return int(random.integers(2**63))


def baselines(setting: Setting) -> Mapping[str, Callable[[], Tensor]]:
    """By name, what makes draws (case, draw, channel, *grid) when it is called.

    Of restorations, which have one answer, there is one draw of each case; they are there where the
    observation suits them. ValueError or ArithmeticError from there says why there are none.
    """
    found = {
        "prior": partial(prior, setting),
        "kriging": partial(kriging, setting),
        "ensemble": partial(assimilated, setting),
    }
    if setting.source:
        found["laplace"] = partial(approximated, setting)
    for name, method in RESTORATIONS.items():
        if method.suits(setting.operator):
            found[name] = partial(restored, setting, method.restore)
    return found


RESTORATIONS = {"bicubic": bicubic, "harmonic": harmonic}
"""Modules with what has one answer, by the name of the row."""


def prior(setting: Setting) -> Tensor:
    """Training fields, the same for every case; all of them if there are not enough."""
    cases = len(setting.observed.samples)
    return setting.train[: setting.count].expand(cases, *[-1] * setting.train.ndim)


@torch.no_grad()
def kriging(setting: Setting) -> Tensor:
    """Fields and data taken as jointly Gaussian, with moments of the training fields.

    Of data with transforms, the transformed fields are: the logarithm of a permeability.
    """
    splits = setting.train[: _most(setting)], setting.validation[:MOST_HELD_OUT]
    train, held = (setting.statistics.normalise(fields.double()) for fields in splits)
    map = setting.map(setting.n)
    said, its = (
        torch.cat([map.forward(part) for part in fields.split(64)]) for fields in (train, held)
    )
    anomalies = (train - train.mean(0)) / (len(train) - 1) ** 0.5
    target: Target = (
        Spectral(anomalies, setting.basis, map)
        if map.affine
        else Unrelated(anomalies, setting.basis, said.var(0))
    )
    law = JointGaussian.fitted(train, said, setting.noise, target, (held, its))
    drawn = [
        setting.statistics.denormalise(
            law.sample(data, range(setting.count), setting.seed_of(case))
        )
        for case, data in enumerate(setting.observed.data)
    ]
    return torch.stack(drawn)


@torch.no_grad()
def assimilated(setting: Setting) -> Tensor:
    """Members of an ensemble that has taken in the data.

    It begins with draws of the latent field where the law of the data is known, and with training
    fields, transformed if data are, where it is not: then it has as many members as there are of
    these at most.
    """
    smoother = setting.smoother
    if setting.source:

        def draw(law: Posterior, seed: int, n: int) -> Tensor:
            return smoother.draw(law, setting.count, seed, setting.located(law.prior.shape, n))

        return _of_law(setting, draw)
    members = min(max(smoother.members, setting.count), _most(setting))
    start = setting.statistics.normalise(setting.train[:members].double())
    map, drawn = setting.map(setting.n), []
    located = setting.located(start.shape[1:], setting.n)

    def observe(fields: Tensor) -> Tensor:
        return torch.cat([map.forward(part) for part in fields.split(64)])

    for case, data in enumerate(setting.observed.data):
        given = data, setting.noise, setting.seed_of(case)
        moved = smoother.assimilated(start, observe, *given, located)[: setting.count]
        drawn.append(setting.statistics.denormalise(moved))
    return torch.stack(drawn)


def approximated(setting: Setting) -> Tensor:
    """Laplace's approximation for the latent field, and the fields that it makes."""
    return _of_law(setting, lambda law, seed, n: laplace(law).sample(range(setting.count), seed))


def _of_law(setting: Setting, draw: Callable[[Posterior, int, int], Tensor]) -> Tensor:
    """Fields of the latent ones that ``draw`` makes of each case's posterior, its seed and level.

    Of linear maps on the grid on which the data were observed, from where fields are restricted:
    that is the posterior, of which other grids know a part.
    """
    assert setting.source is not None
    source, operator, n = setting.source, setting.operator, setting.n
    first, level = setting.observed.data[0], max(n, setting.observed.resolution)
    if not posteriors_of(source, operator, n)(first).map.affine:
        level = n
    posterior = posteriors_of(source, operator, level)
    fields, drawn = law_of(source).fields(source, level), []
    for case, data in enumerate(setting.observed.data):
        latent = draw(posterior(data), setting.seed_of(case), level)
        made = torch.cat([fields.evaluate(part) for part in latent.split(64)])
        drawn.append(setting.basis.restrict(made, n) if level > n else made)
    return torch.stack(drawn)


def restored(setting: Setting, restore: Callable[..., Tensor]) -> Tensor:
    """The answers of a restoration; ValueError where data have no such values."""
    channels, n = setting.train.shape[1], setting.n
    fields = restore(setting.operator, setting.basis, channels, n, setting.observed.data)
    if not setting.statistics.normalise(fields).isfinite().all():
        raise ValueError(
            "it has values that no field of the data set has, for which their transforms are not "
            "defined"
        )
    return fields[:, None]


def _most(setting: Setting) -> int:
    """How many training fields are looked at, at most."""
    return max(2, MOST_NUMBERS // setting.train[0].numel())
