"""What a network predicts: from its output to data and noise, and the loss that trains it.

At time t on a given grid the forward process is X_t = m X_0 + r η, η ~ N(0, Q), mode by mode. A
prediction says what the network sees of X_t, what its output means, and which error is squared.
All of them are exact reformulations of the conditional expectation E[X_0 | X_t]; they differ in
how hard the remaining function is to learn and in the weight of each time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.bases import Basis
from fsdiff.processes import GaussianPath


@dataclass(frozen=True)
class Marginal:
    """The law of X_t given X_0 for a batch of times on one grid.

    ``time`` (batch, 1, …) and ``omega_squared`` (*coefficients) are float64; scales have shape
    (batch, 1, *modes) and axes of length one stand for all modes. ``noise_spectrum`` λ_k has shape
    (*coefficients) and ``data_spectrum`` E|û_k|² shape (channel, *coefficients); their dtype is
    that of the scales.
    """

    basis: Basis
    process: GaussianPath
    time: Tensor
    omega_squared: Tensor
    noise_spectrum: Tensor
    data_spectrum: Tensor
    multiplicity: Tensor = field(repr=False)

    @cached_property
    def mean_scale(self) -> Tensor:
        """m."""
        return self.process.mean_scale(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def noise_scale(self) -> Tensor:
        """r."""
        return self.process.noise_scale(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def mean_rate(self) -> Tensor:
        """m′."""
        return self.process.mean_rate(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def noise_rate(self) -> Tensor:
        """r′."""
        return self.process.noise_rate(self.time, self.omega_squared).to(self.noise_spectrum)

    def apply(self, symbol: Tensor, u: Tensor) -> Tensor:
        """The diagonal operator ``symbol`` applied to fields; a product if it is constant."""
        if all(length == 1 for length in symbol.shape[2:]):
            return symbol * u
        return self.basis.multiply(u, symbol)

    def noise_from_data(self, x: Tensor, data: Tensor) -> Tensor:
        """η = (x − m x_0)/r."""
        return self.apply(1 / self.noise_scale, x - self.apply(self.mean_scale, data))

    def data_from_noise(self, x: Tensor, noise: Tensor) -> Tensor:
        """x_0 = (x − r η)/m."""
        return self.apply(1 / self.mean_scale, x - self.apply(self.noise_scale, noise))

    @cached_property
    def wiener_gain(self) -> Tensor:
        """G_k = m c_k/(m² c_k + r² λ_k), the best linear denoiser, (batch, channel, *modes)."""
        signal = self.mean_scale * self.data_spectrum
        total = self.mean_scale * signal + self.noise_scale.square() * self.noise_spectrum
        return torch.where(total > 0, signal / total.clamp_min(_TINY), 0.0)

    @cached_property
    def wiener_residual(self) -> Tensor:
        """s² = Σ_k c_k r² λ_k/(m² c_k + r² λ_k), what it leaves, (batch, channel, 1, …)."""
        left = (1 - self.mean_scale * self.wiener_gain) * self.data_spectrum
        return self._sum_over_modes(left).clamp_min(_TINY)

    @cached_property
    def wiener_output(self) -> Tensor:
        """E‖G x‖² = Σ_k m c_k G_k, (batch, channel, 1, …)."""
        kept = self.mean_scale * self.wiener_gain * self.data_spectrum
        return self._sum_over_modes(kept).clamp_min(_TINY)

    @cached_property
    def total_variance(self) -> Tensor:
        """E‖X_t‖² = Σ_k m² c_k + r² λ_k, (batch, channel, 1, …)."""
        total = self.mean_scale.square() * self.data_spectrum
        return self._sum_over_modes(total + self.noise_scale.square() * self.noise_spectrum)

    @cached_property
    def signal_to_noise(self) -> Tensor:
        """m²/r² of the lowest mode, (batch, 1, 1, …)."""
        ratio = (self.mean_scale / self.noise_scale).square()
        return ratio.flatten(2)[..., :1].view(-1, *[1] * (ratio.ndim - 1))

    def _sum_over_modes(self, values: Tensor) -> Tensor:
        axes = self.basis.grid_axes()
        return (self.multiplicity * values).sum(axes, keepdim=True)


_TINY = 1e-30


class Prediction(ABC):
    """How a network's output is read and trained. Fields are (batch, channel, *grid)."""

    def network_input(self, x: Tensor, marginal: Marginal) -> Tensor:
        """What the network sees of x: by default x at unit mean square."""
        return x / marginal.total_variance.sqrt()

    @abstractmethod
    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """The estimates of X_0 and η that an output means."""

    @abstractmethod
    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """The weighted error field whose squared norm is the loss."""


@dataclass(frozen=True, kw_only=True)
class Noise(Prediction):
    """The network predicts η; loss ‖F − η‖² (Ho et al., 2006.11239)."""

    kind: Literal["noise"] = "noise"

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """The output is η."""
        return marginal.data_from_noise(x, output), output

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """F − η."""
        return output - noise


@dataclass(frozen=True, kw_only=True)
class Score(Prediction):
    """The network predicts S = Q ∇ log p_t = −E[η|x]/r; loss ‖r F + η‖².

    Hagemann et al. (arXiv 2303.04772), eq. (38). With ``apply_covariance`` the network predicts
    ∇ log p_t and S = Q F, their other variant; the prior's covariance is then applied exactly.
    """

    apply_covariance: bool = False
    kind: Literal["score"] = "score"

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """η = −r S."""
        noise = self._minus_noise(output, marginal).neg()
        return marginal.data_from_noise(x, noise), noise

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """r S + η."""
        return self._minus_noise(output, marginal) + noise

    def _minus_noise(self, output: Tensor, marginal: Marginal) -> Tensor:
        if not self.apply_covariance:
            return marginal.apply(marginal.noise_scale, output)
        return marginal.apply(marginal.noise_scale * marginal.noise_spectrum, output)


@dataclass(frozen=True, kw_only=True)
class Data(Prediction):
    """The network predicts X_0, the conditional expectation model; loss (m²/r²)‖F − X_0‖².

    Lu, Wang & Bal (arXiv 2301.07882), Remark 3.9: bounded as t → 0 where the score is not. The
    weight, the signal-to-noise ratio, is clamped at ``largest_weight``.
    """

    largest_weight: PositiveFloat = 25.0
    kind: Literal["data"] = "data"

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """The output is X_0."""
        return output, marginal.noise_from_data(x, output)

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """(m/r)(F − X_0)."""
        weight = marginal.signal_to_noise.clamp_max(self.largest_weight)
        return weight.sqrt() * (output - data)


@dataclass(frozen=True, kw_only=True)
class Wiener(Prediction):
    """The network predicts what the best linear denoiser leaves: X_0 ≈ G x + s F.

    G is the Wiener filter of the data's spectrum against the noise's and s² the variance of its
    error, so the target has unit variance at every time and resolution, Gaussian data leave nothing
    to learn, and modes beyond a network's reach are handled exactly. The network sees G x at unit
    mean square, which, unlike x, has a limit under refinement even for noise that has none.
    """

    kind: Literal["wiener"] = "wiener"

    def network_input(self, x: Tensor, marginal: Marginal) -> Tensor:
        """G x at unit mean square."""
        return marginal.apply(marginal.wiener_gain / marginal.wiener_output.sqrt(), x)

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """X_0 = G x + s F."""
        linear = marginal.apply(marginal.wiener_gain, x)
        data = linear + marginal.wiener_residual.sqrt() * output
        return data, marginal.noise_from_data(x, data)

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """F − (X_0 − G x)/s."""
        linear = marginal.apply(marginal.wiener_gain, x)
        return output - (data - linear) / marginal.wiener_residual.sqrt()
