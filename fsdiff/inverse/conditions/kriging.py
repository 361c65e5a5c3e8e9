"""Conditions on linear observations: kriging with the spectrum of the data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fsdiff.data.statistics import Statistics
from fsdiff.inverse.conditions.moments import JointMoments
from fsdiff.inverse.conditions.observed import ObservedCondition, ObservedConditioning
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike, node_weights
from fsdiff.randomness import normals
from fsdiff.spaces import symbols
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.streams import Stream

LARGEST = 2**23
"""Of how many numbers the gains are that are made together."""

pad = partial(pad_sequence, batch_first=True)


@dataclass(frozen=True, kw_only=True)
class Kriging(ObservedCondition):
    """Mean and deviation given the data under a Gaussian law with the spectrum of the fields.

    Channels that share a basis tell of each other, as the training fields do. For linear
    observations of any places, others than those trained with as well. What data see of modes
    beyond ``resolution`` counts as their noise: at random places, and where fields have gaps, as
    independent noise of each datum, in the share that such modes have in the variance of its
    channel. Where data have no values the law is that of fields which are continued there, as data
    are.
    """

    kind: Literal["kriging"] = "kriging"

    def conditioning(self, basis: Basis, statistics: Statistics) -> "KrigingConditioning":
        """With the spectrum that is known of the fields."""
        return KrigingConditioning(self, basis, statistics)

    def check(self, basis: Basis, channels: int, *, transformed: bool) -> None:
        """Refuse transforms besides, through which nothing stays linear."""
        refuse_transforms(self.kind, transformed)
        super().check(basis, channels, transformed=transformed)
        if self.operator.random:  # it says itself what cannot be elsewhere
            self.operator.another(basis, np.random.default_rng(0), self.fewest)

    def check_observation(self, observation: Observation, basis: Basis, channels: int) -> None:
        """Refuse what is not linear."""
        observation.check(basis, channels)
        refuse_nonlinear(self.kind, observation)


def refuse_transforms(kind: str, transformed: bool) -> None:
    """ValueError where models see transformed fields."""
    if transformed:
        raise ValueError(
            f"kind = {kind}: models see transformed fields, in which observations of physical "
            "ones are not linear; use kind: regression"
        )


def refuse_nonlinear(kind: str, observation: Observation) -> None:
    """ValueError where an observation is not linear."""
    if not observation.affine:
        raise ValueError(
            f"kind = {kind}: observations of kind {observation.kind} are not linear; use "
            "kind: regression"
        )


class KrigingConditioning(ObservedConditioning):
    """Kriging on the grid of ``level``."""

    def __init__(self, condition: ObservedCondition, basis: Basis, statistics: Statistics) -> None:
        super().__init__(condition, basis, statistics)
        self.spectrum = statistics.measured(basis)
        self._grid = lru_cache(maxsize=2)(self._make_grid)
        # Of a batch: sensors elsewhere are seen once, and once again where estimates are made.
        self._map = lru_cache(maxsize=128)(self._make_map)
        self._beyond = lru_cache(maxsize=8)(self._make_beyond)
        self._kept = lru_cache(maxsize=4)(self.moments)

    def moments(self, observation: Observation, device: torch.device) -> JointMoments:
        """Those of normalised fields and of data in the unit of the fields."""
        found = self._together([observation], device)
        parts = {name: getattr(found, name)[0] for name in ("centre", "noise", "gram", "gains")}
        if self._sees_beyond:
            parts["gram"] = self._of_all_modes(observation, device)
        return replace(found, **parts)

    def moments_of(
        self, observations: Sequence[Observation], device: torch.device
    ) -> Iterator[tuple[int, JointMoments]]:
        """One for all where places do not change; else all that ``LARGEST`` numbers allow."""
        if not self.condition.operator.random:
            yield len(observations), self._kept(self.condition.operator, device)
            return
        sizes = [self._map(one, self.level).size for one in observations]
        each = self.fields * self.basis.size(self.level) * max(sizes, default=1)
        step = max(1, LARGEST // each)
        for first in range(0, len(observations), step):
            some = observations[first : first + step]
            yield len(some), self._together(some, device)

    @cached_property
    def prior(self) -> tuple[Tensor, Tensor]:
        """Zero and Σ_k c_k e_k² at every node, of continued fields where there are no values."""
        nodes = torch.arange(self.basis.size(self.level))
        parts = [self._at(some) for some in nodes.split(max(1, 2**20 // len(nodes)))]
        values = torch.cat(parts, 1).view(self.fields, *self.basis.grid(self.level))
        variance = values / node_weights(self.basis, self.level, values)
        return torch.zeros_like(variance), variance

    def _at(self, nodes: Tensor) -> Tensor:
        """The response of each channel to itself at some nodes, (channel, nodes)."""
        basis, n = self.basis, self.level
        unit = torch.nn.functional.one_hot(nodes, basis.size(n)).double()
        fields = unit.view(-1, 1, *basis.grid(n)).expand(-1, self.fields, *basis.grid(n))
        if self._filling is not None:
            fields = self._filling.transposed(fields)
        spread = basis.multiply(fields, self.spectrum.spectrum(n))
        return (spread * fields).flatten(2).sum(-1).T

    @cached_property
    def _filling(self) -> HarmonicFilling | None:
        """What continues fields at ``level`` where they have no values."""
        mask = self.statistics.mask
        return None if mask is None else HarmonicFilling(mask, self.level)

    def completed(self, fields: Tensor, seeds: Sequence[int]) -> Tensor:
        """With what their grid does not resolve and the data's finest does, from the Gaussian law.

        So data of coarse fields are no more certain than those of the functions that they show.
        """
        n, finest = self.basis.resolution(fields), self.spectrum.resolution
        if n >= finest:
            return fields
        shape = (self.fields, self.basis.size(finest))
        numbers = [normals(seed, [0], shape, Stream.CONDITION, Stream.SURROGATE) for seed in seeds]
        white = self.basis.white_noise(np.concatenate(numbers), finest) * self._beyond(n)
        if self._mixed is not None:
            white = symbols.on_coefficients(self._mixed, white)
        hidden = self.basis.inverse(white, finest)
        return self.basis.prolong(fields.double(), finest) + hidden.to(fields.device)

    def _make_beyond(self, n: int) -> Tensor:
        """√c_k of the modes of the finest level that level n does not resolve, else zero.

        One and zero where channels know of each other.
        """
        basis, finest = self.basis, self.spectrum.resolution
        shape = (self.fields, *basis.coefficient_shape(finest))
        kind = torch.float64 if basis.half_axis is None else torch.complex128
        all_modes = basis.inverse(torch.ones(shape, dtype=kind), finest)
        kept = basis.forward(basis.prolong(basis.restrict(all_modes, n), finest)).abs()
        known = self.spectrum.spectrum(finest)
        known = known if self._mixed is None else torch.ones_like(known)
        return torch.where(kept < 0.5, known, 0.0).sqrt()

    @cached_property
    def _mixed(self) -> Tensor | None:
        """The root of the joint covariance of channels at the finest level, if it is known."""
        joint = self.spectrum.joint(self.spectrum.resolution)
        return None if joint is None else symbols.root(joint)

    def observe(self, observation: Observation, u: Tensor) -> Tensor:
        """By the observation's map on the grid of the field."""
        physical = self.statistics.denormalise(u[None].double())
        return self._map(observation, self.basis.resolution(u)).forward(physical)[0]

    def _make_map(self, observation: Observation, n: int) -> ForwardMapLike:
        return observation.on(self.basis, self.fields, n)

    def _together(self, observations: Sequence[Observation], device: torch.device) -> JointMoments:
        """y = H(mean + scale z) + ε with z of the spectrum c: Cov(y, z) = H scale c."""
        grid, basis = self._grid(device), self.basis
        maps = [self._map(one, self.level) for one in observations]
        rows = [grid.scale * _rows(one, grid.zero) for one in maps]
        if self._filling is not None:
            rows = [self._filling.transposed(fields) for fields in rows]
        # One by one, as what fits into a cache is faster than all at once.
        spread = [symbols.multiply(basis, fields, grid.spectrum) for fields in rows]
        gains = pad(spread if self._filling is None else [*map(self._filling, spread)])
        weights = node_weights(basis, self.level, grid.zero)
        gram = pad([weights * fields for fields in rows]).flatten(2) @ pad(spread).flatten(2).mT
        variances = [one.variances(basis, self.fields).to(device) for one in observations]
        noise = pad_sequence(variances, batch_first=True, padding_value=1.0)
        if bool((grid.beyond > 0).any()) and not self._sees_beyond:
            each = [self._energies(*pair, weights) for pair in zip(rows, spread, strict=True)]
            noise = noise + pad(each) @ grid.beyond
        return JointMoments(
            mean=grid.zero,
            variance=grid.variance,
            centre=pad([one.forward(grid.centre) for one in maps]),
            noise=noise,
            gram=gram,
            gains=gains,
        )

    @property
    def _sees_beyond(self) -> bool:
        """Whether the covariance of data is that of all modes: of one observation, without gaps."""
        finer = self.spectrum.resolution > self.level
        return finer and self._filling is None and not self.condition.operator.random

    def _energies(self, rows: Tensor, spread: Tensor, weights: Tensor) -> Tensor:
        """The variance of data that each channel by itself is the reason of, (size, channel)."""
        if self.spectrum.joint(self.level) is not None:
            own = self.spectrum.spectrum(self.level).to(rows.device)
            spread = self.basis.multiply(rows, own)
        return (weights * rows * spread).flatten(2).sum(-1)

    def _of_all_modes(self, observation: Observation, device: torch.device) -> Tensor:
        """H scale c scale H* with the modes of the finest level, (size, size)."""
        n = self.spectrum.resolution
        observed, scale = self._map(observation, n), self._grid(device).scale
        shape, symbol = (self.fields, *self.basis.grid(n)), self._covariance(n).to(device)
        unit = torch.eye(observed.size, dtype=torch.float64, device=device)
        parts = []
        for some in unit.split(max(1, LARGEST // (self.fields * self.basis.size(n)))):
            zero = torch.zeros(len(some), *shape, dtype=torch.float64, device=device)
            fields = scale * observed.vjp(zero, some)
            parts.append(observed.jvp(zero, scale * symbols.multiply(self.basis, fields, symbol)))
        gram = torch.cat(parts)
        return (gram + gram.T) / 2

    def _make_grid(self, device: torch.device) -> "_Grid":
        zero, variance = self.prior
        scale = self.statistics.scale.double().view(-1, *[1] * self.basis.dimension)
        finest = max(self.level, self.spectrum.resolution)
        return _Grid(
            zero=zero.to(device),
            scale=scale.to(device),
            centre=self.statistics.denormalise(zero).to(device),
            spectrum=self._covariance(self.level).to(device),
            variance=variance.to(device),
            beyond=(self._totals(finest) / self._totals(self.level) - 1).to(device),
        )

    def _covariance(self, n: int) -> Tensor:
        """c at level n, joint for all channels where they know of each other."""
        joint = self.spectrum.joint(n)
        return self.spectrum.spectrum(n) if joint is None else joint

    def _totals(self, n: int) -> Tensor:
        """The variance of each channel, (channel)."""
        weighted = self.basis.multiplicity(n) * self.spectrum.spectrum(n)
        return weighted.flatten(1).sum(1).clamp_min(1e-300)


def _rows(observed: ForwardMapLike, zero: Tensor) -> Tensor:
    """H* of each datum, (size, channel, *grid)."""
    unit = torch.eye(observed.size, dtype=zero.dtype, device=zero.device)
    return observed.vjp(zero.expand(len(unit), *zero.shape), unit)


class _Grid(NamedTuple):
    """What is known of fields (channel, *grid) at the level of estimates, whatever is observed.

    ``beyond`` (channel) is the variance of finer modes in proportion to that of the modes it has.
    """

    zero: Tensor
    scale: Tensor
    centre: Tensor
    spectrum: Tensor
    variance: Tensor
    beyond: Tensor
