"""What theory says of data without a density, and what the analyses of them find."""

from functools import partial

import numpy as np
import pytest
import torch

from fsdiff.analyses.absorption import Absorption, mean_length
from fsdiff.analyses.blur import Blur
from fsdiff.analyses.discretisation import Discretisation
from fsdiff.analyses.manifold_sampling import ManifoldSampling
from fsdiff.analyses.parameterisation import Parameterisation
from fsdiff.analyses.pollution import Bounded, Pollution
from fsdiff.analyses.singularity import Singularity
from fsdiff.analyses.step_drift import StepDrift
from fsdiff.diffusion.predictions import Data, Noise
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.linear_interpolant import LinearInterpolant
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck, VariancePreserving
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.measures.manifolds import (
    Functions,
    Line,
    Parabola,
    Points,
    RandomPoints,
    Sphere,
    Spiral,
)
from fsdiff.parts import build

FIVE = Points(points=((-1.2, 0.3), (0.4, 1.1), (0.9, -0.7), (-0.5, -1.0), (0.1, 0.2)))
PAIR = Points(points=((-1.0, 0.0), (1.0, 0.0)))
TWO_FUNCTIONS = Functions(functions=((0.0, 1.0, 2.0, 0.0), (1.0, -1.0, 0.0, 0.5)))


# Theorem 3.5


@pytest.mark.parametrize(
    ("law", "point", "dimension"),
    [
        (Line(), (1.0, -0.1), 1),
        (Parabola(), (1.0, -0.1), 1),
        (Spiral(nodes=16000), (1.0, -0.1), 1),
        (FIVE, (1.0, -0.1), 0),
        (Sphere(), (0.5, 0.5, 1.0), 2),
    ],
    ids=["line", "parabola", "spiral", "points", "sphere"],
)
def test_score_and_noise_blow_up_and_data_do_not(law, point, dimension):
    """Powers −2, −1 and 0 of r; −r² S → x − P x; (m²/r²) E‖X_0 − E[X_0|X_t]‖² → dim."""
    result = Singularity(law=law, point=point, times=13, samples=100).run()
    np.testing.assert_allclose(result.exponent, [-2, -1, 0], atol=2e-2)
    assert float(result.constant) == pytest.approx(1, abs=2e-3)
    assert float(result.misdirected) < 2e-3
    within = 0.4 if dimension else 1e-6
    assert float(result.local_dimension[0]) == pytest.approx(dimension, abs=within)


@pytest.mark.parametrize("height", [0.2, 0.5, 2.0])
def test_between_two_nearest_points_the_score_is_shorter(height):
    """x̂_0 is their mean there, so that r²|S| → |x − mean|, and not the distance δ."""
    result = Singularity(law=PAIR, point=(0.0, height), times=9, samples=10).run()
    delta = float(np.hypot(1, height))
    assert float(result.distance) == pytest.approx(delta)
    assert float(result.constant) == pytest.approx(height / delta, rel=1e-3)
    assert float(result.misdirected) == pytest.approx(1 / delta, rel=1e-3)


@pytest.mark.parametrize(
    "process",
    [
        OrnsteinUhlenbeck(),
        VariancePreserving(smallest_time=1e-4),
        VarianceExploding(smallest_time=1e-5, sigma_min=1e-3),
        LinearInterpolant(smallest_time=1e-3),
        StochasticHeat(smallest_time=1e-4),
    ],
    ids=lambda process: process.kind,
)
def test_all_processes_have_these_powers_on_functions(process):
    analysis = Singularity(
        law=TWO_FUNCTIONS, point=(0.5, 0.5, 1.0, 1.0), process=process, times=21, samples=20
    )
    result = analysis.run()
    np.testing.assert_allclose(result.exponent, [-2, -1, 0], atol=2e-2)
    assert float(result.misdirected) < 5e-3


# Theorem 3.7


@pytest.mark.parametrize("law", [Line(), Spiral()], ids=["line", "spiral"])
def test_a_blurred_law_has_a_bounded_score(law):
    process = OrnsteinUhlenbeck(smallest_time=1e-8)
    result = Blur(law=law, deviations=(0.3, 0.1, 0.03), process=process, times=5).run()
    np.testing.assert_allclose(result.relative, 1, rtol=1e-4)
    assert float(result.growth[-1]) == pytest.approx(1, abs=1e-2)


def test_the_bound_of_a_blurred_line_is_that_of_a_normal_law():
    """N(0, diag(1 + s², s²)) has the score −(x/(1 + s²), y/s²)."""
    result = Blur(law=Line(), deviations=(0.3, 0.1), point=(1.0, -0.1), times=3).run()
    expected = [np.hypot(1 / (1 + s**2), 0.1 / s**2) for s in (0.3, 0.1)]
    np.testing.assert_allclose(result.limit, expected, rtol=1e-6)


def test_a_bounded_score_points_the_same_way():
    exact = FIVE.exact(OrnsteinUhlenbeck())
    random = torch.Generator().manual_seed(0)
    x = torch.randn((20, 2, 1), generator=random, dtype=torch.float64)
    t = torch.tensor([0.05], dtype=torch.float64)
    score, bounded = exact(x, t).score, Bounded(exact, 15.0)(x, t).score
    length = score.norm(dim=1, keepdim=True)
    torch.testing.assert_close(bounded, score * (15.0 / length).clamp_max(1.0))
    assert float(length.min()) < 15.0 < float(length.max())


def test_what_a_bounded_score_leaves_is_as_wide_as_its_inverse_and_not_normal():
    result = Pollution(law=Line(), bounds=(10.0, 100.0), samples=1500).run()
    np.testing.assert_allclose(result.deviation, 1.1, atol=0.15)
    assert (result.kurtosis > 5).all()
    free = Pollution(law=Line(), bounds=(1e6,), samples=1500).run()
    noise = 1e6 * 1e-7**0.5  # a score without a bound leaves the noise of the last time, normal
    assert float(free.deviation[0, 0]) == pytest.approx(noise, rel=0.1)
    assert float(free.kurtosis[0, 0]) == pytest.approx(3, abs=0.6)


# Steps


def test_exponential_times_have_the_same_drift_in_every_late_step_at_a_point():
    """There g²|S| Δt → δ (1 − e^{−h}), with h the step in ln t."""
    result = StepDrift(law=Line(), steps=100, samples=10).run()
    drift = result.drift.sel(where="point", spacing="exponential")[0]
    expected = 0.1 * -np.expm1(-np.log(1e5) / 99)
    np.testing.assert_allclose(drift[-20:], expected, rtol=2e-3)
    late = result.relative.sel(where="point", part="late")
    assert (late.sel(spacing=["uniform", "quadratic", "log_snr"]) > 1).all()


def test_states_have_a_drift_like_the_root_of_time_for_which_quadratic_times_are_better():
    result = StepDrift(law=Line(), steps=200, samples=200).run()
    own = result.sel(where="states", spacing="quadratic")
    late = own.drift[0].where((own.step_time > 4e-3) & (own.step_time < 0.02), drop=True)
    assert float(late.max() / late.min()) < 1.2
    relative = result.relative.sel(where="states", part="all", spacing="quadratic")
    assert float(relative[0]) < 1


def test_the_steps_of_ddpm_and_euler_differ_in_second_order():
    np.testing.assert_allclose(Discretisation(law=Spiral()).run().order, [2, 2], atol=0.05)


# Sampling


def test_all_points_absorb_equally_often():
    """Counts are multinomial: χ² with four degrees of freedom, 18.5 at a level of 10⁻³."""
    result = Absorption(law=FIVE, samples=2000, snapshots=(10.0,), seeds=(0, 1)).run()
    expected = 2000 / 5
    chi_squared = (((result["count"] - expected) ** 2) / expected).sum("point")
    np.testing.assert_allclose(result.chi_squared, chi_squared)
    assert (chi_squared < 18.5).all()
    np.testing.assert_allclose(result.frequency.sum("point"), 1.0)


def test_samples_in_several_batches_are_independent(monkeypatch):
    monkeypatch.setattr("fsdiff.analyses.absorption.AT_ONCE", 250)
    result = Absorption(law=FIVE, samples=1000, snapshots=(10.0,)).run()
    assert float(result["count"].sum()) == 1000
    assert 0 < float(result.chi_squared[0]) < 18.5
    assert (result["count"][0] % 4 != 0).any()  # four equal batches would give multiples


def test_states_follow_the_law_on_an_exponential_grid_and_not_on_a_uniform_one():
    ratios = {}
    for spacing in ("exponential", "uniform"):
        sampler = EulerMaruyama(spacing=spacing)
        analysis = Absorption(law=FIVE, sampler=sampler, samples=1000, smallest_times=(1e-4, 1e-2))
        ratios[spacing] = analysis.run().relative[0].values
    assert ratios["exponential"] == pytest.approx(1.0, abs=0.1)
    assert ratios["uniform"][0] > 10


@pytest.mark.parametrize("dimension", [1, 3])
def test_states_are_as_far_from_points_as_normal_vectors_are_long(dimension):
    """√(2/π) in one dimension, √(8/π) in three."""
    points = Points(points=((0.0,) * dimension, (1.0,) * dimension))
    found = Absorption(law=points, samples=2000, smallest_times=(1e-4,)).run()
    assert mean_length(dimension) == pytest.approx(np.sqrt({1: 2, 3: 8}[dimension] / np.pi))
    assert float(found.relative[0, 0]) == pytest.approx(1.0, abs=0.1)


def test_solvers_of_second_order_need_fewer_evaluations_on_a_curve():
    """√(2/π) r from the curve; the law is better with 25 evaluations than ancestrally."""
    samplers = (DPMSolver(steps=25), DDIM(steps=25, eta=1.0))
    result = ManifoldSampling(law=Spiral(nodes=1000), samplers=samplers, samples=600).run()
    assert result.sampler.values.tolist() == ["dpm_solver 25", "ancestral 25"]
    assert result.evaluations.values.tolist() == [25, 25]
    np.testing.assert_allclose(result.distance, 0.01 * np.sqrt(2 / np.pi), rtol=0.12)
    assert float(result.kolmogorov[0, 0]) < 0.066 < float(result.kolmogorov[0, 1])  # level 0.01


def test_random_points_are_a_function_of_their_seed():
    points = [RandomPoints(count=20, seed=seed).mixture().means for seed in (0, 0, 1)]
    assert torch.equal(points[0], points[1])
    assert not torch.equal(points[0], points[2])
    assert 0 < float(points[0].min()) < float(points[0].max()) < 1


# Networks


def learning(**changes):
    network = {"kind": "mlp", "width": 16, "layers": 2}
    settings = {"law": Line(), "steps": 300, "batch_size": 200, "samples": 200, "times": 4}
    return Parameterisation(network=partial(build, "network", network), **(settings | changes))


def test_an_exact_network_has_no_error():
    analysis = learning()
    exact = analysis.law.exact(analysis.process)
    for t in (1e-4, 1.0):
        assert float(analysis.errors(exact, torch.tensor(t).double(), 0).max()) == 0


def test_a_network_learns_the_line():
    result, untrained = (learning(prediction=Noise(), steps=steps).run() for steps in (400, 1))
    learned, before = (r.error.sel(quantity="data")[0, 1] for r in (result, untrained))
    assert float(learned) < 0.2 * float(before)
    assert (result.sliced_wasserstein < 0.5 * untrained.sliced_wasserstein).all()
    assert (result.distance < untrained.distance).all()


def test_seeds_are_trainings_of_their_own_and_samplers_share_them():
    samplers = (EulerMaruyama(steps=20), DDIM(steps=5))
    prediction = Data(largest_weight=1e6)
    both = learning(seeds=(0, 1), steps=20, samplers=samplers, prediction=prediction).run()
    one = learning(seeds=(1,), steps=20, samplers=samplers[:1], prediction=prediction).run()
    assert both.distance.dims == ("seed", "sampler")
    assert float(both.distance[0, 0]) != float(both.distance[1, 0])
    assert float(one.distance[0, 0]) == float(both.distance[1, 0])
