"""Guidance with samplers that take the steps of others, on other grids or from another start."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from fsdiff.diffusion.samplers import (
    DDIM,
    AdaptiveHeun,
    AnnealedLangevin,
    DPMSolver,
    Heun,
    Multilevel,
    PredictorCorrector,
    Renoising,
    StartingFrom,
)
from fsdiff.diffusion.samplers.base import Run, State, Step
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.replacement_published import PublishedReplacement
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis

SENSORS = RandomPoints(number=6, noise=0.3)
ROUGH = Bessel(power=0.55)
"""Noise that hides fine modes until late."""

GUIDANCE = {
    "wiener": (WienerGuidance(), 0.002),
    "moment": (MomentGuidance(iterations=8, tolerance=1e-10), 0.002),
    "pigdm": (PseudoinverseGuidance(), 0.005),
    "dps": (PosteriorSampling(steps="implicit"), 0.002),
    "replacement": (Replacement(), 0.1),
}
"""Kinds that lead on any grid, and how far coarse grids at tolerance 0.05 may take them."""


def law(gaussian, guidance, sampler, n, observation=SENSORS):
    """The law of samples given the data of a draw at level n."""
    y = gaussian.data_of_a_draw(observation, n)
    problem = Problem(gaussian.denoiser.law, observation, n)
    made = guidance.conditional(gaussian.denoiser, problem, y, sampler)
    return law_of_samples(made.func, made.args[0], n)


@pytest.mark.parametrize(("guidance", "most"), GUIDANCE.values(), ids=GUIDANCE)
def test_coarse_grids_change_little_and_without_tolerance_nothing(problem, guidance, most):
    """Of guided laws, as of those without data: W2 in units of their size."""
    gaussian, n = problem(FourierBasis(1), power=1.0, noise=ROUGH), 32
    plain = DPMSolver(steps=12)
    expected = law(gaussian, guidance, plain, n)
    coarse = Multilevel(sampler=plain, coarsest=8, tolerance=0.05)
    same = law(gaussian, guidance, replace(coarse, tolerance=0.0), n)
    torch.testing.assert_close(same.mean, expected.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(same.covariance, expected.covariance, rtol=0, atol=1e-12)
    found = law(gaussian, guidance, coarse, n)
    assert 1e-7 < found.distance(expected) / expected.size < most


@pytest.mark.parametrize("kind", ["wiener", "moment", "pigdm"])
def test_modes_of_a_finer_grid_begin_where_data_expect_them(problem, kind, monkeypatch):
    """Of a rough function: else the mean of these modes would be some per cent off in the end."""
    gaussian, n = problem(CosineBasis(1), power=0.6, noise=ROUGH), 32
    sensors, plain = RandomPoints(number=12, noise=0.1), DPMSolver(steps=12)
    guidance, coarse = GUIDANCE[kind][0], Multilevel(sampler=plain, coarsest=8)

    def fine(sampler):
        return gaussian.basis.forward(law(gaussian, guidance, sampler, n, sensors).mean)[8:]

    expected = fine(plain)
    error = float((fine(coarse) - expected).norm() / expected.norm())
    monkeypatch.setattr(type(guidance), "conditional_mean", False)
    unknown = float((fine(coarse) - expected).norm() / expected.norm())
    assert unknown > 0.02
    assert error < (0.2 if kind != "pigdm" else 0.5) * unknown


@pytest.mark.parametrize("finest", [128, None], ids=["", "fine"])
def test_guided_draws_from_coarse_grids_do_not_depend_on_the_last_one(problem, finest):
    """Means and deviations on 64 and 128 nodes, of steps that begin on 16."""
    gaussian = problem(CosineBasis(1), power=1.0, noise=ROUGH)
    sampler = Multilevel(sampler=DPMSolver(steps=12), coarsest=16)
    y, moments = gaussian.data_of_a_draw(SENSORS, 128), []
    for n in (64, 128):
        guided = WienerGuidance()(gaussian.denoiser, SENSORS, y, finest=finest or n)
        found = law_of_samples(sampler, guided, n)
        mean = gaussian.basis.resample(found.mean.view(1, 1, n), 64).flatten()
        moments.append(torch.cat([mean, found.covariance.diagonal().mean()[None].sqrt()]))
    assert float((moments[0] - moments[1]).norm() / moments[1].norm()) < 0.01


def test_what_is_known_of_finer_modes_costs_an_evaluation_of_the_grid_before(problem):
    gaussian, n = problem(CosineBasis(1), noise=ROUGH), 32
    y, sampler = gaussian.data_of_a_draw(SENSORS, n), Multilevel(coarsest=8)
    guided = WienerGuidance()(gaussian.denoiser, SENSORS, y, finest=n)
    alone, led = (sampler(one, n, [0], 0).evaluations[0] for one in (gaussian.denoiser, guided))
    assert led - alone == {8: 1, 16: 1}


WRAPPERS = {
    "multilevel": lambda stepper: Multilevel(sampler=stepper, coarsest=8),
    "starting_from": lambda stepper: StartingFrom(sampler=stepper),
}


@pytest.mark.parametrize("wrapped", WRAPPERS.values(), ids=WRAPPERS)
def test_steps_of_samplers_inside_are_watched_and_implicit(problem, wrapped, caplog):
    """They overshoot as those of the sampler by itself do, which is told; implicit ones do not."""
    gaussian, n = problem(CosineBasis(1), noise=ROUGH), 16
    sensors, explicit = RandomPoints(number=6, noise=0.6), PosteriorSampling()
    true = law(gaussian, explicit, Heun(steps=80), n, sensors)
    assert caplog.text == ""
    few = wrapped(DDIM(steps=8))
    assert law(gaussian, explicit, few, n, sensors).distance(true) > 2 * true.size
    assert "dps is stiff: " in caplog.text
    assert "of ddim overshoot" in caplog.text
    needed = int(re.search(r"at least (\d+) steps", caplog.text)[1])
    caplog.clear()
    implicit = PosteriorSampling(steps="implicit")
    assert law(gaussian, implicit, few, n, sensors).distance(true) < 0.15 * true.size
    many = wrapped(Heun(steps=int(1.2 * needed)))
    assert law(gaussian, explicit, many, n, sensors).distance(true) < 0.02 * true.size
    assert caplog.text == ""


@pytest.mark.parametrize("n", [16, 64])
def test_adaptive_steps_see_what_is_stiff(problem, n):
    """Off the path of the same normals by less than the tolerance, where 10 steps fail."""
    gaussian, sensors = problem(CosineBasis(1)), RandomPoints(number=6, noise=0.4)
    y = gaussian.data_of_a_draw(sensors, n)
    guided = PosteriorSampling()(gaussian.denoiser, sensors, y)

    def draw(sampler):
        return sampler(guided, n, [3], 5, dtype=torch.float64).fields

    exact = draw(Heun(steps=120))
    assert float((draw(AdaptiveHeun()) - exact).norm() / exact.norm()) < 0.01
    assert float((draw(Heun(steps=10)) - exact).norm() / exact.norm()) > 2


STEPPERS = {
    "ddim": DDIM(),
    "ancestral": DDIM(eta=1.0),
    "dpm": DPMSolver(),
    "dpm-stochastic": DPMSolver(stochastic=True),
    "heun": Heun(),
    "renoising": Renoising(),
    "langevin": AnnealedLangevin(corrections=1, step_size=0.5),
}


@pytest.mark.parametrize("stepper", STEPPERS.values(), ids=STEPPERS)
def test_what_steps_take_of_an_estimate_is_what_they_say(problem, stepper):
    """x_s with the estimate u and with zero differ by κ m_s u, mode by mode."""
    gaussian, n = problem(CosineBasis(1), noise=ROUGH), 16
    law = gaussian.denoiser.law
    u = gaussian.data.sample(np.random.default_rng(0), 1, n)

    class Fixed:
        """An estimate that no state changes."""

        def __init__(self, data):
            self.law, self.data = law, data

        def estimate(self, x, marginal, condition=None):
            found = gaussian.denoiser.estimate(x, marginal)
            noise = marginal.noise_from_data(x, self.data)
            return replace(found, data=self.data, noise=noise)

    ends = []
    for data in (u, torch.zeros_like(u)):
        run = Run(Fixed(data), n, 0, torch.float64, torch.device("cpu"))
        step = Step(run, 0, n, None, run.marginal(0.6, n), run.marginal(0.5, n))
        state = State((0,), gaussian.data.sample(np.random.default_rng(1), 1, n))
        stepper.update(step)(state)
        ends.append(state.fields)
    taken = step.then.mean_scale * stepper.renewed(step)
    expected = gaussian.basis.multiply(u, taken[0])
    torch.testing.assert_close(ends[0] - ends[1], expected, rtol=1e-10, atol=1e-12)


def test_corrections_are_watched_beside_the_steps(problem):
    """However short these are, a correction takes a/2 of its estimate."""
    gaussian, n = problem(CosineBasis(1)), 16
    run = Run(gaussian.denoiser, n, 0, torch.float64, torch.device("cpu"))
    step = Step(run, 0, n, None, run.marginal(0.6, n), run.marginal(0.599, n))
    corrected = PredictorCorrector(step_size=0.5)
    assert float(corrected.sampler.renewed(step).max()) < 0.01
    assert corrected.renewed(step).unique().tolist() == [0.25]


def test_more_steps_are_no_advice_where_each_takes_as_much(problem, caplog):
    """Corrections do, which implicit steps help alone."""
    gaussian, n = problem(CosineBasis(1)), 16
    sensors = RandomPoints(number=6, noise=0.05)
    corrected = PredictorCorrector(sampler=DDIM(steps=8), step_size=0.5)
    law(gaussian, PosteriorSampling(), corrected, n, sensors)
    assert "of predictor_corrector overshoot" in caplog.text
    assert "use steps: implicit, or more noise of the data" in caplog.text
    found = law(gaussian, PosteriorSampling(steps="implicit"), corrected, n, sensors)
    assert found.size < 2 * gaussian.posterior(sensors, gaussian.data_of_a_draw(sensors, n), n).size


OWN_STEPS = "takes steps of its own, of which {} changes nothing: use the sampler inside it"
GRIDS = "changes the nodes of a grid, which say less the finer it is, and {} takes steps on several"


@pytest.mark.parametrize(
    ("guidance", "wrapper", "problem"),
    [
        (DecoupledAnnealing(), "multilevel", OWN_STEPS),
        (DecoupledAnnealing(), "starting_from", OWN_STEPS),
        (TwistedSMC(), "multilevel", OWN_STEPS),
        (TwistedSMC(), "starting_from", OWN_STEPS),
        (PublishedFunDPS(), "multilevel", GRIDS),
        (PublishedReplacement(), "multilevel", GRIDS),
        (Replacement(nearest="field"), "multilevel", GRIDS),
    ],
)
def test_what_has_no_use_for_a_wrapper_is_refused(guidance, wrapper, problem):
    """With what to use instead: the sampler inside."""
    sampler = WRAPPERS[wrapper](Heun())
    expected = problem.format(sampler.kind)
    with pytest.raises(ValueError, match=f"{guidance.kind} {expected}.* by itself, kind: heun$"):
        guidance.check(sampler, affine=True, noisy=True)
    guidance.check(sampler.stepper, affine=True, noisy=True)


@pytest.mark.parametrize("guidance", [PublishedFunDPS(scale=0.5), PublishedReplacement()])
def test_published_steps_start_where_they_are_told(problem, guidance):
    """From noise alone they lead nearly where they lead from the law of X_T, but not quite."""
    gaussian, n = problem(CosineBasis(1)), 16
    plain = law(gaussian, guidance, DDIM(steps=8), n)
    started = law(gaussian, guidance, StartingFrom(sampler=DDIM(steps=8)), n)
    assert started.distance(plain) < 0.02 * plain.size
    assert float((started.covariance - plain.covariance).norm() / plain.covariance.norm()) > 1e-7
