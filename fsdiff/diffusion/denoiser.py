"""A network and a process, joined: estimates of data, noise, score and velocity, and the loss."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.predictions import Prediction
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.time_sampling import TimeSampling
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.spectrum import resample_spectrum


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


class Denoiser(nn.Module):
    """Answers "data, noise, score, velocity" for X_t = x from one evaluation of a network.

    Fields are normalised: zero mean and unit mean square over the training set. ``spectrum`` are
    the mean-square coefficients of these (channel, *coefficients) on ``spectrum_resolution`` nodes.
    The network is evaluated in ``precision``, bfloat16 by autocast; all else is not.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        basis: Basis,
        prior: SpectralPrior,
        process: GaussianPath,
        prediction: Prediction,
        time_sampling: TimeSampling,
        spectrum: Tensor,
        spectrum_resolution: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.basis = basis
        self.prior = prior
        self.process = process
        self.prediction = prediction
        self.time_sampling = time_sampling
        self.channels = len(spectrum)
        self.precision = torch.float32
        self._spectra = lru_cache(maxsize=32)(
            lambda n, dtype, device: self._make_spectra(
                spectrum, spectrum_resolution, n, dtype, device
            )
        )
        self._marginal_at = lru_cache(maxsize=8)(self._make_marginal)
        # Only training asks for times: a model that is just sampled needs none of this.
        self._quantiles = lru_cache(maxsize=1)(
            lambda: time_sampling.quantiles(
                self.marginal(torch.tensor([process.T]), spectrum_resolution)
            )
        )

    def marginal(self, t: Tensor, n: int) -> Marginal:
        """The law of X_t given X_0 on n nodes at times t (batch,), or (1,) for the whole batch.

        A single time, which a sampler asks for again for every sample, is worked out once.
        """
        if len(t) == 1:
            return self._marginal_at(float(t), n, t.dtype, t.device)
        return self._make_marginal(t, n, t.dtype, t.device)

    def forward(self, x: Tensor, t: Tensor) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        marginal = self.marginal(t, x.shape[-1])
        output = self._evaluate(x, t, marginal)
        return Estimate(*self.prediction.data_and_noise(output, x, marginal), marginal)

    def loss(self, data: Tensor, generator: torch.Generator, part: slice = slice(None)) -> Tensor:
        """Denoising loss of each sample of normalised fields (batch, channel, *grid), (batch,).

        Times are drawn as ``time_sampling`` says. Numbers are drawn where the generator lives, so
        that they are the same for data on every device; and for the whole batch, so that they are
        the same where just a ``part`` of it is worked on here.
        """
        like = {"generator": generator, "dtype": data.dtype, "device": generator.device}
        uniform = self.time_sampling.spread(torch.rand(len(data), **like))
        white = torch.randn(data.shape, **like)[part].to(data.device)
        times = self.times(uniform[part]).to(data.device)
        return self.loss_at(data[part], times, self.colour(white))

    def loss_at(self, data: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """The loss, (batch,), for given times (batch,) and noise η ~ N(0, Q) shaped like data.

        The squared function-space norm of the prediction's residual, summed over channels.
        """
        marginal = self.marginal(t, data.shape[-1])
        x = marginal.apply(marginal.mean_scale, data) + marginal.apply(marginal.noise_scale, noise)
        output = self._evaluate(x, t, marginal)
        residual = self.prediction.residual(output, x, data, noise, marginal)
        return residual.square().mean(self.basis.grid_axes()).sum(1)

    def times(self, uniform: Tensor) -> Tensor:
        """Training times for numbers in (0, 1), the same on all grids."""
        return self._quantiles()(uniform.clamp(1e-6, 1 - 1e-6))

    def colour(self, white: Tensor) -> Tensor:
        """Noise η ~ N(0, Q) from independent N(0, 1) nodes (batch, channel, *grid)."""
        n = white.shape[-1]
        eigenvalues = self._spectra(n, white.dtype, white.device)[0]
        # Independent unit nodes have coefficients of variance n^-d on an orthonormal basis.
        return self.basis.multiply(white, (eigenvalues * n**self.basis.dimension).sqrt())

    def _evaluate(self, x: Tensor, t: Tensor, marginal: Marginal) -> Tensor:
        noise_level = -self.process.log_signal_to_noise(t.double()).to(t.dtype).expand(len(x))
        seen = self.prediction.network_input(x, marginal)
        if self.precision == torch.float32:
            return self.network(seen, noise_level)
        with torch.autocast(x.device.type, self.precision):
            return self.network(seen, noise_level).to(x.dtype)

    def _make_marginal(
        self, t: Tensor | float, n: int, dtype: torch.dtype, device: torch.device
    ) -> Marginal:
        noise, data, omega_squared, multiplicity = self._spectra(n, dtype, device)
        time = torch.as_tensor(t, dtype=torch.float64, device=device)
        time = time.view(-1, *[1] * (self.basis.dimension + 1))
        return Marginal(self.basis, self.process, time, omega_squared, noise, data, multiplicity)

    def _make_spectra(
        self, spectrum: Tensor, source: int, n: int, dtype: torch.dtype, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        noise = self.prior.eigenvalues(self.basis, n).to(device, dtype)
        data = resample_spectrum(spectrum.cpu(), self.basis, source, n).to(device, dtype)
        omega_squared = self.basis.omega_squared(n).to(device)
        return noise, data, omega_squared, self.basis.multiplicity(n).to(device, dtype)
