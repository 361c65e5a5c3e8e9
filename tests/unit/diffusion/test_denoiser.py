"""The denoiser: exact for Gaussian data, estimates that follow from one another, the loss."""

import pytest
import torch
from torch import nn

from fsdiff.diffusion.predictions import Data, Noise, Preconditioned, Score, Velocity, Wiener
from fsdiff.diffusion.time_sampling import LogSignalToNoise, Spectral, Uniform
from fsdiff.measures.priors import Bessel, Laplacian
from fsdiff.spaces.bases import FourierBasis

N = 12
TIMES = torch.tensor([0.02, 0.3, 0.6, 1.0], dtype=torch.float64)


# Estimates


def test_gaussian_data_leave_nothing_to_learn(basis, process, tools):
    """With a network that returns zero every estimate is the exact conditional expectation."""
    denoiser = tools.make_denoiser(basis, N, process=process)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    c, eigenvalue = tools.power_law(basis, N), Bessel().eigenvalues(basis, N)
    v = m**2 * c + r**2 * eigenvalue
    v = torch.where(v > 0, v, 1.0)
    x = tools.gaussian_field(basis, c + eigenvalue, 4, seed=0)
    estimate = denoiser(x, TIMES)
    tools.close(estimate.data, tools.multiply(basis, m * c / v, x))
    tools.close(estimate.noise, tools.multiply(basis, r * eigenvalue / v, x))
    tools.close(estimate.score, tools.multiply(basis, -eigenvalue / v, x))
    # Rates of the scales in closed form: dB/dt = β, and a = 1 + length²|ω|² for the heat equation.
    beta, a = 0.1 + 19.9 * time, 1 + getattr(process, "length", 0) ** 2 * omega_squared
    m_rate, r_rate = -0.5 * beta * a * m, 0.5 * beta * m**2 / r
    tools.close(
        estimate.velocity, tools.multiply(basis, (m_rate * m * c + r_rate * r * eigenvalue) / v, x)
    )


def test_estimates_are_consistent_whatever_the_network_says(basis, process, tools, prediction):
    """Tweedie, and the probability flow v = fX − ½g²S, for an arbitrary output."""
    c = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    output = tools.gaussian_field(basis, c, 4, seed=3)
    denoiser = tools.make_denoiser(
        basis, N, tools.Fixed(output), process=process, prediction=prediction, spectrum=c
    )
    x = tools.gaussian_field(basis, c + Bessel().eigenvalues(basis, N), 4, seed=0)
    estimate = denoiser(x, TIMES)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    sum_of_parts = tools.multiply(basis, m, estimate.data) + tools.multiply(
        basis, r, estimate.noise
    )
    tools.close(sum_of_parts, x)
    tools.close(estimate.score, tools.multiply(basis, -1 / r, estimate.noise))
    f, g = process.drift(time, omega_squared), process.diffusion(time, omega_squared)
    flow = tools.multiply(basis, f, x) - tools.multiply(basis, 0.5 * g**2, estimate.score)
    tools.close(estimate.velocity, flow)


def test_a_mode_without_noise_is_known_exactly(basis, tools):
    """λ_0 = 0 for the Laplacian prior: the mean of X_t is m times that of X_0."""
    denoiser = tools.make_denoiser(basis, N, prior=Laplacian())
    data = tools.gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    marginal = denoiser.law.marginal(TIMES, N)
    noise = tools.gaussian_field(basis, Laplacian().eigenvalues(basis, N)[None], 4, seed=1)
    x = marginal.mean_scale * data + marginal.noise_scale * noise
    estimate = denoiser(x, TIMES)
    tools.close(estimate.data.mean((-2, -1)), data.mean((-2, -1)))
    tools.close(estimate.noise.mean((-2, -1)), torch.zeros(4, 1, dtype=torch.float64))


def test_the_network_is_given_its_input_and_the_noise_level(basis, tools):
    """The second argument is ln(r/m) of the lowest mode."""
    x = tools.gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    network = tools.Fixed(torch.zeros_like(x))
    denoiser = tools.make_denoiser(basis, N, network)
    denoiser(x, TIMES)
    total = 0.1 * TIMES + 0.5 * 19.9 * TIMES**2
    tools.close(network.level, 0.5 * (torch.expm1(-total).neg().log() + total))
    tools.close(network.seen, denoiser.prediction.network_input(x, denoiser.law.marginal(TIMES, N)))


def test_single_precision_agrees_with_double(basis, process, tools):
    denoiser = tools.make_denoiser(basis, N, process=process)
    x = tools.gaussian_field(basis, tools.power_law(basis, N), 4, seed=0)
    single, double = denoiser(x.float(), TIMES.float()), denoiser(x, TIMES)
    # Rounding errors of x, 1e-6 of its size after two transforms, are divided by r to give the
    # noise, once more by r for the score, and multiplied by r' ~ 1/r for the velocity.
    r = float(process.noise_scale(TIMES[0], basis.omega_squared(N)).min())
    for part, power in (("data", 0), ("noise", 1), ("score", 2), ("velocity", 2)):
        found, expected = getattr(single, part), getattr(double, part)
        assert found.dtype == torch.float32
        bound = 2e-6 * float(x.abs().max()) / r**power
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=bound)


def unit(prediction, marginal):
    """The square of the unit of output, s², which grows with the modes that there are."""
    if isinstance(prediction, Preconditioned):
        pytest.skip("its multiple of x depends on the variance of x, which grows too")
    if isinstance(prediction, Wiener):
        return marginal.wiener_residual
    return torch.ones_like(marginal.total_variance)


def test_estimates_are_the_same_functions_on_finer_grids(basis, tools, prediction):
    """Second moments known on the coarse grid only, a network that sees nothing beyond it."""
    c = tools.power_law(basis, 9)
    x = tools.gaussian_field(basis, c, 4, seed=0)
    output = tools.gaussian_field(basis, c, 4, seed=1)
    parts = {"prediction": prediction, "spectrum": c, "spectrum_resolution": 9}
    coarse = tools.make_denoiser(basis, network=tools.Fixed(output), **parts)
    fine = tools.make_denoiser(basis, network=tools.Fixed(basis.prolong(output, 15)), **parts)
    s = [unit(prediction, d.law.marginal(TIMES, n)) for d, n in ((coarse, 9), (fine, 15))]
    fine.network.output = fine.network.output * (s[0] / s[1]).sqrt()
    found, expected = fine(basis.prolong(x, 15), TIMES), coarse(x, TIMES)
    tools.close(found.data, basis.prolong(expected.data, 15))
    tools.close(found.noise, basis.prolong(expected.noise, 15))


def test_one_time_stands_for_a_batch(basis, process, prediction, tools):
    denoiser = tools.ideal_denoiser(basis, N, process=process, prediction=prediction)
    x = tools.gaussian_field(basis, tools.power_law(basis, N), 3, seed=0)
    one = denoiser(x, TIMES[1:2])
    marginal = denoiser.law.marginal(TIMES[1:2], N)
    assert denoiser.estimate(x, marginal).marginal is marginal
    many = denoiser(x, TIMES[1].expand(3))
    tools.close(one.data, many.data)
    tools.close(one.noise, many.noise)
    tools.close(one.velocity, many.velocity)


# The loss


def test_loss_is_the_formula(basis, process, tools, prediction):
    c = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    output = tools.gaussian_field(basis, c, 4, seed=3)
    denoiser = tools.make_denoiser(
        basis, N, tools.Fixed(output), process=process, prediction=prediction, spectrum=c
    )
    eigenvalue = Bessel().eigenvalues(basis, N)
    data = tools.gaussian_field(basis, c, 4, seed=4)
    noise = tools.gaussian_field(basis, eigenvalue.expand(2, -1, -1), 4, seed=5)
    time, omega_squared = TIMES.view(-1, 1, 1, 1), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    x = tools.multiply(basis, m, data) + tools.multiply(basis, r, noise)
    multiply = tools.multiply
    if isinstance(prediction, Noise):
        error = output - noise
    elif isinstance(prediction, Score):
        covariance = eigenvalue if prediction.apply_covariance else 1
        error = multiply(basis, r * covariance, output) + noise
    elif isinstance(prediction, Data):
        error = (m / r)[..., :1, :1].clamp_max(5.0) * (output - data)
    elif isinstance(prediction, Velocity):
        m_rate, r_rate = (
            process.mean_rate(time, omega_squared),
            process.noise_rate(time, omega_squared),
        )
        error = output - multiply(basis, m_rate, data) - multiply(basis, r_rate, noise)
    else:
        v = m**2 * c + r**2 * eigenvalue
        gain = torch.where(v > 0, m * c / v.clamp_min(1e-300), 0.0)
        left = torch.where(v > 0, c * r**2 * eigenvalue / v.clamp_min(1e-300), 0.0)
        if isinstance(prediction, Preconditioned):
            gain = total(basis, m * c) / total(basis, v) * torch.ones_like(v)
            left = c - gain * m * c
        error = output - (data - multiply(basis, gain, x)) / total(basis, left).sqrt()
    expected = error.square().sum((1, 2, 3)) / N**2
    tools.close(tools.make_loss(denoiser).at(data, TIMES, noise), expected)


def total(basis, spectrum):
    return (basis.multiplicity(N) * spectrum).sum((-2, -1), keepdim=True)


class Scaled(nn.Module):
    """The output of a network times a factor."""

    def __init__(self, network):
        super().__init__()
        self.network, self.factor = network, 1.0

    def forward(self, x, t):
        return self.factor * self.network(x, t)


class Identity(nn.Module):
    """Returns what it is given."""

    def forward(self, x, t):
        return x


def losses(denoiser, basis, tools, t, factors):
    """Losses of 3000 samples of Gaussian data, for each factor times the network's output."""
    eigenvalue = denoiser.law.noise.eigenvalues(basis, N)[None]
    data = tools.gaussian_field(basis, tools.power_law(basis, N), 3000, seed=0)
    noise = tools.gaussian_field(basis, eigenvalue, 3000, seed=1)
    denoiser.network = scaled = Scaled(denoiser.network)
    found = []
    for scaled.factor in factors:
        found.append(
            tools.make_loss(denoiser).at(data, torch.full((3000,), t, dtype=torch.float64), noise)
        )
    return found


def assert_zero_mean(numbers):
    """Within five standard errors."""
    assert abs(float(numbers.mean())) < 5 * float(numbers.std()) / len(numbers) ** 0.5


@pytest.mark.parametrize("t", [0.15, 0.5])
def test_the_exact_output_minimises_the_loss(basis, tools, prediction, t):
    """The loss of (1 + δ) times the exact output is least, and stationary, at δ = 0."""
    if isinstance(prediction, Wiener):
        pytest.skip("the exact output is zero")
    denoiser = tools.ideal_denoiser(basis, N, prediction=prediction)
    less, exact, more = losses(denoiser, basis, tools, t, (0.8, 1.0, 1.2))
    assert_zero_mean(more - less)
    assert float(less.mean()) > float(exact.mean()) < float(more.mean())


@pytest.mark.parametrize("t", [0.15, 0.5])
def test_zero_minimises_the_wiener_loss_of_gaussian_data(basis, tools, t):
    """An output F that is any function of x raises the loss by ‖F‖²: here F = δ·input, unit."""
    denoiser = tools.make_denoiser(basis, N, Identity())
    less, exact, more = losses(denoiser, basis, tools, t, (-0.2, 0.0, 0.2))
    assert_zero_mean(more - less)
    assert float((less + more - 2 * exact).mean()) == pytest.approx(2 * 0.2**2, rel=0.1)


def test_loss_of_band_limited_fields_does_not_depend_on_the_grid(basis, tools, prediction):
    c = tools.power_law(basis, 9)
    data = tools.gaussian_field(basis, c, 4, seed=0)
    noise = tools.gaussian_field(basis, Bessel().eigenvalues(basis, 9)[None], 4, seed=1)
    denoiser = tools.make_denoiser(basis, prediction=prediction, spectrum=c, spectrum_resolution=9)
    coarse = tools.make_loss(denoiser).at(data, TIMES, noise)
    fine = tools.make_loss(denoiser).at(basis.prolong(data, 20), TIMES, basis.prolong(noise, 20))
    s = [unit(prediction, denoiser.law.marginal(TIMES, n)).flatten() for n in (9, 20)]
    tools.close(fine * s[1], coarse * s[0])


def test_loss_draws_from_its_generator_only(basis, tools):
    denoiser = tools.make_denoiser(basis, N)
    data = tools.gaussian_field(basis, tools.power_law(basis, N), 6, seed=0).float()

    def loss(seed):
        return tools.make_loss(denoiser)(data, torch.Generator().manual_seed(seed))

    torch.manual_seed(1)
    first, state = loss(0), torch.get_rng_state()
    torch.manual_seed(2)
    assert loss(0).equal(first)
    torch.manual_seed(1)
    assert torch.get_rng_state().equal(state)
    assert not loss(1).equal(first)
    assert first.shape == (6,)


@pytest.mark.parametrize("sampling", [Uniform(), LogSignalToNoise(), Spectral()])
def test_times_of_a_batch_are_stratified(tools, sampling):
    """One time in each of ``batch`` equally likely intervals."""
    basis, count = FourierBasis(2), 16
    data = torch.zeros(count, 1, N, N, dtype=torch.float64)
    network = tools.Fixed(torch.zeros_like(data))
    denoiser = tools.make_denoiser(basis, N, network)
    loss = tools.make_loss(denoiser, sampling)
    edges = loss.times(torch.arange(count + 1, dtype=torch.float64) / count)
    for seed in range(5):
        loss(data, torch.Generator().manual_seed(seed))
        level = network.level.sort().values
        bounds = denoiser.law.process.half_log_signal_to_noise(edges).neg().sort().values
        assert (level >= bounds[:-1] - 1e-9).all()
        assert (level <= bounds[1:] + 1e-9).all()


def test_mean_loss_of_gaussian_data_is_one(basis, tools):
    """The Wiener target has unit variance at every time and the network says zero."""
    denoiser = tools.make_denoiser(basis, N)
    data = tools.gaussian_field(basis, tools.power_law(basis, N), 2000, seed=0)
    loss = tools.make_loss(denoiser)(data, torch.Generator().manual_seed(0))
    assert abs(float(loss.mean()) - 1) < 5 * float(loss.std()) / 2000**0.5


def test_coloured_noise_has_the_priors_covariance_exactly(basis, tools):
    denoiser = tools.make_denoiser(basis, N)
    nodes = torch.eye(N * N, dtype=torch.float64).view(N * N, 1, N, N)
    linear = denoiser.law.colour(nodes).view(N * N, N * N)
    expected = N**2 * Bessel().apply(nodes, basis).view(N * N, N * N)
    tools.close(linear.T @ linear, expected)


def test_gradients_reach_the_network(basis, tools):
    network = nn.Conv2d(1, 1, 1)
    wrapped = nn.Module()
    wrapped.conv = network
    wrapped.forward = lambda x, t: network(x)
    denoiser = tools.make_denoiser(basis, N, wrapped)
    data = tools.gaussian_field(basis, tools.power_law(basis, N), 4, seed=0).float()
    tools.make_loss(denoiser)(data, torch.Generator().manual_seed(0)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
