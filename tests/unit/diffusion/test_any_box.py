"""Laws, denoisers and samplers on intervals, rectangles, boxes and mixed axes, as on the square."""

import numpy as np
import pytest
import torch
from torch import nn

from fsdiff.analyses.runs import sample_variance
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Data, Wiener
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DDIM, AdaptiveHeun, DPMSolver, EulerMaruyama, Multilevel
from fsdiff.diffusion.time_sampling import Spectral, Uniform
from fsdiff.diffusion.validation import ValidationSet
from fsdiff.measures.priors import Bessel
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.spectrum import MeasuredSpectrum

N = 8
NOISE, DATA = Bessel(power=1.6, reference_resolution=N), Bessel(power=2.2, reference_resolution=N)
BASES = {
    "interval": CosineBasis(1),
    "circle": FourierBasis(1),
    "cube": SineBasis(3),
    "rectangle": Box(
        axes=(
            Axis(kind="periodic", name="y", nodes=6, side=0.75),
            Axis(kind="neumann", name="x", nodes=8),
        )
    ),
    "series": Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=3, side=0.5, held=True),
            Axis(kind="dirichlet", name="y", nodes=4, side=0.5),
            Axis(kind="periodic", name="x", nodes=8),
        )
    ),
}
TIMES = torch.tensor([0.05, 0.5, 0.9], dtype=torch.float64)


@pytest.fixture(params=BASES)
def basis(request):
    return BASES[request.param]


def make(basis, prediction=None, network=None, process=None, noise=NOISE, channels=1):
    spectrum = DATA.eigenvalues(basis, N).expand(channels, *basis.coefficient_shape(N))
    data = MeasuredSpectrum(spectrum, basis, N)
    law = Law(basis=basis, noise=noise, process=process or VariancePreserving(), data=data)
    return Denoiser(law, network or Nothing(), prediction or Wiener())


class Nothing(nn.Module):
    """Returns zero."""

    def forward(self, x, t):
        return torch.zeros_like(x)


def fields(basis, count=3, channels=1, seed=0):
    return DATA.sample(basis, N, range(count), seed, channels=channels)


@pytest.mark.parametrize("process", [VariancePreserving(), StochasticHeat(length=0.05)])
def test_gaussian_data_leave_nothing_to_learn(basis, process, tools):
    denoiser, x = make(basis, process=process), fields(basis)
    time = TIMES.view(-1, *[1] * (basis.dimension + 1))
    m, r = (f(time, basis.omega_squared(N)) for f in (process.mean_scale, process.noise_scale))
    c, eigenvalue = (law.eigenvalues(basis, N) for law in (DATA, NOISE))
    v = m**2 * c + r**2 * eigenvalue
    gain = torch.where(v > 0, m * c / v.clamp_min(1e-300), 0.0)
    tools.close(denoiser(x, TIMES).data, basis.multiply(x, gain))


def test_coloured_noise_has_the_covariance_of_the_prior(basis, tools):
    size = basis.size(N)
    nodes = torch.eye(size, dtype=torch.float64).view(size, 1, *basis.grid(N))
    linear = make(basis).law.colour(nodes).reshape(size, size)
    tools.close(linear.T @ linear, size * NOISE.apply(nodes, basis).reshape(size, size))


def test_mean_loss_of_gaussian_data_is_one(basis):
    loss = DenoisingLoss(make(basis), Spectral())(
        fields(basis, 1000), torch.Generator().manual_seed(0)
    )
    assert abs(float(loss.mean()) - 1) < 5 * float(loss.std()) / 1000**0.5


def test_validation_noise_is_the_same_function_at_every_level(basis):
    loss, fine = DenoisingLoss(make(basis), Uniform()), fields(basis)
    coarse = ValidationSet.of(loss, basis.restrict(fine, N // 2))
    restricted = basis.restrict(ValidationSet.of(loss, fine).noise, N // 2)
    torch.testing.assert_close(restricted, coarse.noise, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "sampler",
    [
        DDIM(steps=4),
        DPMSolver(steps=4, stochastic=True),
        EulerMaruyama(steps=40),
        AdaptiveHeun(tolerance=0.1),
    ],
    ids=lambda sampler: sampler.kind,
)
def test_samples_have_the_grid_of_the_level_and_cost_what_they_cost(basis, sampler):
    denoiser = make(basis)
    samples = sampler(denoiser, N, [3, 5], 1)
    assert samples.fields.shape == (2, 1, *basis.grid(N))
    assert samples.network_evaluations == samples.fine_evaluations(basis)
    alone = sampler(denoiser, N, [5], 1)
    assert alone.fields.equal(samples.fields[1:])


def test_samples_of_gaussian_data_have_their_spectrum(basis):
    """Mode by mode and free of sampling error, with the exact denoiser."""
    exact = ExactDenoiser(gaussian(basis, DATA), noise=NOISE, process=VariancePreserving())
    variance, cost = sample_variance(DPMSolver(steps=60), exact, N)
    weights, expected = basis.multiplicity(N), DATA.eigenvalues(basis, N)
    assert cost == 60
    assert float((weights * (variance - expected).abs()).sum()) < 0.02


def test_exact_and_learned_estimates_agree_for_gaussian_data(basis, tools):
    exact = ExactDenoiser(gaussian(basis, DATA), noise=NOISE, process=VariancePreserving())
    x = fields(basis)
    tools.close(make(basis)(x, TIMES).data, exact(x, TIMES).data)


def test_a_multilevel_run_that_tolerates_nothing_is_that_of_the_fine_grid(basis):
    rough = Bessel(power=0.9, reference_resolution=N, allow_non_trace_class=True)
    denoiser, steps = make(basis, noise=rough), DPMSolver(steps=5)
    options = {"coarsest": 4, "sampler": steps}
    fine = steps(denoiser, N, [0, 1], 2, dtype=torch.float64)
    same = Multilevel(tolerance=0.0, **options)(denoiser, N, [0, 1], 2, dtype=torch.float64)
    torch.testing.assert_close(same.fields, fine.fields, rtol=0, atol=1e-10)
    coarse = Multilevel(tolerance=0.99, **options)(denoiser, N, [0], 2, dtype=torch.float64)
    (spent,) = coarse.evaluations
    assert spent[4] > 0
    expected = sum(number * basis.size(n) / basis.size(N) for n, number in spent.items())
    assert coarse.fine_evaluations(basis) == pytest.approx(expected)
    # Gaussian data lose nothing: modes beyond a coarse grid are drawn on the path of the fine run.
    torch.testing.assert_close(coarse.fields, fine.fields[:1], rtol=0, atol=0.15)


class OfChannels:
    """Noise that differs by channel."""

    kind = "of_channels"

    def __init__(self, *noises):
        self.noises = noises

    def eigenvalues(self, basis, n):
        return torch.stack([noise.eigenvalues(basis, n) for noise in self.noises])


@pytest.mark.parametrize("prediction", [Wiener(), Data()], ids=lambda item: item.kind)
def test_channels_with_noise_of_their_own_are_as_each_by_itself(basis, prediction, tools):
    other = Bessel(power=1.9, reference_resolution=N)
    both = make(basis, prediction, noise=OfChannels(NOISE, other), channels=2)
    x = fields(basis, channels=2)
    found = both(x, TIMES)
    sampled = DPMSolver(steps=3, stochastic=True)(both, N, [0], 0)
    assert sampled.fields.shape == (1, 2, *basis.grid(N))
    for channel, noise in enumerate((NOISE, other)):
        alone = make(basis, prediction, noise=noise)(x[:, channel : channel + 1], TIMES)
        tools.close(found.data[:, channel], alone.data[:, 0])
        tools.close(found.score[:, channel], alone.score[:, 0])
    losses = DenoisingLoss(both, Spectral())(x, torch.Generator().manual_seed(0))
    assert losses.isfinite().all()


class Told(nn.Module):
    """Returns its condition, times a factor."""

    def forward(self, x, t, condition):
        return condition


def test_a_condition_reaches_the_network_on_every_grid(basis):
    """Told the data, a network that predicts them has no loss, and samples are what it is told."""
    denoiser, data = make(basis, Data(), Told()), fields(basis, 4)
    data = basis.resample(data, N)  # what the grid resolves
    loss = DenoisingLoss(denoiser, Uniform())
    assert float(loss(data, torch.Generator().manual_seed(0), slice(1, 3), data).abs().max()) == 0
    assert ValidationSet.of(loss, data, condition=data).part(slice(1, 4)).mean_loss() == 0
    for sampler in (DDIM(steps=3), Multilevel(tolerance=0.9, coarsest=4)):
        samples = sampler(denoiser, N, [7, 1, 4], 0, condition=data[1:], dtype=torch.float64)
        np.testing.assert_allclose(samples.fields, data[1:], atol=1e-10)
    reordered = DDIM(steps=2)(denoiser, N, [4, 7], 0, condition=data[:2]).fields
    np.testing.assert_allclose(reordered, data[:2].float(), rtol=1e-6, atol=1e-6)
