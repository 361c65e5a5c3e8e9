"""Conditions on observations of any kind: linear regression of fields on their data."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.inverse.conditions.moments import JointMoments
from fsdiff.inverse.conditions.observed import ObservedCondition, ObservedConditioning
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis

KEPT = 2**17
"""Of how many fields the data are kept, so that no equation is solved twice for one."""


@dataclass(frozen=True, kw_only=True)
class Regression(ObservedCondition):
    """Mean and deviation given the data by linear regression, measured on training fields.

    For what solutions of equations tell, transformed fields, and channels that know of each other
    and differ in basis. The observation is that of training, some of whose data may be missing.
    """

    kind: Literal["regression"] = "regression"

    def conditioning(self, basis: Basis, statistics: Statistics) -> "RegressionConditioning":
        """Not yet measured."""
        return RegressionConditioning(self, basis, statistics)

    def check(self, basis: Basis, channels: int, *, transformed: bool) -> None:
        """Refuse places that are others each time."""
        super().check(basis, channels, transformed=transformed)
        if self.operator.random:
            raise ValueError(
                f"kind = regression: {self.operator.kind} has other places for every field, and "
                "regression is measured for one set of data; use kind: kriging, or fixed places "
                "with fewest, of which some are seen each time"
            )

    def check_observation(self, observation: Observation, basis: Basis, channels: int) -> None:
        """Refuse all others than that of training."""
        observation.check(basis, channels)
        if observation != self.operator:
            raise ValueError(
                f"a model with a condition of kind regression was trained with data of one "
                f"observation, {self.operator}, and is given those of another, {observation}: give "
                "the same, with NaN for missing data"
            )


class RegressionConditioning(ObservedConditioning):
    """Sample moments of fields and data, as buffers."""

    mean: Tensor
    spread: Tensor
    centre: Tensor
    gram: Tensor
    gains: Tensor
    count: Tensor

    def __init__(self, condition: ObservedCondition, basis: Basis, statistics: Statistics) -> None:
        super().__init__(condition, basis, statistics)
        size = len(condition.operator.deviations(basis, self.fields))
        shape = (self.fields, *basis.grid(self.level))
        shapes: dict[str, tuple[int, ...]] = {
            "mean": shape,
            "spread": shape,
            "centre": (size,),
            "gram": (size, size),
            "gains": (size, *shape),
        }
        for name, of_it in shapes.items():
            self.register_buffer(name, torch.zeros(of_it, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self._known: dict[bytes, Tensor] = {}
        self._map = lru_cache(maxsize=8)(self._make_map)
        self._moments = lru_cache(maxsize=2)(self._measured)

    @property
    def prepared(self) -> bool:
        """Whether the moments have been measured."""
        return bool(self.count > 0)

    def prepare(self, fields: Tensor) -> None:
        """Measure the moments of fields and of their data without noise."""
        if len(fields) < 2:
            raise ValueError("regression is measured on training fields: give two or more")
        operator, root = self.condition.operator, (len(fields) - 1) ** 0.5
        data = torch.stack([self.observe(operator, u) for u in fields])
        values = self.basis.resample(fields.double(), self.level)
        mean, centre = values.mean(0), data.mean(0)
        values, data = (values - mean) / root, (data - centre) / root
        measured = {
            "mean": mean,
            "spread": values.square().sum(0).sqrt(),
            "centre": centre,
            "gram": data.T @ data,
            "gains": torch.tensordot(data.T, values, 1),
            "count": torch.tensor(len(fields)),
        }
        self.load_state_dict(measured)
        self._moments.cache_clear()
        self._nothing.clear()

    def moments(self, observation: Observation, device: torch.device) -> JointMoments:
        """As measured."""
        return self._moments(device)

    def moments_of(
        self, observations: Sequence[Observation], device: torch.device
    ) -> Iterator[tuple[int, JointMoments]]:
        """The same for all."""
        yield len(observations), self.moments(self.condition.operator, device)

    @property
    def prior(self) -> tuple[Tensor, Tensor]:
        """Those of the sample."""
        return self.mean, self.spread.square()

    def observe(self, observation: Observation, u: Tensor) -> Tensor:
        """Data of the field on its own grid, one by one: rounding must not hang on the batch."""
        key = hashlib.blake2b(u.cpu().numpy().tobytes(), digest_size=16).digest()
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            physical = self.statistics.denormalise(u.double()[None])
            observed = self._map(self.basis.resolution(u))
            self._known[key] = observed.forward(physical)[0].double()
        return self._known[key]

    def _make_map(self, n: int) -> ForwardMapLike:
        return self.condition.operator.on(self.basis, self.fields, n)

    def _measured(self, device: torch.device) -> JointMoments:
        return JointMoments(
            mean=self.mean.to(device),
            variance=self.spread.square().to(device),
            centre=self.centre.to(device),
            noise=self.condition.operator.variances(self.basis, self.fields).to(device),
            gram=self.gram.to(device),
            gains=self.gains.to(device),
        )
