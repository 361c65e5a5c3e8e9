"""Conditions that combine the state with the data, so that the network sees one field of both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Seen
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.predictions import Prediction
from fsdiff.inverse.conditions.kriging import (
    KrigingConditioning,
    refuse_nonlinear,
    refuse_transforms,
)
from fsdiff.inverse.conditions.moments import JointMoments
from fsdiff.inverse.conditions.observed import ObservedCondition
from fsdiff.inverse.guidance.problem import MOST_DATA, Gain, Problem, wiener_covariance
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.observations.points import Points, RandomPoints, Sensors
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Combined(ObservedCondition):
    """The network sees the best linear estimate of the field given X_t and all data y = H u + ε.

    It is a function of z = Σ(H*Γ⁻¹y + (m/r²)Q⁻¹x), Σ⁻¹ = H*Γ⁻¹H + (m²/r²)Q⁻¹, that can be undone,
    and z is all that x and y say of X_0: z = X_0 + N(0, Σ). So a network without error draws from
    the posterior whatever the law of the fields is, and of Gaussian fields there is nothing left to
    learn, wherever sensors are. UCoS (Baldassari et al., arXiv 2405.15643), with an estimate that
    has a limit at all times and on all grids in place of z. For one linear observation, always the
    same and all of it; places that a seed decides are those of the seed. With ``fewest`` sensors of
    kind random_points are elsewhere for each field, as many as that or more, and models can be
    given any that have the same noise.
    """

    kind: Literal["ucos"] = "ucos"

    def conditioning(self, basis: Basis, statistics: Statistics) -> "CombinedConditioning":
        """With the spectrum that is known of the fields."""
        made = CombinedConditioning if self.fewest is None else CombinedAnywhere
        return made(self, basis, statistics)

    def check(self, basis: Basis, channels: int, *, transformed: bool) -> None:
        """Refuse what kriging refuses, and parts of the data."""
        if self.resolution is not None:
            raise ValueError(
                f"resolution = {self.resolution}: kind = ucos estimates at the resolution of the "
                "fields; leave it out, or use kind: kriging"
            )
        if self.fewest is not None and not isinstance(self.operator, RandomPoints):
            raise ValueError(
                f"fewest = {self.fewest}: kind = ucos takes all data of one observation, or those "
                "of sensors of kind random_points; leave it out, or use kind: kriging"
            )
        several = isinstance(getattr(self.operator, "noise", 0.0), tuple)
        if self.fewest is not None and several:
            raise ValueError(
                "noise: sensors elsewhere have one noise for kind = ucos; give one number, leave "
                "fewest out, or use kind: kriging"
            )
        refuse_transforms(self.kind, transformed)
        super().check(basis, channels, transformed=transformed)
        if (size := len(self.operator.deviations(basis, channels))) > MOST_DATA:
            raise ValueError(
                f"kind = ucos: {size} data, and no more than {MOST_DATA} are combined with states; "
                "use kind: kriging"
            )

    def where_present(self, mask: Mask, basis: Basis) -> Self:
        """The same on what can be seen, at the places of the seed as well.

        Refuses sensors elsewhere, which would be where there is nothing to be seen, too.
        """
        if self.fewest is not None:
            raise ValueError(
                f"fewest = {self.fewest}: kind = ucos has sensors elsewhere where all nodes have "
                "values, and these data have gaps (gaps: mask); leave it out, or use kind: kriging"
            )
        return replace(self, operator=self.operator.where_present(mask, basis))

    def check_prediction(self, prediction: Prediction | None) -> None:
        """Refuse predictions of noise, of which that of the data is a part here."""
        if prediction is None:
            raise ValueError(
                "kind = ucos combines data with the states of a diffusion: use kind: kriging or "
                "kind: regression where there are none"
            )
        if prediction.reads_noise:
            raise ValueError(
                f"{prediction.kind} is of the noise of states alone, and kind = ucos combines them "
                "with data: use wiener, data or preconditioned"
            )

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse more sensors elsewhere than have room in a field for their places."""
        if self.fewest is not None and isinstance(self.operator, RandomPoints):
            refuse_too_many(self.operator.number, basis, n)

    def check_observation(self, observation: Observation, basis: Basis, channels: int) -> None:
        """Refuse all others than that of training."""
        observation.check(basis, channels)
        refuse_nonlinear(self.kind, observation)
        if self.fewest is not None:
            self._check_sensors(observation, basis)
        elif observation != self.operator:
            raise ValueError(
                f"a model with a condition of kind ucos was trained for one observation, "
                f"{self.operator}, and is given data of another, {observation}: give the same"
            )

    def _check_sensors(self, observation: Observation, basis: Basis) -> None:
        """Refuse more of them, and others than points with the noise of training."""
        assert isinstance(self.operator, RandomPoints)
        most, noise = self.operator.number, self.operator.noise
        if not isinstance(observation, Sensors) or observation.noise != noise:
            raise ValueError(
                f"a model with a condition of kind ucos was trained for points with noise {noise}, "
                f"and is given data of another observation, {observation}: give such points"
            )
        if (count := len(observation.coordinates(basis))) > most:
            raise ValueError(
                f"a model with a condition of kind ucos was trained for {most} points or fewer, "
                f"and is given data at {count}: train with a larger number"
            )


def refuse_too_many(sensors: int, basis: Basis, n: int) -> None:
    """ValueError where places of sensors, and their number, do not fit into a grid."""
    if 1 + sensors * basis.dimension > basis.size(n):
        raise ValueError(
            f"kind = ucos: {sensors} sensors, whose places do not fit into a grid of "
            f"{basis.size(n)} nodes: take fewer, or start from a finer grid"
        )


class CombinedConditioning(KrigingConditioning):
    """Estimates from states and data, on the grid of the fields.

    Conditions are those of kriging: the estimate from the data alone, which stands for them, and
    the deviation, which says whether there are any and is what the network is told besides.
    """

    def __init__(self, condition: ObservedCondition, basis: Basis, statistics: Statistics) -> None:
        # What is combined has to be of one Gaussian law; that of each channel by itself will do.
        # It is stationary, whether nodes have values or not: no datum is of those that have none.
        super().__init__(condition, basis, replace(statistics, coherence=None, mask=None))
        self.level = statistics.resolution
        self._problem = lru_cache(maxsize=256)(self._make_problem)
        self._known = lru_cache(maxsize=256)(self._make_known)

    @property
    def channels(self) -> int:
        """The deviations."""
        return self.fields

    def given(self, observation: Observation, data: Tensor, n: int) -> Tensor:
        """As other conditions have it, of all data."""
        if data.isnan().any():
            raise ValueError("kind = ucos takes all data, and some are missing: use kind: kriging")
        return super().given(observation, data, n)

    def seen(self, law: Law, x: Tensor, marginal: Marginal, condition: Tensor) -> Seen:
        """The estimate u = b + V H*(Γ + H V H*)⁻¹ H(μ − b) in the place of the state.

        With μ given y alone and b = μ + G(x − M μ) given x as well, as if y were not of the same
        function, V = Cov[X_0|X_t] and G = m c/v: this is E[X_0 | X_t = x, y] of Gaussian fields,
        without y itself.
        """
        estimate, deviation = condition[:, : 2 * self.fields].split(self.fields, 1)
        both = estimate + marginal.apply(
            marginal.wiener_gain, x - marginal.apply(marginal.mean_scale, estimate)
        )
        observed = self._observed(condition)
        times = marginal.time.flatten().expand(len(x)).tolist()
        n, found, left = self.basis.resolution(x), [], []
        pairs = zip(both.split(1), estimate.split(1), strict=True)
        for (u, mean), t, observation in zip(pairs, times, observed, strict=True):
            problem = self._problem(law, observation or self.condition.operator)
            gain, before, after = self._known(problem, t, n, x.device)
            missing = gain.map.jvp(u, mean - u).double() if observation else None
            found.append(u if missing is None else u + gain(missing, u))
            left.append(before if missing is None else after)
        known = torch.cat(found)
        own = CombinedMarginal.of(marginal, x, torch.stack(left).to(known))
        return Seen(known, own, deviation)

    def moments_of(
        self, observations: Sequence[Observation], device: torch.device
    ) -> Iterator[tuple[int, JointMoments]]:
        """The same for all."""
        yield len(observations), self._kept(self.condition.operator, device)

    def _drawn_observation(
        self, random: np.random.Generator
    ) -> tuple[Observation | None, int | None]:
        """Always the same, and all of it."""
        return self.condition.operator, None

    def _observed(self, condition: Tensor) -> list[Observation | None]:
        """What conditions (batch, channel, *grid) are told of; None where they are of nothing."""
        deviation = condition[:, self.fields :]
        n, device = self.basis.resolution(deviation), deviation.device
        nothing = self.nothing(n, device)[self.fields :]
        everything = self._on(*self._with_data(device), n)[0, self.fields :]
        near, far = ((deviation - other).flatten(1).norm(dim=1) for other in (everything, nothing))
        return [self.condition.operator if told else None for told in (near < far).tolist()]

    def _with_data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation where all data are known."""
        moments = self._kept(self.condition.operator, device)
        return moments.mean[None], moments.deviation

    def _make_problem(self, law: Law, observation: Observation) -> Problem:
        own = Law(basis=self.basis, noise=law.noise, process=law.process, data=self.spectrum)
        physical = Physical(observation=observation, statistics=self.statistics)
        return Problem(own, physical, self.spectrum.resolution)

    def _make_known(
        self, problem: Problem, t: float, n: int, device: torch.device
    ) -> tuple[Gain, Tensor, Tensor]:
        """The gain at a time, and E‖X_0 − u‖² (channel) without data and with them."""
        time = torch.tensor([t], dtype=torch.float64, device=device)
        gain = problem.gain(problem.law.marginal(time, n), n, wiener_covariance)
        before = (self.basis.multiplicity(n).to(device) * gain.symbol).flatten(1).sum(1)
        after = before - problem.explained(gain, n)
        return gain, before, after.maximum(1e-12 * before)


class CombinedAnywhere(CombinedConditioning):
    """The same of sensors anywhere, whose places are in a channel more of the conditions.

    Its first node has their number, the next ones their coordinates, of one after the other. It is
    not for the network, which is told the deviations as above.
    """

    def nothing(self, n: int, device: torch.device) -> Tensor:
        """With no places."""
        told = super().nothing(n, device)
        return torch.cat([told, self._written(None, n).to(told)])

    def drawn(self, fields: Tensor, seeds: Sequence[int]) -> Tensor:
        """With the places that each seed decides."""
        told, n = super().drawn(fields, seeds), self.basis.resolution(fields)
        places = torch.stack([self._written(self._sensors(seed), n) for seed in seeds])
        return torch.cat([told, places.to(told)], 1)

    def given(self, observation: Observation, data: Tensor, n: int) -> Tensor:
        """With the places of the observation."""
        told, channel = super().given(observation, data, n), -1 - self.basis.dimension
        places = self._written(observation, n).to(told)
        return torch.cat([told, places.expand(*told.shape[:channel], *places.shape)], channel)

    def at(self, condition: Tensor, n: int) -> Tensor:
        """With the same places."""
        if self.basis.resolution(condition) == n:
            return condition
        told = super().at(condition[:, :-1], n)
        places = torch.stack([self._written(own, n) for own in self._observed(condition)])
        return torch.cat([told, places.to(told)], 1)

    def moments_of(
        self, observations: Sequence[Observation], device: torch.device
    ) -> Iterator[tuple[int, JointMoments]]:
        """Those of kriging, each with its own."""
        return KrigingConditioning.moments_of(self, observations, device)

    def _drawn_observation(
        self, random: np.random.Generator
    ) -> tuple[Observation | None, int | None]:
        return KrigingConditioning._drawn_observation(self, random)

    def _sensors(self, seed: int) -> Observation | None:
        """What is observed of the field of a seed, as it is drawn; None if nothing."""
        random = generator(seed, Stream.CONDITION)
        dropped = random.random() < self.condition.drop
        return None if dropped else self._drawn_observation(random)[0]

    def _written(self, observation: Observation | None, n: int) -> Tensor:
        """The channel (1, *grid)."""
        values = torch.zeros(self.basis.size(n))
        if isinstance(observation, Sensors):
            places = torch.from_numpy(observation.coordinates(self.basis)).float()
            refuse_too_many(len(places), self.basis, n)
            values[0] = len(places)
            values[1 : 1 + places.numel()] = places.flatten()
        return values.view(1, *self.basis.grid(n))

    def _observed(self, condition: Tensor) -> list[Observation | None]:
        """Sensors at the places that conditions have."""
        return [self._read(row) for row in condition[:, -1].flatten(1).double().cpu()]

    def _read(self, values: Tensor) -> Observation | None:
        assert isinstance(self.condition.operator, RandomPoints)
        count, dimension = int(values[0]), self.basis.dimension
        if count == 0:
            return None
        places = values[1 : 1 + count * dimension].view(count, dimension)
        # In single precision a wall may come out beyond itself.
        sides = torch.tensor([axis.side for axis in self.basis.axes], dtype=places.dtype)
        inside = torch.minimum(places, sides).tolist()
        return Points(points=tuple(map(tuple, inside)), noise=self.condition.operator.noise)


@dataclass(frozen=True)
class CombinedMarginal(Marginal):
    """The law of best linear estimates u in the place of states x: all is kept, E[X_0|u] ≈ u.

    ``left`` is E‖X_0 − u‖², (batch, channel, 1, …).
    """

    state: Tensor = field(kw_only=True)
    left: Tensor = field(kw_only=True)

    @classmethod
    def of(cls, marginal: Marginal, state: Tensor, left: Tensor) -> "CombinedMarginal":
        """For states of a law and what the estimates leave, (batch, channel)."""
        known = {item.name: getattr(marginal, item.name) for item in fields(Marginal)}
        return cls(**known, state=state, left=left.view(*left.shape, *[1] * (state.ndim - 2)))

    def noise_from_data(self, x: Tensor, data: Tensor) -> Tensor:
        """η of the states themselves."""
        return super().noise_from_data(self.state, data)

    @cached_property
    def wiener_gain(self) -> Tensor:
        """One."""
        return torch.ones_like(self.left)

    @cached_property
    def wiener_residual(self) -> Tensor:
        """What the estimates leave."""
        return self.left

    @cached_property
    def wiener_output(self) -> Tensor:
        """E‖u‖²."""
        return (self.data_variance - self.left).maximum(1e-12 * self.data_variance)

    @cached_property
    def total_variance(self) -> Tensor:
        """E‖u‖²."""
        return self.wiener_output

    @cached_property
    def scalar_gain(self) -> Tensor:
        """One."""
        return self.wiener_gain

    @cached_property
    def scalar_residual(self) -> Tensor:
        """What the estimates leave."""
        return self.left
