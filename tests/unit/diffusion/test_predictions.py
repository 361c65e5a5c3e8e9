"""What a network's output means, against Gaussian data, for which every expectation is known.

For data N(0, C) and noise N(0, Q), both diagonal with eigenvalues c and λ, X_t has the eigenvalues
v = m²c + r²λ, and E[X_0|x] = (mc/v) x, E[η|x] = (rλ/v) x, S = −(λ/v) x, mode by mode.
"""

import math

import pytest
import torch

from fsdiff.diffusion.predictions import Data, Noise, Preconditioned, Score, Velocity
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.linear_interpolant import LinearInterpolant
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck, VariancePreserving

N = 12
TIMES = torch.tensor([0.02, 0.3, 0.6, 1.0], dtype=torch.float64)


@pytest.fixture
def gaussian(basis, process, tools):
    """A two-channel denoiser, its scales and its eigenvalues, computed without ``Marginal``."""
    return Gaussian(two_channels(basis, process, tools), tools)


class Gaussian:
    def __init__(self, denoiser, tools, t=TIMES):
        self.denoiser, self.basis, self.t, self.tools = denoiser, denoiser.law.basis, t, tools
        process = denoiser.law.process
        time, omega_squared = t.view(-1, 1, 1, 1), self.basis.omega_squared(N)
        self.m = process.mean_scale(time, omega_squared)
        self.r = process.noise_scale(time, omega_squared)
        self.m_rate = process.mean_rate(time, omega_squared)
        self.r_rate = process.noise_rate(time, omega_squared)
        self.noise = denoiser.law.noise.eigenvalues(self.basis, N)
        self.data = denoiser.law.data.spectrum(N).to(t.dtype)
        self.v = self.m**2 * self.data + self.r**2 * self.noise
        self.marginal = denoiser.law.marginal(t, N)

    def over(self, numerator):
        """numerator/v, zero on modes that carry nothing."""
        return torch.where(self.v > 0, numerator / self.v.clamp_min(1e-300), 0.0)

    def total(self, spectrum):
        weighted = self.basis.multiplicity(N) * spectrum
        return weighted.sum((-2, -1), keepdim=True)

    def multiply(self, symbol, u):
        return self.tools.multiply(self.basis, symbol, u)

    def field(self, spectrum, seed):
        """Gaussian fields of the given spectrum, one per time."""
        spectrum = spectrum.expand(2, *spectrum.shape[-2:])
        return self.tools.gaussian_field(self.basis, spectrum, len(self.t), seed)

    def residual_variance(self):
        return self.total(self.over(self.data * self.r**2 * self.noise))

    def scalar(self):
        """The best multiple of x to estimate X_0 by, and the mean square of its error."""
        gain = self.total(self.m * self.data) / self.total(self.v)
        error = self.total(self.data) - gain * self.total(self.m * self.data)
        return gain, error

    def expected(self, x):
        """E[X_0|x] and E[η|x]."""
        data = self.multiply(self.over(self.m * self.data), x)
        return data, self.multiply(self.over(self.r * self.noise), x)

    def output(self, prediction, x, data, noise):
        """What a network must return for these data and noise."""
        if isinstance(prediction, Noise):
            return noise
        if isinstance(prediction, Score):
            score = self.multiply(-1 / self.r, noise)
            if not prediction.apply_covariance:
                return score
            inverse = torch.where(self.noise > 0, 1 / self.noise.clamp_min(1e-300), 0.0)
            return self.multiply(inverse, score)
        if isinstance(prediction, Data):
            return data
        if isinstance(prediction, Velocity):
            return self.multiply(self.m_rate, data) + self.multiply(self.r_rate, noise)
        if isinstance(prediction, Preconditioned):
            gain, error = self.scalar()
            return (data - gain * x) / error.sqrt()
        linear = self.multiply(self.over(self.m * self.data), x)
        return (data - linear) / self.residual_variance().sqrt()

    def pair(self):
        """Data, noise and the state that they make."""
        data, noise = self.field(self.data, 1), self.field(self.noise, 2)
        return data, noise, self.multiply(self.m, data) + self.multiply(self.r, noise)


def test_marginal_formulas(gaussian, tools):
    marginal, resolved = gaussian.marginal, gaussian.basis.resolved(N)
    full, close = gaussian.v.shape, tools.close
    close(marginal.wiener_gain.expand(full), gaussian.over(gaussian.m * gaussian.data) * resolved)
    close(marginal.wiener_residual, gaussian.residual_variance())
    close(marginal.wiener_output, gaussian.total(gaussian.over((gaussian.m * gaussian.data) ** 2)))
    close(marginal.total_variance, gaussian.total(gaussian.v))
    close(marginal.data_variance, gaussian.total(gaussian.data)[None])
    gain, error = gaussian.scalar()
    close(marginal.scalar_gain, gain)
    close(marginal.scalar_residual, error)
    first = (gaussian.m / gaussian.r)[..., :1, :1] ** 2
    close(marginal.signal_to_noise, first.expand_as(marginal.signal_to_noise))
    close(marginal.log_ratio, (gaussian.m / gaussian.r).log())


def test_data_noise_and_velocity_determine_each_other(gaussian, tools):
    data, noise, x = gaussian.pair()
    velocity = gaussian.multiply(gaussian.m_rate, data) + gaussian.multiply(gaussian.r_rate, noise)
    tools.close(gaussian.marginal.noise_from_data(x, data), noise, atol=1e-9)
    tools.close(gaussian.marginal.data_from_noise(x, noise), data, atol=1e-9)
    tools.close(gaussian.marginal.data_from_velocity(x, velocity), data, atol=1e-9)


def test_the_exact_output_gives_the_exact_expectations(gaussian, prediction, tools):
    _, _, x = gaussian.pair()
    data, noise = gaussian.expected(x)
    output = gaussian.output(prediction, x, data, noise)
    found = prediction.data_and_noise(output, x, gaussian.marginal)
    tools.close(found[0], data, atol=1e-9)
    tools.close(found[1], noise, atol=1e-9)


def test_the_target_has_no_residual(gaussian, prediction, tools):
    data, noise, x = gaussian.pair()
    output = gaussian.output(prediction, x, data, noise)
    residual = prediction.residual(output, x, data, noise, gaussian.marginal)
    tools.close(residual, torch.zeros_like(x), atol=1e-9)


def test_residuals_are_the_published_losses(gaussian, prediction, tools):
    """‖F − η‖², ‖rF + η‖², (m²/r²)‖F − x_0‖², … : the weighted distance of any F to the target."""
    data, noise, x = gaussian.pair()
    error = gaussian.field(gaussian.data, 5)
    output = gaussian.output(prediction, x, data, noise) + error
    if isinstance(prediction, Score):
        symbol = gaussian.r * (gaussian.noise if prediction.apply_covariance else 1)
        error = gaussian.multiply(symbol, error)
    elif isinstance(prediction, Data):
        error = (gaussian.m / gaussian.r)[..., :1, :1].clamp_max(5.0) * error
    found = prediction.residual(output, x, data, noise, gaussian.marginal)
    tools.close(found, error, atol=1e-9)


def test_the_weight_of_the_data_loss_is_clamped(gaussian, tools):
    data, noise, x = gaussian.pair()
    error = torch.ones_like(data)
    residual = Data(largest_weight=4.0).residual(data + error, x, data, noise, gaussian.marginal)
    ratio = (gaussian.m / gaussian.r)[..., :1, :1]
    assert float(ratio[0]) > 2 > float(ratio[-1])
    tools.close(residual, ratio.clamp_max(2.0) * error, atol=1e-9)


def two_channels(basis, process, tools):
    spectrum = torch.cat([tools.power_law(basis, N, 3.0), 0.5 * tools.power_law(basis, N, 2.5)])
    return tools.make_denoiser(basis, N, process=process, spectrum=spectrum)


def gaussian_at(denoiser, tools, t, count=400):
    return Gaussian(denoiser, tools, torch.full((count,), t, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["wiener", "preconditioned"])
@pytest.mark.parametrize("t", [0.01, 0.2, 0.5, 1.0])
def test_targets_of_unit_variance(basis, process, tools, kind, t):
    gaussian = gaussian_at(two_channels(basis, process, tools), tools, t)
    data, noise, x = gaussian.pair()
    prediction = tools.predictions[kind]
    target = prediction.residual(torch.zeros_like(x), x, data, noise, gaussian.marginal)
    assert_unit_mean_square(target)


@pytest.mark.parametrize("t", [0.01, 0.4, 1.0])
def test_networks_see_fields_of_unit_mean_square(basis, process, tools, prediction, t):
    gaussian = gaussian_at(two_channels(basis, process, tools), tools, t)
    _, _, x = gaussian.pair()
    assert_unit_mean_square(prediction.network_input(x, gaussian.marginal))


def assert_unit_mean_square(fields):
    """Within five standard errors, estimated from the independent samples themselves."""
    square = fields.square().mean((-2, -1))
    error = square.std(0) / math.sqrt(len(square))
    assert ((square.mean(0) - 1).abs() < 5 * error).all()
    assert (error < 0.1).all()


def test_preconditioning_of_white_noise_is_the_published_one(basis, tools):
    """c_skip, c_out and c_in of σ = r/m and σ_data, once x is divided by m (EDM, Table 1)."""
    process = VarianceExploding(sigma_min=0.02, sigma_max=80)
    denoiser = tools.make_denoiser(basis, N, process=process)
    marginal = denoiser.law.marginal(TIMES, N)
    trace, data = denoiser.law.noise.trace(basis, N), float(marginal.data_variance)
    sigma = (process.noise_scale(TIMES, TIMES) * trace**0.5).view(-1, 1, 1, 1)
    tools.close(marginal.scalar_gain, data / (sigma**2 + data))
    tools.close(marginal.scalar_residual.sqrt(), sigma * (data / (sigma**2 + data)) ** 0.5)
    tools.close(marginal.total_variance, sigma**2 + data)


# Modes of which nothing is left


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_modes_that_are_lost_are_estimated_by_their_mean(basis, prediction, tools, dtype):
    """m falls to exp(−5(1 + 2π²)) = 10⁻⁴⁵ at t = 1 with ω in pixels, which float32 has not."""
    denoiser = tools.ideal_denoiser(
        basis, N, process=StochasticHeat(length=1 / 6), prediction=prediction
    )
    m = denoiser.law.process.mean_scale(torch.tensor(1.0), basis.omega_squared(N).float())
    assert float(m.min()) == 0 < float(m.max())
    x = tools.gaussian_field(basis, denoiser.law.noise.eigenvalues(basis, N)[None], 4, 0).to(dtype)
    t = TIMES.to(dtype)
    estimate = denoiser(x, t)
    for field in (estimate.data, estimate.noise, estimate.score, estimate.velocity):
        assert field.isfinite().all()
    exact = tools.make_denoiser(basis, N, process=denoiser.law.process)(x.double(), TIMES)
    # Rounding errors ε of noise are at most magnified to √ε in the data that are read from it.
    precision = torch.finfo(dtype).eps
    bound = 100 * precision**0.5 if prediction.reads_noise else 100 * precision
    assert float((estimate.data.double() - exact.data).abs().max()) < bound


@pytest.mark.parametrize("kind", ["noise", "score", "velocity"])
def test_data_cannot_be_read_from_noise_that_never_fades(tools, kind):
    prediction = tools.predictions[kind]
    with pytest.raises(ValueError, match=rf"{kind} .* heat_dissipation is: use wiener, data"):
        prediction.check(HeatDissipation())
    for process in (VariancePreserving(), StochasticHeat(), OrnsteinUhlenbeck()):
        prediction.check(process)


@pytest.mark.parametrize("kind", ["wiener", "data", "preconditioned"])
def test_other_predictions_go_with_every_process(tools, kind):
    for process in (HeatDissipation(), LinearInterpolant(), VarianceExploding()):
        tools.predictions[kind].check(process)
