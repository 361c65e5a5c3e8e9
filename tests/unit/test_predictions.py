"""What a network's output means, against Gaussian data, for which every expectation is known.

For data N(0, C) and noise N(0, Q), both diagonal with eigenvalues c and λ, X_t has the eigenvalues
v = m²c + r²λ, and E[X_0|x] = (mc/v) x, E[η|x] = (rλ/v) x, S = −(λ/v) x, mode by mode.
"""

import math

import numpy as np
import pytest
import torch

from fsdiff.predictions import Data, Noise, Score, Wiener
from fsdiff.processes import VariancePreserving

PREDICTIONS = [Noise(), Score(), Score(apply_covariance=True), Data(largest_weight=1e9), Wiener()]
N = 12
TIMES = torch.tensor([0.02, 0.3, 0.6, 1.0], dtype=torch.float64)


def name(prediction):
    covariance = getattr(prediction, "apply_covariance", False)
    return type(prediction).__name__ + ("-covariance" if covariance else "")


@pytest.fixture(params=["vp", "heat"])
def process(request, tools):
    return VariancePreserving() if request.param == "vp" else tools.Heat()


@pytest.fixture
def gaussian(basis, process, tools):
    """A two-channel denoiser, its scales and its eigenvalues, computed without ``Marginal``."""
    spectrum = torch.cat([tools.power_law(basis, N, 3.0), 0.5 * tools.power_law(basis, N, 2.5)])
    return Gaussian(tools.make_denoiser(basis, N, process=process, spectrum=spectrum))


class Gaussian:
    def __init__(self, denoiser, t=TIMES):
        self.denoiser, self.basis, self.t = denoiser, denoiser.basis, t
        process, n = denoiser.process, N
        time, omega_squared = t.view(-1, 1, 1, 1), self.basis.omega_squared(n)
        self.m = process.mean_scale(time, omega_squared)
        self.r = process.noise_scale(time, omega_squared)
        self.noise = denoiser.prior.eigenvalues(self.basis, n)
        self.data = denoiser._spectra(n, t.dtype, t.device)[1]
        self.v = self.m**2 * self.data + self.r**2 * self.noise
        self.marginal = denoiser.marginal(t, n)

    def over(self, numerator):
        """numerator/v, zero on modes that carry nothing."""
        return torch.where(self.v > 0, numerator / self.v.clamp_min(1e-300), 0.0)

    def total(self, spectrum):
        weighted = self.basis.multiplicity(N) * spectrum
        return weighted.sum((-2, -1), keepdim=True)

    def multiply(self, symbol, u):
        return self.basis.inverse(symbol * self.basis.forward(u), N)

    def field(self, spectrum, seed):
        """Gaussian fields of the given spectrum, one per time."""
        normals = np.random.default_rng(seed).standard_normal((len(self.t), 2, N * N))
        return self.basis.inverse(self.basis.white_noise(normals, N) * spectrum.sqrt(), N)

    def residual_variance(self):
        return self.total(self.over(self.data * self.r**2 * self.noise))

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
        linear = self.multiply(self.over(self.m * self.data), x)
        return (data - linear) / self.residual_variance().sqrt()

    def pair(self):
        """Data, noise and the state that they make."""
        data, noise = self.field(self.data, 1), self.field(self.noise, 2)
        return data, noise, self.multiply(self.m, data) + self.multiply(self.r, noise)


def close(a, b, atol=1e-9):
    torch.testing.assert_close(a, b, rtol=1e-8, atol=atol)


def test_marginal_formulas(gaussian):
    marginal, resolved = gaussian.marginal, gaussian.basis.resolved(N)
    full = gaussian.v.shape
    close(marginal.wiener_gain.expand(full), gaussian.over(gaussian.m * gaussian.data) * resolved)
    close(marginal.wiener_residual, gaussian.residual_variance())
    close(marginal.wiener_output, gaussian.total(gaussian.over((gaussian.m * gaussian.data) ** 2)))
    close(marginal.total_variance, gaussian.total(gaussian.v))
    first = (gaussian.m / gaussian.r)[..., :1, :1] ** 2
    close(marginal.signal_to_noise, first.expand_as(marginal.signal_to_noise))


def test_data_and_noise_determine_each_other(gaussian):
    data, noise, x = gaussian.pair()
    close(gaussian.marginal.noise_from_data(x, data), noise)
    close(gaussian.marginal.data_from_noise(x, noise), data)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_the_exact_output_gives_the_exact_expectations(gaussian, prediction):
    _, _, x = gaussian.pair()
    data, noise = gaussian.expected(x)
    output = gaussian.output(prediction, x, data, noise)
    found = prediction.data_and_noise(output, x, gaussian.marginal)
    close(found[0], data)
    close(found[1], noise)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_the_target_has_no_residual(gaussian, prediction):
    data, noise, x = gaussian.pair()
    output = gaussian.output(prediction, x, data, noise)
    residual = prediction.residual(output, x, data, noise, gaussian.marginal)
    close(residual, torch.zeros_like(x))


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_residuals_are_the_published_losses(gaussian, prediction):
    """‖F − η‖², ‖rF + η‖², (m²/r²)‖F − x_0‖² and ‖F − (x_0 − Gx)/s‖² for an arbitrary output."""
    data, noise, x = gaussian.pair()
    output = gaussian.field(gaussian.data, 5)
    if isinstance(prediction, Noise):
        expected = output - noise
    elif isinstance(prediction, Score):
        symbol = gaussian.r * (gaussian.noise if prediction.apply_covariance else 1)
        expected = gaussian.multiply(symbol, output) + noise
    elif isinstance(prediction, Data):
        expected = (gaussian.m / gaussian.r)[..., :1, :1] * (output - data)
    else:
        linear = gaussian.multiply(gaussian.over(gaussian.m * gaussian.data), x)
        expected = output - (data - linear) / gaussian.residual_variance().sqrt()
    close(prediction.residual(output, x, data, noise, gaussian.marginal), expected)


def test_the_weight_of_the_data_loss_is_clamped(gaussian):
    data, noise, x = gaussian.pair()
    error = torch.ones_like(data)
    residual = Data(largest_weight=4.0).residual(data + error, x, data, noise, gaussian.marginal)
    ratio = (gaussian.m / gaussian.r)[..., :1, :1]
    assert float(ratio[0]) > 2 > float(ratio[-1])
    close(residual, ratio.clamp_max(2.0) * error)


def gaussian_at(denoiser, t, count):
    return Gaussian(denoiser, torch.full((count,), t, dtype=torch.float64))


@pytest.mark.parametrize("t", [0.01, 0.2, 0.5, 1.0])
def test_the_wiener_target_has_unit_variance(basis, process, tools, t):
    denoiser = tools.make_denoiser(basis, N, process=process, spectrum=two_channels(basis, tools))
    gaussian = gaussian_at(denoiser, t, 400)
    data, noise, x = gaussian.pair()
    target = Wiener().residual(torch.zeros_like(x), x, data, noise, gaussian.marginal)
    assert_unit_mean_square(target)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("t", [0.01, 0.4, 1.0])
def test_networks_see_fields_of_unit_mean_square(basis, process, tools, prediction, t):
    denoiser = tools.make_denoiser(basis, N, process=process, spectrum=two_channels(basis, tools))
    gaussian = gaussian_at(denoiser, t, 400)
    _, _, x = gaussian.pair()
    assert_unit_mean_square(prediction.network_input(x, gaussian.marginal))


def two_channels(basis, tools):
    return torch.cat([tools.power_law(basis, N, 3.0), 0.5 * tools.power_law(basis, N, 2.5)])


def assert_unit_mean_square(fields):
    """Within five standard errors, estimated from the independent samples themselves."""
    square = fields.square().mean((-2, -1))
    error = square.std(0) / math.sqrt(len(square))
    assert ((square.mean(0) - 1).abs() < 5 * error).all()
    assert (error < 0.1).all()
