"""The denoiser: exact for Gaussian data, estimates that follow from one another, the loss."""

import numpy as np
import pytest
import torch
from torch import nn

from fsdiff.bases import FourierBasis
from fsdiff.predictions import Data, Noise, Score, Wiener
from fsdiff.priors import Bessel, Laplacian
from fsdiff.processes import VariancePreserving
from fsdiff.time_sampling import LogSignalToNoise, Uniform

N = 12
TIMES = torch.tensor([0.02, 0.3, 0.6, 1.0], dtype=torch.float64)
PREDICTIONS = [Noise(), Score(), Score(apply_covariance=True), Data(), Wiener()]


def name(prediction):
    covariance = getattr(prediction, "apply_covariance", False)
    return type(prediction).__name__ + ("-covariance" if covariance else "")


@pytest.fixture(params=["vp", "heat"])
def process(request, tools):
    return VariancePreserving() if request.param == "vp" else tools.Heat()


def gaussian_field(basis, spectrum, count, seed, n=N):
    normals = np.random.default_rng(seed).standard_normal((count, len(spectrum), n * n))
    return basis.inverse(basis.white_noise(normals, n) * spectrum.sqrt(), n)


def multiply(basis, symbol, u):
    return basis.inverse(symbol * basis.forward(u), u.shape[-1])


def close(a, b, rtol=1e-8, atol=1e-10):
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


# Estimates


def test_gaussian_data_leave_nothing_to_learn(basis, process, tools):
    """With a network that returns zero every estimate is the exact conditional expectation."""
    denoiser = tools.make_denoiser(basis, N, process=process)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    c, eigenvalue = tools.power_law(basis, N), Bessel().eigenvalues(basis, N)
    v = m**2 * c + r**2 * eigenvalue
    v = torch.where(v > 0, v, 1.0)
    x = gaussian_field(basis, c + eigenvalue, 4, seed=0)
    estimate = denoiser(x, TIMES)
    close(estimate.data, multiply(basis, m * c / v, x))
    close(estimate.noise, multiply(basis, r * eigenvalue / v, x))
    close(estimate.score, multiply(basis, -eigenvalue / v, x))
    # Rates of the scales: those of VP in closed form, dB/dt = β with a = 1; heat as documented.
    beta, a = 0.1 + 19.9 * time, getattr(process, "rate", lambda w: 1 + 0 * w)(omega_squared)
    m_rate, r_rate = -0.5 * beta * a * m, 0.5 * beta * m**2 / r
    close(estimate.velocity, multiply(basis, (m_rate * m * c + r_rate * r * eigenvalue) / v, x))


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_estimates_are_consistent_whatever_the_network_says(basis, process, tools, prediction):
    """Tweedie, and the probability flow v = fX − ½g²S, for an arbitrary output."""
    c = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    output = gaussian_field(basis, c, 4, seed=3)
    denoiser = tools.make_denoiser(
        basis, N, tools.Fixed(output), process=process, prediction=prediction, spectrum=c
    )
    x = gaussian_field(basis, c + Bessel().eigenvalues(basis, N), 4, seed=0)
    estimate = denoiser(x, TIMES)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    sum_of_parts = multiply(basis, m, estimate.data) + multiply(basis, r, estimate.noise)
    close(sum_of_parts, x)
    close(estimate.score, multiply(basis, -1 / r, estimate.noise))
    f, g = process.drift(time, omega_squared), process.diffusion(time, omega_squared)
    flow = multiply(basis, f, x) - multiply(basis, 0.5 * g**2, estimate.score)
    close(estimate.velocity, flow)


def test_a_mode_without_noise_is_known_exactly(basis, tools):
    """λ_0 = 0 for the Laplacian prior: the mean of X_t is m times that of X_0."""
    denoiser = tools.make_denoiser(basis, N, prior=Laplacian())
    data = gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    marginal = denoiser.marginal(TIMES, N)
    noise = gaussian_field(basis, Laplacian().eigenvalues(basis, N)[None], 4, seed=1)
    x = marginal.mean_scale * data + marginal.noise_scale * noise
    estimate = denoiser(x, TIMES)
    close(estimate.data.mean((-2, -1)), data.mean((-2, -1)))
    close(estimate.noise.mean((-2, -1)), torch.zeros(4, 1, dtype=torch.float64))


def test_the_network_is_given_its_input_and_the_noise_level(basis, tools):
    """The second argument is ln(r/m) of the lowest mode."""
    x = gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    network = tools.Fixed(torch.zeros_like(x))
    denoiser = tools.make_denoiser(basis, N, network)
    denoiser(x, TIMES)
    total = 0.1 * TIMES + 0.5 * 19.9 * TIMES**2
    close(network.level, 0.5 * (torch.expm1(-total).neg().log() + total))
    close(network.seen, denoiser.prediction.network_input(x, denoiser.marginal(TIMES, N)))


def test_single_precision_agrees_with_double(basis, process, tools):
    denoiser = tools.make_denoiser(basis, N, process=process)
    x = gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    single, double = denoiser(x.float(), TIMES.float()), denoiser(x, TIMES)
    # Rounding errors of x, 1e-6 of its size after two transforms, are divided by r to give the
    # noise, once more by r for the score, and multiplied by r' ~ 1/r for the velocity.
    r = float(process.noise_scale(TIMES[0], basis.omega_squared(N)).min())
    for part, power in (("data", 0), ("noise", 1), ("score", 2), ("velocity", 2)):
        found, expected = getattr(single, part), getattr(double, part)
        assert found.dtype == torch.float32
        bound = 2e-6 * float(x.abs().max()) / r**power
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=bound)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_estimates_are_the_same_functions_on_finer_grids(basis, tools, prediction):
    """Second moments known on the coarse grid only, a network that sees nothing beyond it."""
    c = tools.power_law(basis, 9)
    x = gaussian_field(basis, c, 4, seed=0, n=9)
    output = gaussian_field(basis, c, 4, seed=1, n=9)
    parts = {"prediction": prediction, "spectrum": c, "spectrum_resolution": 9}
    coarse = tools.make_denoiser(basis, network=tools.Fixed(output), **parts)
    fine = tools.make_denoiser(basis, network=tools.Fixed(basis.prolong(output, 15)), **parts)
    if isinstance(prediction, Wiener):  # its unit of output, s, grows with the modes there are
        s = [d.marginal(TIMES, n).wiener_residual for d, n in ((coarse, 9), (fine, 15))]
        fine.network.output = fine.network.output * (s[0] / s[1]).sqrt()
    found, expected = fine(basis.prolong(x, 15), TIMES), coarse(x, TIMES)
    close(found.data, basis.prolong(expected.data, 15))
    close(found.noise, basis.prolong(expected.noise, 15))


# The loss


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_loss_is_the_formula(basis, process, tools, prediction):
    c = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    output = gaussian_field(basis, c, 4, seed=3)
    denoiser = tools.make_denoiser(
        basis, N, tools.Fixed(output), process=process, prediction=prediction, spectrum=c
    )
    eigenvalue = Bessel().eigenvalues(basis, N)
    data = gaussian_field(basis, c, 4, seed=4)
    noise = gaussian_field(basis, eigenvalue.expand(2, -1, -1), 4, seed=5)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    x = multiply(basis, m, data) + multiply(basis, r, noise)
    if isinstance(prediction, Noise):
        error = output - noise
    elif isinstance(prediction, Score):
        covariance = eigenvalue if prediction.apply_covariance else 1
        error = multiply(basis, r * covariance, output) + noise
    elif isinstance(prediction, Data):
        error = (m / r)[..., :1, :1].clamp_max(5.0) * (output - data)
    else:
        v = m**2 * c + r**2 * eigenvalue
        gain = torch.where(v > 0, m * c / v.clamp_min(1e-300), 0.0)
        left = torch.where(v > 0, c * r**2 * eigenvalue / v.clamp_min(1e-300), 0.0)
        s = (basis.multiplicity(N) * left).sum((-2, -1), keepdim=True).sqrt()
        error = output - (data - multiply(basis, gain, x)) / s
    expected = error.square().sum((1, 2, 3)) / N**2
    close(denoiser.loss_at(data, TIMES, noise), expected)


class Gain(nn.Module):
    """A symbol over modes, times a factor, applied to what the network sees."""

    def __init__(self, basis, symbol):
        super().__init__()
        self.basis, self.symbol, self.factor = basis, symbol, 1.0

    def forward(self, x, t):
        return self.factor * multiply(self.basis, self.symbol, x)


@pytest.mark.parametrize("prediction", PREDICTIONS[:4], ids=name)
@pytest.mark.parametrize("t", [0.15, 0.5])
def test_the_exact_output_minimises_the_loss(basis, tools, prediction, t):
    """Scaling the exact output F by 1 ± δ raises the loss by δ²E‖F‖², in the loss's own norm."""
    count, delta = 3000, 0.2
    c, eigenvalue = tools.power_law(basis, N), Bessel().eigenvalues(basis, N)[None]
    time = torch.tensor(t, dtype=torch.float64)
    m = float(VariancePreserving().mean_scale(time, time))
    r = float(VariancePreserving().noise_scale(time, time))
    v = m**2 * c + r**2 * eigenvalue
    inverse = torch.where(v > 0, 1 / v.clamp_min(1e-300), 0.0)
    symbol = {
        "Noise": r * eigenvalue * inverse,
        "Score": -eigenvalue * inverse,
        "Score-covariance": -inverse,
        "Data": m * c * inverse,
    }[name(prediction)]
    # Mean square of the part of the loss's residual that is linear in the output.
    weight = {"Noise": 1, "Score": r, "Score-covariance": r * eigenvalue, "Data": min(m / r, 5.0)}
    output = (weight[name(prediction)] * symbol) ** 2 * v
    size = float((basis.multiplicity(N) * output).sum())
    seen = float((basis.multiplicity(N) * v).sum())
    network = Gain(basis, symbol * seen**0.5)  # the network sees x/√E‖x‖²
    denoiser = tools.make_denoiser(basis, N, network, prediction=prediction)
    data, noise = gaussian_field(basis, c, count, 0), gaussian_field(basis, eigenvalue, count, 1)
    times = torch.full((count,), t, dtype=torch.float64)
    losses = {}
    for network.factor in (1 - delta, 1.0, 1 + delta):
        losses[network.factor] = denoiser.loss_at(data, times, noise)
    for factor in (1 - delta, 1 + delta):
        excess = losses[factor] - losses[1.0]
        error = float(excess.std()) / count**0.5
        assert abs(float(excess.mean()) - delta**2 * size) < 5 * error
    both = losses[1 - delta] + losses[1 + delta] - 2 * losses[1.0]
    assert float(both.mean()) == pytest.approx(2 * delta**2 * size, rel=0.1)


@pytest.mark.parametrize("t", [0.15, 0.5])
def test_zero_minimises_the_wiener_loss_of_gaussian_data(basis, tools, t):
    """An output F that is any function of x raises the loss by ‖F‖²: here F = δ·input, unit."""
    count, delta = 3000, 0.2
    c, eigenvalue = tools.power_law(basis, N), Bessel().eigenvalues(basis, N)[None]
    network = Gain(basis, torch.ones_like(c))
    denoiser = tools.make_denoiser(basis, N, network)
    data, noise = gaussian_field(basis, c, count, 0), gaussian_field(basis, eigenvalue, count, 1)
    times = torch.full((count,), t, dtype=torch.float64)
    losses = {}
    for network.factor in (-delta, 0.0, delta):
        losses[network.factor] = denoiser.loss_at(data, times, noise)
    for factor in (-delta, delta):
        excess = losses[factor] - losses[0.0]
        error = float(excess.std()) / count**0.5
        assert abs(float(excess.mean()) - delta**2) < 5 * error
    both = losses[-delta] + losses[delta] - 2 * losses[0.0]
    assert float(both.mean()) == pytest.approx(2 * delta**2, rel=0.1)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_loss_of_band_limited_fields_does_not_depend_on_the_grid(basis, tools, prediction):
    c = tools.power_law(basis, 9)
    data = gaussian_field(basis, c, 4, seed=0, n=9)
    noise = gaussian_field(basis, Bessel().eigenvalues(basis, 9)[None], 4, seed=1, n=9)
    denoiser = tools.make_denoiser(basis, prediction=prediction, spectrum=c, spectrum_resolution=9)
    coarse = denoiser.loss_at(data, TIMES, noise)
    fine = denoiser.loss_at(basis.prolong(data, 20), TIMES, basis.prolong(noise, 20))
    if isinstance(prediction, Wiener):  # measured in units of s², which holds all modes there are
        s = [denoiser.marginal(TIMES, n).wiener_residual.flatten() for n in (9, 20)]
        coarse, fine = coarse * s[0], fine * s[1]
    close(fine, coarse)


def test_loss_draws_from_its_generator_only(basis, tools):
    denoiser = tools.make_denoiser(basis, N)
    data = gaussian_field(basis, tools.power_law(basis, N), 6, seed=0).float()

    def loss(seed):
        return denoiser.loss(data, torch.Generator().manual_seed(seed))

    torch.manual_seed(1)
    first, state = loss(0), torch.get_rng_state()
    torch.manual_seed(2)
    assert loss(0).equal(first)
    torch.manual_seed(1)
    assert torch.get_rng_state().equal(state)
    assert not loss(1).equal(first)
    assert first.shape == (6,)


@pytest.mark.parametrize("sampling", [Uniform(), LogSignalToNoise()])
def test_times_of_a_batch_are_stratified(tools, sampling):
    """One time in each of ``batch`` equally likely intervals."""
    basis, count = FourierBasis(2), 16
    data = torch.zeros(count, 1, N, N, dtype=torch.float64)
    network = tools.Fixed(torch.zeros_like(data))
    denoiser = tools.make_denoiser(basis, N, network, time_sampling=sampling)
    edges = denoiser.times(torch.arange(count + 1, dtype=torch.float64) / count)
    for seed in range(5):
        denoiser.loss(data, torch.Generator().manual_seed(seed))
        level = network.level.sort().values
        bounds = denoiser.process.log_signal_to_noise(edges).neg().sort().values
        assert (level >= bounds[:-1] - 1e-9).all()
        assert (level <= bounds[1:] + 1e-9).all()


def test_mean_loss_of_gaussian_data_is_one(basis, tools):
    """The Wiener target has unit variance at every time and the network says zero."""
    denoiser = tools.make_denoiser(basis, N)
    data = gaussian_field(basis, tools.power_law(basis, N), 2000, seed=0)
    loss = denoiser.loss(data, torch.Generator().manual_seed(0))
    assert abs(float(loss.mean()) - 1) < 5 * float(loss.std()) / 2000**0.5


def test_coloured_noise_has_the_priors_covariance_exactly(basis, tools):
    denoiser = tools.make_denoiser(basis, N)
    nodes = torch.eye(N * N, dtype=torch.float64).view(N * N, 1, N, N)
    linear = denoiser.colour(nodes).view(N * N, N * N)
    expected = N**2 * Bessel().apply(nodes, basis).view(N * N, N * N)
    close(linear.T @ linear, expected)


def test_gradients_reach_the_network(basis, tools):
    network = nn.Conv2d(1, 1, 1)
    wrapped = nn.Module()
    wrapped.conv = network
    wrapped.forward = lambda x, t: network(x)
    denoiser = tools.make_denoiser(basis, N, wrapped)
    data = gaussian_field(basis, tools.power_law(basis, N), 4, seed=0).float()
    denoiser.loss(data, torch.Generator().manual_seed(0)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
