"""Guidance that is exact for Gaussian data, against posteriors in closed form."""

import numpy as np
import pytest
import torch

from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DDIM, AdaptiveHeun, DPMSolver, Multilevel
from fsdiff.inverse.guidance import systems
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.systems import Rows
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis

SENSORS = RandomPoints(number=6, noise=0.1)

OBSERVATIONS = {
    "mask": Mask(resolution=16, share=0.1, noise=0.05),
    "averages": Averages(resolution=4, noise=0.02),
    "blur": LowPass(resolution=8, width=0.1, noise=0.01),
    "modes": Modes(highest=3, noise=0.02),
}


@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
@pytest.mark.parametrize("process", [None, StochasticHeat(length=0.05)], ids=["vp", "heat"])
@pytest.mark.parametrize("n", [32, 64])
def test_samples_of_gaussian_data_are_those_of_the_posterior(problem, basis, process, n):
    """W2 to N(μ, P) is below one per cent of its size at 32 steps, on every grid."""
    gaussian = problem(basis, process=process)
    y = gaussian.data_of_a_draw(SENSORS, n)
    law = law_of_samples(DPMSolver(steps=32), WienerGuidance()(gaussian.denoiser, SENSORS, y), n)
    exact = gaussian.posterior(SENSORS, y, n)
    assert law.distance(exact) < 0.01 * exact.size
    assert law.distance(gaussian.prior(n)) > 0.3 * exact.size


@pytest.mark.parametrize("process", [None, StochasticHeat(length=0.05)], ids=["vp", "heat"])
def test_posteriors_of_functions_with_mean_zero(problem, process):
    """Neither data nor noise have the constant mode, and neither have the samples."""
    gaussian, n = problem(CosineBasis(1), process=process, zero_mean=True), 32
    y = gaussian.data_of_a_draw(SENSORS, n)
    exact = gaussian.posterior(SENSORS, y, n)
    for guidance in (WienerGuidance(), MomentGuidance(iterations=8, tolerance=1e-10)):
        law = law_of_samples(DPMSolver(steps=32), guidance(gaussian.denoiser, SENSORS, y), n)
        assert law.distance(exact) < 0.01 * exact.size
        assert abs(float(law.mean.mean())) < 1e-12
        assert float(law.covariance.mean(1).abs().max()) < 1e-12


@pytest.mark.parametrize("basis", [CosineBasis(2), FourierBasis(2)], ids=["cosine", "fourier"])
@pytest.mark.parametrize("observation", OBSERVATIONS.values(), ids=OBSERVATIONS)
def test_posteriors_on_squares(problem, basis, observation):
    gaussian = problem(basis, power=2.0)
    y = gaussian.data_of_a_draw(observation, 16)
    guided = WienerGuidance()(gaussian.denoiser, observation, y)
    law = law_of_samples(DPMSolver(steps=32), guided, 16)
    exact = gaussian.posterior(observation, y, 16)
    assert law.distance(exact) < 0.01 * exact.size


@pytest.mark.parametrize(
    ("basis", "kind"), [(CosineBasis(2), "mask"), (FourierBasis(2), "averages")]
)
def test_posteriors_on_finer_squares(problem, basis, kind):
    """All 576 nodes of 24 × 24, given data of a function that 48 × 48 resolve."""
    gaussian, n = problem(basis, power=2.0), 24
    y = gaussian.data_of_a_draw(OBSERVATIONS[kind], 48)
    guided = WienerGuidance()(gaussian.denoiser, OBSERVATIONS[kind], y)
    law = law_of_samples(DPMSolver(steps=12), guided, n)
    exact = gaussian.posterior(OBSERVATIONS[kind], y, n)
    assert law.distance(exact) < 0.01 * exact.size


def test_errors_fall_with_the_order_of_the_sampler(problem):
    """From 32 to 64 steps by 2^order, within a quarter of a power."""
    gaussian = problem(FourierBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 16)
    guided = WienerGuidance()(gaussian.denoiser, SENSORS, y)
    exact = law_of_samples(DPMSolver(steps=256), guided, 16)
    for sampler, order in ((DDIM, 1), (DPMSolver, 2)):
        few, many = (
            law_of_samples(sampler(steps=steps), guided, 16).mean - exact.mean for steps in (32, 64)
        )
        assert float((few.norm() / many.norm()).log2()) > order - 0.25


def test_posteriors_have_a_limit_under_refinement(problem):
    """Means and standard deviations at common places change by less than a per cent."""
    gaussian = problem(FourierBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 256)
    basis = gaussian.basis

    def moments(n):
        guided = WienerGuidance()(gaussian.denoiser, SENSORS, y)
        law = law_of_samples(DPMSolver(steps=32), guided, n)
        mean = basis.resample(law.mean.view(1, 1, n), 32).flatten()
        return mean, law.covariance.diagonal().mean().sqrt()

    (coarse, coarse_sd), (fine, fine_sd) = moments(64), moments(256)
    assert (coarse - fine).norm() < 0.01 * fine.norm()
    assert abs(coarse_sd - fine_sd) < 0.01 * fine_sd


def test_the_estimate_is_the_conditional_mean(problem):
    """E[X_0|X_t = x, y] from the joint covariance of X_0, X_t and y, as matrices; and its score."""
    gaussian, n, t = problem(FourierBasis(1)), 12, torch.tensor([0.3, 0.6]).double()
    y = gaussian.data_of_a_draw(SENSORS, n)
    prior, matrix = gaussian.prior(n), gaussian.matrix(SENSORS, n)
    noise = n * Bessel().apply(torch.eye(n).double(), gaussian.basis)
    x = gaussian.data.sample(np.random.default_rng(1), 2, n)
    found = WienerGuidance()(gaussian.denoiser, SENSORS, y)(x, t)
    process = VariancePreserving()
    for i, time in enumerate(t):
        one = torch.ones(1, dtype=torch.float64)
        m, r = process.mean_scale(time, one), process.noise_scale(time, one)
        seen = torch.cat([m * torch.eye(n), matrix]).double()
        errors = torch.block_diag(r**2 * noise, 0.01 * torch.eye(len(y)))
        bracket = seen @ prior.covariance @ seen.T + errors
        values = torch.cat([x[i].flatten(), y])
        gain = torch.linalg.lstsq(bracket, (seen @ prior.covariance), driver="gelsd").solution.T
        torch.testing.assert_close(found.data[i].flatten(), gain @ values, rtol=1e-6, atol=1e-6)
        eta = (x[i] - m * found.data[i]) / r
        torch.testing.assert_close(found.score[i], -eta / r, rtol=1e-9, atol=1e-9)


def test_conjugate_gradients_solve_what_matrices_do(problem, monkeypatch):
    """With many data no matrix is made; estimates are the same."""
    gaussian = problem(CosineBasis(2))
    observation = Mask(resolution=16, share=0.3, noise=0.05)
    y = gaussian.data_of_a_draw(observation, 32)
    x = gaussian.data.sample(np.random.default_rng(1), 2, 16)
    t = torch.tensor([0.4], dtype=torch.float64)
    for finest in (None, 32):
        dense = WienerGuidance()(gaussian.denoiser, observation, y, finest=finest)(x, t)
        with monkeypatch.context() as patch:
            patch.setattr(Problem, "is_dense", lambda self, n: False)
            iterative = WienerGuidance()(gaussian.denoiser, observation, y, finest=finest)(x, t)
        torch.testing.assert_close(iterative.data, dense.data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("basis", [CosineBasis(2), FourierBasis(2)], ids=["cosine", "fourier"])
def test_many_modes_are_summed_in_single_precision_where_they_matter_least(basis, monkeypatch):
    """From 4096 on: H V H* to some 10⁻⁸ of the variance of the data, from half of the modes."""
    n, sensors = 72, RandomPoints(number=40)
    like = torch.zeros(1, 1, n, n, dtype=torch.float64)
    rows = Rows.of(sensors.on(basis, 1, n), like, basis)
    assert len(rows.multiplicity) > systems.LARGE
    symbol, real = Bessel(power=1.0).eigenvalues(basis, n)[None], basis.half_axis is not None
    functions = basis.inverse(basis.forward(rows_of(sensors, basis, n)) * symbol, n)
    exact = sensors.on(basis, 1, n).forward(functions)
    error = (rows.gram(symbol, real) - exact).abs().max() / exact.diagonal().mean()
    assert 1e-10 < float(error) < 2e-8
    monkeypatch.setattr(systems, "LARGE", 10**6)
    double = rows.gram(symbol, real)
    torch.testing.assert_close(double, exact, rtol=1e-11, atol=1e-11)


def rows_of(observation, basis, n):
    """H* of each datum, (data, 1, *grid)."""
    observed = observation.on(basis, 1, n)
    return observed.adjoint(torch.eye(observed.size, dtype=torch.float64))


@pytest.mark.parametrize("dense", [True, False], ids=["matrix", "iterative"])
@pytest.mark.parametrize(
    "guidance",
    [WienerGuidance(), MomentGuidance(iterations=100, tolerance=1e-13)],
    ids=["wiener", "moment"],
)
def test_coarse_grids_count_what_they_do_not_resolve_as_noise(
    problem, guidance, dense, monkeypatch
):
    """The estimate on a coarse grid is that of the fine function given coarse X_t, by matrices."""
    gaussian, n, fine = problem(CosineBasis(1), power=0.8), 8, 32
    y = gaussian.data_of_a_draw(SENSORS, fine)
    x, t = gaussian.data.sample(np.random.default_rng(1), 1, n), torch.tensor([0.4]).double()
    if not dense:
        monkeypatch.setattr(Problem, "is_dense", lambda self, n: False)
    found = guidance(gaussian.denoiser, SENSORS, y, finest=fine)(x, t).data.flatten()
    prior, matrix = gaussian.prior(fine), gaussian.matrix(SENSORS, fine)
    units = torch.eye(fine, dtype=torch.float64)
    project = gaussian.basis.restrict(units, n).T
    one = torch.ones(1, dtype=torch.float64)
    process = VariancePreserving()
    m, r = process.mean_scale(t, one), process.noise_scale(t, one)
    seen = torch.cat([m * project, matrix])
    noise = n * Bessel().apply(torch.eye(n).double(), gaussian.basis)
    bracket = seen @ prior.covariance @ seen.T
    bracket = bracket + torch.block_diag(r**2 * noise, 0.01 * torch.eye(len(y)))
    gain = torch.linalg.solve(bracket, seen @ prior.covariance @ project.T).T
    torch.testing.assert_close(found, gain @ torch.cat([x.flatten(), y]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("power", "noise"), [(1.5, 0.7), (0.6, 0.55)], ids=["smooth", "rough"])
def test_multilevel_samplers_are_guided_on_all_their_grids(problem, power, noise):
    """Samples from coarse to fine grids are those of the posterior, to one per cent in W2.

    Of rough functions coarse grids leave out much. Were that not counted as noise of the data,
    they would be followed too closely there.
    """
    gaussian, n = problem(CosineBasis(1), power=power, noise=Bessel(power=noise)), 64
    y = gaussian.data_of_a_draw(SENSORS, n)
    exact = gaussian.posterior(SENSORS, y, n)
    sampler = Multilevel(sampler=DPMSolver(steps=32), coarsest=8, tolerance=0.05)
    law = gaussian.denoiser.law
    grids = sampler.grids(law, n, sampler.sampler.times(law.process).tolist())
    assert grids.count(8) > 10
    assert grids.count(n) < 25

    def error(finest):
        guided = WienerGuidance()(gaussian.denoiser, SENSORS, y, finest=finest)
        return law_of_samples(sampler, guided, n).distance(exact) / exact.size

    assert error(n) < 0.01
    if power < 1:
        assert error(None) > 0.02


def test_samplers_with_times_of_their_own_are_guided(problem):
    """Adaptive steps lead to the posterior's path of the same normals."""
    gaussian = problem(CosineBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 32)
    guided = WienerGuidance()(gaussian.denoiser, SENSORS, y)
    adaptive = AdaptiveHeun(tolerance=1e-3)(guided, 32, [3], 5, dtype=torch.float64).fields
    fixed = DPMSolver(steps=256)(guided, 32, [3], 5, dtype=torch.float64).fields
    torch.testing.assert_close(adaptive, fixed, rtol=1e-2, atol=1e-2)


def test_the_derivative_of_the_exact_denoiser_is_the_wiener_covariance(problem):
    """So moment guidance is Wiener guidance for Gaussian data, to rounding."""
    gaussian = problem(CosineBasis(1), process=StochasticHeat(length=0.05))
    y = gaussian.data_of_a_draw(SENSORS, 64)
    x, t = gaussian.data.sample(np.random.default_rng(0), 3, 64), torch.tensor([0.4]).double()
    moment = MomentGuidance(iterations=100, tolerance=1e-13)
    expected = WienerGuidance()(gaussian.denoiser, SENSORS, y)(x, t)
    found = moment(gaussian.denoiser, SENSORS, y)(x, t)
    torch.testing.assert_close(found.data, expected.data, rtol=1e-8, atol=1e-8)


def test_data_of_other_cases_share_what_is_known(problem):
    """``given`` is the same as guidance from the start."""
    gaussian = problem(CosineBasis(1))
    first, second = (gaussian.data_of_a_draw(SENSORS, 32, seed=seed) for seed in (1, 2))
    x, t = gaussian.data.sample(np.random.default_rng(0), 1, 32), torch.tensor([0.4]).double()
    shared = WienerGuidance()(gaussian.denoiser, SENSORS, first).given(second)(x, t).data
    fresh = WienerGuidance()(gaussian.denoiser, SENSORS, second)(x, t).data
    torch.testing.assert_close(shared, fresh, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"data of shape \(3,\): .* random_points has 6 numbers"):
        WienerGuidance()(gaussian.denoiser, SENSORS, first[:3])
