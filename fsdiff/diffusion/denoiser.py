"""A law and a network, joined: estimates of data, noise, score and velocity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.predictions import Prediction

if TYPE_CHECKING:
    from fsdiff.data.labels import Labels
    from fsdiff.inverse.conditions.base import Condition
    from fsdiff.inverse.observations.base import Observation


@dataclass(frozen=True)
class Estimate:
    """Conditional expectations given X_t = x; fields (batch, channel, *grid).

    One of them determines the others (Tweedie): ``noise`` E[η|x], ``data`` E[X_0|x],
    ``score`` S = −E[η|x]/r, which is Q ∇ log p_t, and ``velocity`` m′E[X_0|x] + r′E[η|x].
    """

    data: Tensor
    noise: Tensor
    marginal: Marginal

    @property
    def score(self) -> Tensor:
        """S(x, t) = Q ∇ log p_t(x)."""
        return self.marginal.apply(-1 / self.marginal.noise_scale, self.noise)

    @property
    def velocity(self) -> Tensor:
        """dx/dt of the probability flow."""
        marginal = self.marginal
        data_part = marginal.apply(marginal.mean_rate, self.data)
        return data_part + marginal.apply(marginal.noise_rate, self.noise)


class DenoiserLike(Protocol):
    """What samplers are given: learned, exact or guided, it estimates the data from X_t = x."""

    law: Law

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) of the law ``marginal``.

        ``condition`` are fields (batch, condition channel, *grid) on the same grid.
        """

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""


class Conditions(Protocol):
    """What a conditional network is told, as fields (condition channel, *grid)."""

    condition: "Condition"
    labels: "Labels | None"
    guidance_scale: float

    @property
    def prepared(self) -> bool:
        """Whether nothing has to be measured of fields first."""

    def fields_in(self, batch: Tensor) -> Tensor:
        """Normalised fields (batch, …) of batches that say of which class they are besides."""

    def at(self, condition: Tensor, n: int) -> Tensor:
        """Conditions (batch, …) at level n."""

    def prepare(self, batch: Tensor) -> None:
        """Measure what has to be of training fields (samples, channel, *grid)."""

    def drawn(self, batch: Tensor, seeds: Sequence[int]) -> Tensor:
        """Conditions of the fields of a batch, what is random of them by a seed for each."""

    def fixed(self, batch: Tensor, first: int = 0) -> Tensor:
        """Conditions of the fields of a batch, random by their index, from ``first`` on."""

    def draw_as(self, condition: "Condition") -> None:
        """Draw samples as a condition says; ValueError where the weights know none such."""

    def dealt(self, n: int, indices: Sequence[int], seed: int) -> Tensor | None:
        """Conditions of samples at level n of which nothing is said; None if they have none."""

    def given(self, observation: "Observation", data: Tensor, n: int) -> Tensor:
        """The condition at level n that stands for data (..., size)."""

    def nothing(self, n: int, device: torch.device) -> Tensor:
        """The condition at level n where there are no data."""

    def seen(self, law: Law, x: Tensor, marginal: Marginal, condition: Tensor) -> "Seen":
        """What the network sees of fields x of a law given conditions (batch, …)."""


@dataclass(frozen=True)
class Seen:
    """What a network sees: fields x of a law about a centre, and a condition, if there is one."""

    x: Tensor
    marginal: Marginal
    condition: Tensor | None = None
    centre: Tensor | None = None

    def about_centre(self, data: Tensor) -> Tensor:
        """Data without the centre."""
        return data if self.centre is None else data - self.centre

    def whole(self, data: Tensor) -> Tensor:
        """Data with the centre."""
        return data if self.centre is None else data + self.centre


class Denoiser(nn.Module):
    """Answers "data, noise, score, velocity" for X_t = x from one evaluation of a network.

    Fields are normalised: zero mean and unit mean square over the training set, with the second
    moments that the law tells. Where data have no values estimates are continued as these are: the
    loss says nothing of what a network answers there, and a sampler would lead it back to the
    network in the next step. Conditional expectations of fields that are such continuations are
    some as well, so that of a perfect network nothing changes. The network is evaluated in
    ``precision``, bfloat16 by autocast; all else is not. With ``conditions`` it is told that there
    are no data where it is given none, and these say how it sees fields.
    """

    def __init__(
        self,
        law: Law,
        network: nn.Module,
        prediction: Prediction,
        conditions: Conditions | None = None,
    ) -> None:
        super().__init__()
        self.conditions = conditions
        self.law, self.network, self.prediction = law, network, prediction
        self.precision = torch.float32

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) of the law ``marginal``."""
        seen = self.seen(x, marginal, condition)
        data, noise = self.prediction.data_and_noise(self.output(seen), seen.x, seen.marginal)
        whole = seen.whole(data)
        continued = self.law.continued(whole)
        if continued is whole:
            return Estimate(whole, noise, marginal)
        return Estimate(continued, marginal.noise_from_data(x, continued), marginal)

    def seen(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Seen:
        """Fields x of the law ``marginal`` as the network sees them: as conditions have it."""
        if self.conditions is None:
            return Seen(x, marginal, condition)
        if condition is None:
            nothing = self.conditions.nothing(self.law.basis.resolution(x), x.device)
            condition = nothing.to(x.dtype).expand(len(x), *nothing.shape)
        return self.conditions.seen(self.law, x, marginal, condition)

    def output(self, seen: Seen) -> Tensor:
        """What the network says of fields that it sees, (batch, channel, *grid)."""
        x, marginal = seen.x, seen.marginal
        coordinate = marginal.process.half_log_signal_to_noise(marginal.time.flatten())
        noise_level = -coordinate.to(x.dtype).expand(len(x))
        inputs = [self.prediction.network_input(x, marginal), noise_level]
        if seen.condition is not None:
            inputs.append(seen.condition)
        if self.precision == torch.float32:
            return self.network(*inputs)
        with torch.autocast(x.device.type, self.precision):
            return self.network(*inputs).to(x.dtype)
