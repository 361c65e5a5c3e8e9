"""What conditions on data share: which observations are trained on, and what stands for them."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Seen
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.inverse.conditions.base import Condition, Conditioning, Drop
from fsdiff.inverse.conditions.left import SpectrumLeft
from fsdiff.inverse.conditions.moments import JointMoments
from fsdiff.inverse.observations.base import Observation
from fsdiff.randomness import generator
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream

NODES = 512
"""Of the grid on which estimates are made, unless a level is given."""


@dataclass(frozen=True, kw_only=True)
class ObservedCondition(Condition):
    """Training given data of ``operator``, in the unit of the fields, with fresh noise every time.

    Where what is observed depends on a seed, such as the places of sensors, each field has its own.
    With ``fewest`` as many data as that or more are seen, a random number each time: of random
    sensors the number, of others a random choice of data. With probability ``drop`` nothing is
    seen, so that the network is a model without conditions as well. Estimates have the modes of
    level ``resolution``, by default the finest of the data with at most 512 nodes; give a finer
    one where there are more data than that.
    """

    operator: Observation
    fewest: PositiveInt | None = None
    drop: Drop = 0.1
    resolution: Nodes | None = None

    def check(self, basis: Basis, channels: int, *, transformed: bool) -> None:
        """Refuse data that cannot be seen, more of them than there are, and unknown levels."""
        if self.resolution is not None:
            try:
                basis.grid(self.resolution)
            except ValueError as error:
                raise ValueError(f"resolution = {self.resolution}: {error}") from error
        self.check_observation(self.operator, basis, channels)
        most = self.operator.most(basis, channels)
        if self.fewest is not None and self.fewest > most:
            raise ValueError(f"fewest = {self.fewest}: no more than {most} are observed")

    def named(self, names: Sequence[str]) -> Self:
        """The same with numbers for names of channels; ``names`` are those of the fields."""
        return replace(self, operator=self.operator.named(names))

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """The same with coordinates of the box for those of the data, as observations have it."""
        return replace(self, operator=self.operator.placed(nodes, basis))

    def where_present(self, mask: Mask, basis: Basis) -> Self:
        """The same on what can be seen of data with nodes without values.

        Raises ValueError where there is no such. Places that are others for every field stay: of
        each what can be seen is known once they are drawn.
        """
        seen = self.operator.where_present(mask, basis)
        return self if self.operator.random else replace(self, operator=seen)


class Drawn(NamedTuple):
    """An observation of one field, its data (size,), and which of them are seen (size,)."""

    observation: Observation
    data: Tensor
    seen: Tensor


class ObservedConditioning(Conditioning):
    """A condition on data of normalised fields: draws them in training, and encodes them.

    What it has measured of fields are its buffers, which travel with the network's weights.
    """

    condition: ObservedCondition

    def __init__(self, condition: ObservedCondition, basis: Basis, statistics: Statistics) -> None:
        super().__init__()
        self.condition, self.basis, self.statistics = condition, basis, statistics
        self.level = condition.resolution or statistics.resolution
        if condition.resolution is None and basis.size(self.level) > NODES:
            self.level = basis.finest(NODES) or self.level
        self.fields = len(statistics.mean)
        self._spectrum_left = lru_cache(maxsize=8)(self._make_spectrum_left)
        self._nothing: dict[tuple[int, torch.device], Tensor] = {}

    @property
    def channels(self) -> int:
        """Of what the network is told: an estimate and a deviation for each of the fields'."""
        return 2 * self.fields

    @property
    @abstractmethod
    def prior(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of normalised fields at the nodes of ``level``, (channel, *grid)."""

    @abstractmethod
    def moments(self, observation: Observation, device: torch.device) -> JointMoments:
        """Those of normalised fields at ``level`` and of the data of an observation."""

    @abstractmethod
    def moments_of(
        self, observations: Sequence[Observation], device: torch.device
    ) -> Iterator[tuple[int, JointMoments]]:
        """Those of several, as many together as memory allows, each time with their number."""

    def at(self, condition: Tensor, n: int) -> Tensor:
        """Conditions (batch, condition channel, *grid) at level n, unchanged where it is theirs."""
        if self.basis.resolution(condition) == n:
            return condition
        own = self.basis.repeated(max(1, condition.shape[1] // self.fields))
        return own.resample(condition, n)

    def completed(self, fields: Tensor, seeds: Sequence[int]) -> Tensor:
        """The functions of which normalised fields (batch, channel, *grid) are what a grid shows.

        Data are of these.
        """
        return fields

    @abstractmethod
    def observe(self, observation: Observation, u: Tensor) -> Tensor:
        """Data (size,) of a normalised field (channel, *grid) without their noise, float64."""

    def drawn(self, fields: Tensor, seeds: Sequence[int]) -> Tensor:
        """Conditions (batch, channel, *grid) of normalised fields, as each seed decides."""
        n, device = self.basis.resolution(fields), fields.device
        nothing = self._told_nothing(n, device)
        conditions = nothing.repeat(len(fields), *[1] * nothing.ndim)
        whole = self.completed(fields, seeds)
        found = [self._draw(u, seed) for u, seed in zip(whole, seeds, strict=True)]
        places = [i for i, one in enumerate(found) if one is not None]
        some = [one for one in found if one is not None]
        for count, moments in self.moments_of([one.observation for one in some], device):
            these, some = some[:count], some[count:]
            data = pad_sequence([one.data for one in these], batch_first=True)
            seen = pad_sequence([one.seen for one in these], batch_first=True)
            conditions[places[:count]] = self._estimated(moments, data, seen, n)
            places = places[count:]
        return conditions

    def given(self, observation: Observation, data: Tensor, n: int) -> Tensor:
        """The condition at level n that data (..., size) mean, (..., channel, *grid).

        Data are in the unit of the fields; NaN stands for what was not observed.
        """
        self.condition.check_observation(observation, self.basis, self.fields)
        size = len(observation.deviations(self.basis, self.fields))
        if data.shape[-1:] != (size,):
            raise ValueError(
                f"data of shape {tuple(data.shape)}: the observation {observation.kind} has {size} "
                "numbers"
            )
        if data.isinf().any():
            raise ValueError("data contain infinity: NaN stands for what was not observed")
        flat = data.reshape(-1, size).double()
        moments = self.moments(observation, data.device)
        found = torch.cat([self._estimated(moments, y[None], ~y.isnan()[None], n) for y in flat])
        return found.view(*data.shape[:-1], *found.shape[1:])

    def nothing(self, n: int, device: torch.device) -> Tensor:
        """The condition (channel, *grid at level n) of fields of which nothing is seen."""
        return self._told_nothing(n, device)

    def _told_nothing(self, n: int, device: torch.device) -> Tensor:
        """Mean and deviation of them."""
        if (n, device) not in self._nothing:
            mean, variance = (values.to(device) for values in self.prior)
            self._nothing[n, device] = self._on(mean[None], variance.sqrt(), n)[0]
        return self._nothing[n, device]

    def seen(self, law: Law, x: Tensor, marginal: Marginal, condition: Tensor) -> Seen:
        """Fields x of a law as the network sees them, given conditions (batch, …).

        As M(X_0 − μ) + R η, about the mean μ of X_0 that the condition tells; X_0 − μ has the
        spectrum that it leaves.
        """
        centre, spectrum = self.left(condition)
        own = replace(marginal, data_spectrum=spectrum.to(marginal.noise_spectrum))
        return Seen(x - own.apply(own.mean_scale, centre), own, condition, centre)

    def left(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """What a condition (batch, channel, *grid) leaves: a law of the fields given it.

        Its centre, the estimate, and its spectrum about that, (batch, channel, *coefficients),
        whose energy is that of the deviation.
        """
        n = self.basis.resolution(condition)
        estimate, deviation = condition.split(self.fields, 1)
        before = self.nothing(n, condition.device)[self.fields :]
        known = self.basis.mean(before.double().square() - deviation.double().square())
        spectrum = self._spectrum_left(n, condition.device)
        return estimate, spectrum((spectrum.total - known).clamp_min(0))

    def _make_spectrum_left(self, n: int, device: torch.device) -> SpectrumLeft:
        spectrum = self.statistics.measured(self.basis).spectrum(n).to(device)
        multiplicity = self.basis.multiplicity(n).to(spectrum).expand(spectrum.shape)
        return SpectrumLeft(spectrum, multiplicity)

    def _draw(self, u: Tensor, seed: int) -> Drawn | None:
        """What is seen of a field, None if nothing."""
        random = generator(seed, Stream.CONDITION)
        if random.random() < self.condition.drop:
            return None
        observation, fewest = self._drawn_observation(random)
        if observation is None:
            return None
        exact = self.observe(observation, u)
        noise = random.standard_normal(len(exact))
        deviations = observation.deviations(self.basis, self.fields)
        data = exact + (deviations * torch.from_numpy(noise)).to(u.device)
        seen = _chosen(random, fewest or len(data), len(data))
        return Drawn(observation, data, torch.from_numpy(seen).to(u.device))

    def _drawn_observation(
        self, random: np.random.Generator
    ) -> tuple[Observation | None, int | None]:
        """What is observed, None if nothing, and how many data are seen at least; None means all.

        Of random places where there may be no values those that have some.
        """
        observation, fewest = self.condition.operator, self.condition.fewest
        if not observation.random:
            return observation, fewest
        observation, mask = observation.another(self.basis, random, fewest), self.statistics.mask
        if mask is None:
            return observation, None
        try:
            return observation.where_present(mask, self.basis), None
        except ValueError:  # no place has a value
            return None, None

    def _estimated(self, moments: JointMoments, data: Tensor, seen: Tensor, n: int) -> Tensor:
        """Conditions at level n of data (batch, size) of which some are ``seen``."""
        if not seen.all():
            moments, data = moments.of(seen), torch.where(seen, data, 0.0)
        return self._on(moments.estimate(data), moments.deviation, n)

    def _on(self, estimate: Tensor, deviation: Tensor, n: int) -> Tensor:
        """Fields at ``level`` as conditions at level n, (batch, channel, *grid), float32."""
        fields = (estimate, deviation.expand_as(estimate))
        return torch.cat([self.basis.resample(part, n) for part in fields], 1).float()


def _chosen(random: np.random.Generator, fewest: int, size: int) -> np.ndarray:
    """A random choice of at least ``fewest`` data, or of all where there are no more, (size,)."""
    chosen = np.zeros(size, bool)
    count = int(random.integers(min(fewest, size), size + 1))
    chosen[random.permutation(size)[:count]] = True
    return chosen
