"""Exact conditional expectations against densities, integrals and what networks would give."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from fsdiff.diffusion.exact import STANDARD_NORMAL, ExactDenoiser, gaussian, mixture, point_set
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck, VariancePreserving
from fsdiff.measures.manifolds import Line, Parabola, Points
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.parts import build, kinds
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 5
PROCESSES = {"vp": VariancePreserving(), "heat": StochasticHeat(length=0.2)}
BASES = {"cosine": CosineBasis(1), "fourier": FourierBasis(1), "square": CosineBasis(2)}


def law_of_fields(basis):
    """Three components with different means, a covariance unlike that of the noise."""
    random = torch.Generator().manual_seed(0)
    shape = (3, 1, *(N,) * basis.dimension)
    means = torch.randn(shape, generator=random, dtype=torch.float64)
    covariance = Bessel(power=1.2)
    return mixture(basis, means, lambda n: covariance.eigenvalues(basis, n)[None])


def covariance_matrix(basis, variance):
    """Covariance of the nodes' values for mode variances v_k."""
    nodes = N**basis.dimension
    deltas = torch.eye(nodes, dtype=torch.float64).view(nodes, *(N,) * basis.dimension)
    return nodes * basis.multiply(deltas, variance).reshape(nodes, nodes)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
@pytest.mark.parametrize("t", [0.05, 0.4])
def test_score_is_the_gradient_of_the_log_density(basis, process, t):
    """S = Q ∇ log p_t; the gradient in L² is n^d times that in the nodes' values."""
    law, prior = law_of_fields(basis), Bessel()
    time, omega_squared = torch.tensor(t).double(), basis.omega_squared(N)
    m, r = process.mean_scale(time, omega_squared), process.noise_scale(time, omega_squared)
    noise = prior.eigenvalues(basis, N)
    matrix = covariance_matrix(basis, m**2 * law.covariance(N)[0] + r**2 * noise)
    x = law.sample(np.random.default_rng(1), 4, N).requires_grad_()
    centres = basis.multiply(law.means, m.expand(basis.coefficient_shape(N)))
    components = torch.distributions.MultivariateNormal(centres.flatten(1), matrix)
    log_density = torch.logsumexp(components.log_prob(x.flatten(1)[:, None]), dim=1)
    gradient = torch.autograd.grad(log_density.sum(), x)[0] * N**basis.dimension
    found = ExactDenoiser(law, noise=prior, process=process)(x.detach(), time.view(1)).score
    torch.testing.assert_close(found, prior.apply(gradient, basis), rtol=1e-8, atol=1e-8)


def normal(z):
    return np.exp(-0.5 * z**2)


@pytest.mark.parametrize("t", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("x", [(1.0, -0.1), (0.2, 0.7)])
@pytest.mark.parametrize("law", [Line(), Parabola()], ids=["line", "parabola"])
def test_expectation_on_a_curve_is_an_integral(law, x, t):
    """E[X_0|x] = ∫ y(s) φ(s) exp(−|x − m y(s)|²/2r²) ds over the same without y."""
    m, r = np.exp(-t / 2), np.sqrt(1 - np.exp(-t))
    height = (lambda s: 0.0) if law.kind == "line" else np.square

    def posterior(s):
        return normal(s) * normal((x[0] - m * s) / r) * normal((x[1] - m * height(s)) / r)

    def integral(f):
        at = np.linspace(-8, 8, 161)
        pieces = pairwise(at)
        return sum(quad(lambda s: f(s) * posterior(s), a, b)[0] for a, b in pieces)

    total = integral(lambda s: 1.0)
    expected = [integral(lambda s: s) / total, integral(height) / total]
    exact = ExactDenoiser(law.mixture(), noise=STANDARD_NORMAL, process=OrnsteinUhlenbeck())
    point = torch.tensor(x, dtype=torch.float64)[None, :, None]
    found = exact(point, torch.tensor([t], dtype=torch.float64)).data
    assert found[0, :, 0].numpy() == pytest.approx(expected, rel=3e-5, abs=1e-9)


@pytest.mark.parametrize("t", [1e-4, 0.1, 10.0])
def test_expectation_of_points_is_their_weighted_mean(t):
    """Weights softmax(−|x − m y_i|²/2r²), Lu, Wang & Bal, eq. (64); also with unequal weights."""
    points = torch.tensor([[-1.0, 0.0], [0.5, 0.8], [0.3, -1.0]], dtype=torch.float64)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    exact = ExactDenoiser(
        point_set(points, weights), noise=STANDARD_NORMAL, process=OrnsteinUhlenbeck()
    )
    x = torch.tensor([[0.1, 0.2], [-2.0, 1.0]], dtype=torch.float64)
    m, squared = np.exp(-t / 2), 1 - np.exp(-t)
    distance = (x[:, None] - m * points).square().sum(2)
    posterior = torch.softmax(weights.log() - distance / (2 * squared), dim=1)
    estimate = exact(x[..., None], torch.tensor([t], dtype=torch.float64))
    torch.testing.assert_close(estimate.data[..., 0], posterior @ points, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        estimate.score[..., 0], (m * posterior @ points - x) / squared, rtol=1e-9, atol=1e-9
    )


def test_gaussian_data_are_denoised_by_the_wiener_filter(basis, tools):
    """A network that predicts nothing beside the Wiener filter is exact for Gaussian data."""
    covariance = Bessel(power=1.0)
    spectrum = covariance.eigenvalues(basis, 8)[None]
    network = tools.make_denoiser(basis, 8, spectrum=spectrum, prior=Bessel())
    law = gaussian(basis, covariance)
    exact = ExactDenoiser(law, noise=Bessel(), process=VariancePreserving())
    x = law.sample(np.random.default_rng(0), 3, 8)
    t = torch.tensor([0.01, 0.3, 0.9], dtype=torch.float64)
    ours, theirs = exact(x, t), network(x, t)
    for name in ("data", "noise", "score", "velocity"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))


def test_samples_have_the_moments_of_the_law(basis):
    law = law_of_fields(basis) if basis.kind == "cosine" else gaussian(basis, Bessel())
    fields = law.sample(np.random.default_rng(2), 4000, N)
    energy = basis.forward(fields).abs().square()
    error = energy.mean(0) - law.spectrum(N)
    scores = error / (energy.std(0) / 4000**0.5).clamp_min(1e-12)
    assert float(scores[0][basis.resolved(N)].abs().max()) < 5


def test_on_a_coarser_grid_it_is_the_law_of_the_restricted_fields(basis):
    law = gaussian(basis, Bessel())
    fine = mixture(basis, basis.prolong(law_of_fields(basis).means, 16), law.covariance)
    a, b = (fine.sample(np.random.default_rng(3), 1, n) for n in (16, 7))
    torch.testing.assert_close(basis.restrict(a, 7), b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_estimates_have_the_precision_of_the_state(dtype):
    exact = ExactDenoiser(
        Points(points=((0.0, 1.0),)).mixture(), noise=STANDARD_NORMAL, process=OrnsteinUhlenbeck()
    )
    estimate = exact(torch.ones((3, 2, 1), dtype=dtype), torch.ones(1, dtype=dtype))
    for name in ("data", "noise", "score", "velocity"):
        assert getattr(estimate, name).dtype == dtype


# One does not end at an estimate of the data.
ENDING = [kind for kind in kinds("sampler") if kind != "annealed_langevin_published"]


@pytest.mark.parametrize("kind", ENDING)
def test_every_sampler_takes_an_exact_denoiser(kind):
    """The last estimate of the data lies between the two points."""
    law = Points(points=((-1.0, -1.0), (1.0, 1.0))).mixture()
    exact = ExactDenoiser(law, noise=STANDARD_NORMAL, process=VariancePreserving())
    sampler = build("sampler", {"kind": kind})
    fields = sampler(exact, 1, range(2), 0).fields
    assert fields.shape == (2, 2, 1)
    torch.testing.assert_close(fields[:, 0], fields[:, 1], rtol=0, atol=1e-4)


def test_many_fields_at_once_are_worked_on_in_blocks(monkeypatch):
    """The same expectations, up to rounding, at one time for all and at a time for each."""
    exact = Parabola(nodes=200).exact(OrnsteinUhlenbeck())
    x = torch.randn((50, 2, 1), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.tensor([0.1], dtype=torch.float64)
    whole = [exact(x, times).data for times in (t, t.expand(50))]
    monkeypatch.setattr("fsdiff.diffusion.exact.CACHED", 1500)
    torch.testing.assert_close(exact(x, t).data, whole[0])
    torch.testing.assert_close(whole[1], whole[0])
