"""Exact experiments measure what they say they measure."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from fsdiff.analyses.forward_truncation import ForwardTruncation
from fsdiff.analyses.gaussian_sampling import GaussianSampling, wasserstein, with_setting
from fsdiff.analyses.modes import resolved_by
from fsdiff.analyses.multilevel_bound import MultilevelBound
from fsdiff.analyses.runs import sample_variance
from fsdiff.analyses.score_error import ScoreError
from fsdiff.analyses.score_lipschitz import ScoreLipschitz
from fsdiff.analyses.singularity import Singularity
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.adaptive_heun import AdaptiveHeun
from fsdiff.diffusion.samplers.base import Run
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.diffusion.samplers.multilevel import Multilevel
from fsdiff.diffusion.samplers.predictor_corrector import PredictorCorrector
from fsdiff.measures.manifolds import Line
from fsdiff.measures.priors.convolution import Bessel, Standard
from fsdiff.measures.priors.kernel import Matern
from fsdiff.parts import build
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.downsampling import Average

# Gaussian data


def sampling(sampler, values=(8,), **changes):
    return GaussianSampling(covariance=Bessel(power=0.9), sampler=sampler, values=values, **changes)


@pytest.mark.parametrize(
    ("sampler", "steps", "order"),
    [
        (EulerMaruyama(), (50, 100), 1),
        (DDIM(), (16, 32, 64), 1),
        (DDIM(eta=1.0), (48, 96), 1),
        (DPMSolver(), (32, 64), 2),
        (DPMSolver(stochastic=True), (64, 128), 2),
    ],
    ids=["euler", "ddim", "ancestral", "dpm", "stochastic-dpm"],
)
def test_samplers_have_their_order_in_the_distance_of_laws(sampler, steps, order):
    process = VariancePreserving(smallest_time=1e-5)
    distance = sampling(sampler, steps, resolution=16, process=process).run().distance.values
    assert np.log2(distance[:-1] / distance[1:]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize(
    ("sampler", "count"),
    [
        (EulerMaruyama(steps=10), 1000),
        (PredictorCorrector(sampler=DDIM(steps=8)), 1000),
        (Multilevel(sampler=DPMSolver(steps=6, stochastic=True), coarsest=4), 1000),
        (AdaptiveHeun(tolerance=0.1, spacing="uniform"), 30),
    ],
    ids=["euler", "predictor-corrector", "multilevel", "adaptive"],
)
@pytest.mark.parametrize("basis", [FourierBasis(1), CosineBasis(1)], ids=["fourier", "cosine"])
def test_variance_from_impulses_is_that_of_drawn_samples(sampler, count, basis):
    """Independent samples, mode by mode within five standard errors, √(2/count)."""
    law = gaussian(basis, Bessel(power=0.9))
    denoiser = ExactDenoiser(law, noise=Bessel(), process=VariancePreserving())
    expected, _ = sample_variance(sampler, denoiser, 8)
    run = Run(denoiser, 8, 1, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        states = sampler.draw(run, [tuple(range(count))])
    fields = torch.cat([state.fields[:, 0] for state in states])
    ratio = basis.forward(fields).abs().square().mean(0) / expected
    assert float((ratio - 1)[basis.resolved(8)].abs().max()) < 5 * (2 / count) ** 0.5


def test_multilevel_sampling_costs_less_and_is_as_good():
    whole, levels = (
        sampling(sampler, (16, 32), resolution=32).run()
        for sampler in (DPMSolver(), Multilevel(coarsest=8))
    )
    np.testing.assert_allclose(levels.distance, whole.distance, rtol=1e-3)
    assert (levels.evaluations < 0.8 * whole.evaluations).all()


def test_distance_of_gaussians_is_that_of_their_covariance_matrices():
    """W₂² = tr A + tr B − 2 tr (A^½ B A^½)^½, on the space of functions."""
    basis, n = CosineBasis(1), 6
    a, b = Bessel(power=0.9).eigenvalues(basis, n), Bessel(power=0.6).eigenvalues(basis, n)
    functions = basis.inverse(torch.eye(n, dtype=torch.float64), n) / n**0.5
    first, second = ((functions.T * values) @ functions for values in (a, b))
    cross = sqrtm(sqrtm(first.numpy()) @ second.numpy() @ sqrtm(first.numpy())).real
    squared = float(a.sum() + b.sum()) - 2 * np.trace(cross)
    assert wasserstein(a, b, basis.multiplicity(n)) ** 2 == pytest.approx(squared, rel=1e-8)


def test_a_setting_reaches_the_sampler_inside():
    changed = with_setting(PredictorCorrector(sampler=DDIM()), "steps", 7.0)
    assert changed.sampler.steps == 7
    assert with_setting(Multilevel(), "tolerance", 0.2).tolerance == 0.2
    assert with_setting(AdaptiveHeun(), "tolerance", 0.2).tolerance == 0.2
    with pytest.raises(TypeError):
        with_setting(AdaptiveHeun(), "steps", 7.0)


# Theory


@pytest.mark.parametrize("basis", [FourierBasis(2), CosineBasis(1)], ids=["fourier", "cosine"])
@pytest.mark.parametrize("n", [5, 8])
def test_resolved_modes_are_those_that_restriction_keeps(basis, n):
    white = basis.white_noise(np.random.default_rng(0).standard_normal((16**basis.dimension,)), 16)
    field = basis.inverse(white, 16)
    kept = basis.forward(basis.prolong(basis.restrict(field, n), 16))
    torch.testing.assert_close(kept, white * resolved_by(basis, n, 16))


@pytest.mark.parametrize("prior", [Bessel(), Standard()], ids=["bessel", "white"])
def test_truncation_error_is_the_sum_of_the_tails(prior):
    """m² tail(X_0) + r² tail(Q), within five standard errors; suprema respect their bounds."""
    result = ForwardTruncation(
        covariance=Bessel(power=0.8),
        prior=prior,
        finest=16,
        resolutions=(4, 8),
        paths=200,
        steps=20,
    ).run()
    assert float(abs((result.measured - result.formula) / result.deviation).max()) < 5
    assert (result.formula.max("time") <= result.bound).all()
    assert (result.measured.max("time") <= result.supremum).all()
    assert (result.supremum <= result.doob_bound).all()


def test_trace_class_noise_has_a_vanishing_tail_and_white_noise_has_none():
    tails = [
        ForwardTruncation(
            covariance=Bessel(), prior=prior, finest=64, resolutions=(4, 32), paths=2, steps=1
        ).run()
        for prior in (Bessel(power=1.0), Standard())
    ]
    falls = [float(t.prior_tail[1] / t.prior_tail[0]) for t in tails]
    assert falls[0] < 0.05
    assert falls[1] > 0.7


@pytest.mark.parametrize("power", [0.55, 1.0])
def test_lipschitz_constant_is_the_norm_of_the_score(power):
    analysis = ScoreLipschitz(
        covariance=Bessel(power=power), resolutions=(8, 16), times=(1e-3, 0.05, 0.3)
    )
    result = analysis.run()
    np.testing.assert_allclose(result.measured, result.closed_form, rtol=1e-2)
    assert (result.closed_form <= result.bound * (1 + 1e-9)).all()
    growth = float(result.closed_form[0, 1] / result.closed_form[0, 0])
    assert growth == pytest.approx(1.0, abs=1e-6) if power == 0.55 else growth > 3


@pytest.mark.parametrize("level", [4, 8])
def test_sampling_without_a_score_beyond_a_level_by_integrating_the_variance(level):
    """v′ = −2fv + g²λ − 2g²λ v/v_t, the last term only on the level's modes, in small steps."""
    analysis = MultilevelBound(
        covariance=Bessel(power=0.7), finest=16, levels=(level,), basis=CosineBasis(1)
    )
    basis, process = analysis.basis, analysis.process
    data = analysis.covariance.eigenvalues(basis, 16)
    noise = analysis.prior.eigenvalues(basis, 16)
    known = torch.arange(16) < level
    steps, zero = 4000, torch.zeros((), dtype=torch.float64)
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    middle = 0.5 * (times[:-1] + times[1:])
    drift, rate = process.drift(middle, zero), process.diffusion(middle, zero).square()
    kept = process.mean_scale(middle, zero).square()
    spread = process.noise_variance(middle, zero)
    v = process.noise_variance(times[0], zero) * noise
    for f, g2, m2, r2 in zip(drift, rate, kept, spread, strict=True):
        pull = torch.where(known, 2 * g2 * noise / (m2 * data + r2 * noise), 0.0)
        decay = ((-2 * f - pull) / steps).exp()
        v = decay * v + g2 * noise * torch.expm1((-2 * f - pull) / steps) / (-2 * f - pull)
    expected = wasserstein(v, data, torch.ones(16)) / float(data.sum()) ** 0.5
    result = analysis.run().isel(level=0)
    assert float(result.zero_score) == pytest.approx(expected, rel=2e-3)
    assert float(result.bound) > float(result.zero_score)
    tail = float(data[level:].sum() / data.sum()) ** 0.5
    assert float(result.zero_data) == pytest.approx(tail, rel=1e-3)


def test_modes_of_neither_data_nor_noise_are_no_part_of_bounds():
    laws = {"covariance": Bessel(power=0.7, zero_mean=True), "prior": Bessel(zero_mean=True)}
    score = ScoreLipschitz(**laws, resolutions=(8,), times=(1e-3,)).run()
    np.testing.assert_allclose(score.measured, score.closed_form, rtol=1e-2)
    bound = MultilevelBound(**laws, finest=16, levels=(4,), basis=CosineBasis(1)).run()
    assert all(np.isfinite(bound[name]).all() for name in ("zero_score", "zero_data", "bound"))
    assert float(bound.bound[0]) > float(bound.zero_score[0])


@pytest.mark.parametrize("kind", [MultilevelBound, ForwardTruncation])
def test_processes_that_tell_modes_apart_are_refused(kind):
    with pytest.raises(ValueError, match="process = stochastic_heat: treats modes differently"):
        kind(covariance=Bessel(), process=StochasticHeat())


# The mixture of functions


def small_mixture(**changes):
    network = {"kind": "fno", "width": 8, "modes": 4, "layers": 2, "projection": 8}
    return ScoreError(
        network=partial(build, "network", network),
        data_resolution=16,
        training_resolution=8,
        resolutions=(8, 16),
        steps=40,
        batch_size=8,
        measure_every=20,
        test_fields=16,
        learning_rate=5e-3,
        **changes,
    )


def test_the_exact_score_has_no_error_and_no_score_has_all():
    analysis = small_mixture()
    law = analysis.law()
    for n in (8, 16):
        test = analysis.test(law, n, 0)
        exact = ExactDenoiser(law, noise=analysis.prior, process=analysis.process)
        assert test.error(exact) < 1e-9
        silent = analysis.denoiser(0)
        for parameter in silent.parameters():
            torch.nn.init.zeros_(parameter)
        assert test.error(silent) == pytest.approx(1.0, abs=1e-6)


def test_states_on_both_grids_are_the_same_functions():
    analysis = small_mixture()
    coarse, fine = (analysis.test(analysis.law(), n, 0) for n in (8, 16))
    torch.testing.assert_close(analysis.basis.restrict(fine.x, 8), coarse.x)


def test_score_error_falls_in_training_and_not_with_data_on_another_scale():
    good = small_mixture().run()
    bad = small_mixture(downsampling=Average(), scale=0.5).run()
    assert (good["last"] < 0.5 * good["first"]).all()
    assert (good["last"] < bad["last"]).sel(resolution=8).all()


def test_score_errors_of_a_seed_do_not_depend_on_the_others():
    both, alone = small_mixture(seeds=(0, 3)).run(), small_mixture(seeds=(3,)).run()
    assert both.sel(seed=[3]).identical(alone)
    assert not both.error.sel(seed=0).equals(both.error.sel(seed=3))
    assert (both["least"] == both.error.min("step")).all()
    assert both.step.values.tolist() == [0, 20, 40]


def test_the_mixture_is_made_with_the_symbol_of_a_convolution():
    with pytest.raises(ValueError, match=r"^prior\.kind = matern: .* use combined, fno, "):
        small_mixture(prior=Matern()).law()


def test_analyses_are_reproducible():
    for analysis in (small_mixture(), Singularity(law=Line(), times=3, samples=10)):
        assert analysis.run().identical(dataclasses.replace(analysis).run())
