"""What a network predicts: from its output to data and noise, and the loss that trains it.

At time t on a given grid the forward process is X_t = m X_0 + r η, η ~ N(0, Q), mode by mode. A
prediction says what the network sees of X_t, what its output means, and which error is squared.
All of them are exact reformulations of the conditional expectation E[X_0 | X_t]; they differ in
how hard the remaining function is to learn and in the weight of each time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.joint import JointFilter
from fsdiff.diffusion.marginal import Marginal, noise_grows
from fsdiff.diffusion.processes.path import GaussianPath


class Prediction(ABC):
    """How a network's output is read and trained. Fields are (batch, channel, *grid)."""

    reads_noise: ClassVar[bool] = False
    """Whether the output is noise, or part noise, which must fade if the data are to be seen."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    def check(self, process: GaussianPath) -> None:
        """Raise ValueError where the data cannot be read from the output."""
        if self.reads_noise and not noise_grows(process):
            raise ValueError(
                f"{self.kind} cannot be turned into data where the noise is the same at all times, "
                f"as that of {process.kind} is: use wiener, data or preconditioned"
            )

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

    reads_noise: ClassVar[bool] = True

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

    reads_noise: ClassVar[bool] = True

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

    Channels that share a basis may be filtered together (``channels: joint``), by the covariances
    that they have mode by mode: data that are jointly Gaussian, such as the source and the solution
    of a linear equation, leave nothing to learn then. Others are filtered each by itself.
    """

    channels: Literal["apart", "joint"] = "apart"
    kind: Literal["wiener"] = "wiener"

    def network_input(self, x: Tensor, marginal: Marginal) -> Tensor:
        """G x at unit mean square."""
        wiener = self._filter(marginal)
        return wiener.filtered(x) / wiener.wiener_output.sqrt()

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """X_0 = G x + s F."""
        wiener = self._filter(marginal)
        data = wiener.filtered(x) + wiener.wiener_residual.sqrt() * output
        return data, marginal.noise_from_data(x, data)

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """F − (X_0 − G x)/s."""
        wiener = self._filter(marginal)
        return output - (data - wiener.filtered(x)) / wiener.wiener_residual.sqrt()

    def _filter(self, marginal: Marginal) -> Marginal | JointFilter:
        return marginal.joint if self.channels == "joint" else marginal


@dataclass(frozen=True, kw_only=True)
class Velocity(Prediction):
    """The network predicts v = m′ X_0 + r′ η, dx/dt of the probability flow; loss ‖F − v‖².

    Lipman et al. (arXiv 2210.02747); Kerrigan, Migliorini & Smyth (arXiv 2305.17209).
    """

    reads_noise: ClassVar[bool] = True

    kind: Literal["velocity"] = "velocity"

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """Solves x = m X_0 + r η and v = m′ X_0 + r′ η."""
        data = marginal.data_from_velocity(x, output)
        return data, marginal.noise_from_data(x, data)

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """F − v."""
        velocity = marginal.apply(marginal.mean_rate, data)
        return output - velocity - marginal.apply(marginal.noise_rate, noise)


@dataclass(frozen=True, kw_only=True)
class Preconditioned(Prediction):
    """The network predicts what the best multiple of x leaves: X_0 ≈ g x + s F.

    Karras et al. (arXiv 2206.00364) with c_skip = g, c_out = s, c_in = 1/√E‖x‖² and their weight
    1/s². Where scales differ by mode, g is the least-squares multiple over all of them; ``wiener``
    has a multiple for each mode.
    """

    kind: Literal["preconditioned"] = "preconditioned"

    def data_and_noise(
        self, output: Tensor, x: Tensor, marginal: Marginal
    ) -> tuple[Tensor, Tensor]:
        """X_0 = g x + s F."""
        data = marginal.scalar_gain * x + marginal.scalar_residual.sqrt() * output
        return data, marginal.noise_from_data(x, data)

    def residual(
        self, output: Tensor, x: Tensor, data: Tensor, noise: Tensor, marginal: Marginal
    ) -> Tensor:
        """F − (X_0 − g x)/s."""
        target = (data - marginal.scalar_gain * x) / marginal.scalar_residual.sqrt()
        return output - target
