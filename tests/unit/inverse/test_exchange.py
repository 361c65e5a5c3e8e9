"""Chains that swap with others of wider errors: modes in proportion, laws that stay, resuming."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import expon

from fsdiff.inverse.forward.base import Differentiable, Linear
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.chains import Chains, Plan
from fsdiff.inverse.references.convergence import convergence
from fsdiff.inverse.references.exchange import Exchange, Replicas
from fsdiff.inverse.references.fitted import Fitted, FittedLaw, coordinate_functions
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kept import Kept
from fsdiff.inverse.references.kernels import (
    HamiltonianMonteCarlo,
    PreconditionedCrankNicolson,
)
from fsdiff.inverse.references.ladder import Rung, Stage, informations, swap_rate
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.markov import STRIDE, MarkovChains
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.measures.priors import Matern
from fsdiff.spaces.bases import CosineBasis

KERNELS = {"pcn": PreconditionedCrankNicolson(), "hmc": HamiltonianMonteCarlo(leapfrogs=2)}
PLAN = {"chains": 4, "burn_in": 64, "steps": 192, "thin": 4, "r_hat": 1.2, "effective": 10.0}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def squared(noise=0.1):
    """Data tell the square of a functional h ~ N(0.15, 1) of a function: 2 ± noise."""
    prior = GaussianField(CosineBasis(1), Matern(length=0.3), 8)
    functions = coordinate_functions(prior, 3)
    weights = functions[0] / functions[0].square().mean()

    def square(u):
        return ((u * weights).flatten(1).mean(1, keepdim=True) + 0.15).square()

    data = torch.tensor([2.0], dtype=torch.float64)
    return Posterior(prior, Differentiable(square, 1), GaussianNoise(noise=noise), data), weights


def share_above_zero(noise=0.1):
    """Of the exact law of h, by quadrature: two modes at ±√2, 60 and 40 % of the law."""
    h = np.linspace(-5, 5, 200_001)
    density = np.exp(-0.5 * (h - 0.15) ** 2 - 0.5 * ((h**2 - 2) / noise) ** 2)
    return float(density[h > 0].sum() / density.sum())


def tempered(kernel, **options):
    annealing = Annealing(particles=64, moves=2, modes=3)
    return MarkovChains(kernel=kernel, annealing=annealing, **(PLAN | options))


@pytest.mark.parametrize("kind", KERNELS)
def test_modes_far_apart_are_drawn_in_proportion(kind):
    """As often as the exact law has them, within 4.5 errors; without swaps chains never leave."""
    posterior, weights = squared()
    plan = {"chains": 32, "burn_in": 50, "steps": {"pcn": 150, "hmc": 60}[kind], "thin": 1}

    def above(method):
        replicas = method._replicas(posterior, 1, Kept.read(None), lambda steps: None)
        replicas.run(replicas.cold.total)
        fields = replicas.cold.fields().double()
        h = (fields * weights).mean((-2, -1)) + 0.15
        assert float((h.abs() - 2**0.5).abs().max()) < 0.3
        return (h > 0).double(), replicas

    alone, _ = above(tempered(KERNELS[kind], **plan | {"steps": 40}))
    assert (alone == alone[:1]).all()
    found, replicas = above(tempered(KERNELS[kind], tempering=Exchange(), **plan))
    size = convergence({"above": found}).bulk["above"]
    expected = share_above_zero()
    assert expected == pytest.approx(0.6, abs=0.01)
    assert size > 50
    error = math.sqrt(expected * (1 - expected) / size)
    assert abs(float(found.mean()) - expected) < 4.5 * error
    assert replicas.diagnostics["journeys"][0] > 3


@pytest.mark.parametrize("kind", KERNELS)
def test_swaps_leave_the_exact_laws_of_all_sets_as_they_are(kind):
    """Chains from the laws in closed form at three informations: moments within 4.5 errors."""
    count, shares = 1500, [1.0, 0.2, 0.03]
    prior = IndependentNormals((3,), mean=0.4, deviation=0.8)
    posterior = Posterior(
        prior, Linear(normal(4, 3, seed=2)), GaussianNoise(noise=0.3), normal(4, seed=3)
    )
    functions, rungs, exact = coordinate_functions(prior, 3), [], []
    for number, share in enumerate(shares):
        exact.append(GaussianPosterior.of(posterior.widened(share)))
        start = exact[-1].sample(range(count), seed=number) - prior.mean
        law = FittedLaw.of(prior, functions, start + 0.1 * number, torch.ones(count).double())
        rungs.append(Rung(share, law, start))
    plan = Plan(chains=count, burn_in=0, steps=6, thin=1)
    kernel = KERNELS[kind].beginning(0.3)
    replicas = Replicas.on(rungs, posterior, kernel, plan, seed=4)
    replicas.run(plan.steps)
    rates = replicas.diagnostics["swap_rates"]
    assert all(0.1 < rate < 0.9 for rate in rates)
    for chains, law in zip(replicas.sets, exact, strict=True):
        about, position = chains.posterior, chains.state.position
        again = KERNELS[kind].start(about, position.deviation)
        assert torch.allclose(position.potential, again.potential)
        if kind == "hmc":
            assert torch.allclose(position.gradient, again.gradient)
        u = about.prior.mean + position.deviation
        z = (u.mean(0) - law.mean) / (law.variance / count).sqrt()
        assert z.abs().max() < 4.5
        ratio = (u - law.mean).square().mean(0) / law.variance
        assert ((ratio - 1) / math.sqrt(2 / count)).abs().max() < 4.5


def test_swaps_keep_to_the_tolerance_of_an_approximate_computation():
    """A flat likelihood: at every information the prior between two bounds, as wide as errors."""
    prior, likelihood = IndependentNormals((1, 1)), MeanAbsoluteError(tolerance=0.3, scale=1e3)
    map = Linear(torch.ones(1, 1, 1, dtype=torch.float64))
    posterior = Posterior(prior, map, likelihood, torch.tensor([0.5]).double())
    shares, count, rungs = [1.0, 0.25], 2000, []
    unit = torch.eye(1, dtype=torch.float64)
    law = FittedLaw(prior, coordinate_functions(prior, 1), 0 * unit[0], unit)
    for number, share in enumerate(shares):
        grid = torch.linspace(-1, 1, count + 2, dtype=torch.float64)[1:-1]
        places = 0.5 + 0.3 * share**-0.5 * grid
        weights = (-0.5 * places.square()).exp().numpy()
        random = np.random.default_rng(number)
        chosen = random.choice(places.numpy(), count, p=weights / weights.sum())
        rungs.append(Rung(share, law, torch.from_numpy(chosen).view(-1, 1, 1)))
    replicas = Replicas.on(
        rungs, posterior, KERNELS["pcn"], Plan(chains=count, burn_in=0, steps=4, thin=1), seed=0
    )
    replicas.run(4)
    cold, warm = (chains.state.position.deviation.flatten() - 0.5 for chains in replicas.sets)
    assert 0.28 < float(cold.abs().max()) <= 0.3 + 1e-9
    assert 0.58 < float(warm.abs().max()) <= 0.6 + 1e-9
    # A swap is accepted where the warm one is within the narrower bounds: about half of the time.
    places = np.linspace(-0.6, 0.6, 120_001)
    density = np.exp(-0.5 * (places + 0.5) ** 2)
    inside = density[abs(places) <= 0.3].sum() / density.sum()
    assert replicas.diagnostics["swap_rates"][0] == pytest.approx(inside, abs=0.04)


def test_one_set_alone_is_the_chains_bit_for_bit():
    posterior, _ = squared(0.5)
    method = tempered(KERNELS["pcn"], tempering=Exchange(replicas=1))
    plain = tempered(KERNELS["pcn"])
    drawn = method.draw(posterior, 60, seed=5)
    assert torch.equal(drawn.fields, plain.draw(posterior, 60, seed=5).fields)
    assert drawn.diagnostics == {}
    annealing, kernel = plain.annealing, plain.kernel
    course = annealing.course(posterior, kernel, 4, 5)
    while course.share < 1:
        course.move()
    begun = course.begun()
    about = Fitted.about(posterior, begun.law)
    chains = Chains(about, kernel, plain.plan, 5, begun.deviations - begun.law.shift)
    chains.run()
    replicas = Replicas([Chains(about, kernel, plain.plan, 5, begun.deviations - begun.law.shift)])
    replicas.run(20)
    replicas.run(plain.plan.burn_in + plain.plan.steps)
    assert torch.equal(replicas.cold.fields(), chains.fields())


@pytest.mark.parametrize("kind", KERNELS)
def test_chains_that_swap_go_on_bit_for_bit(kind, tmp_path, monkeypatch):
    """Stopped on the way of the ensemble, in burn-in and after it, where no swap is due."""
    monkeypatch.setattr("fsdiff.jobs.interruption.LOOK_EVERY", 0.0)
    posterior, _ = squared(0.1)
    plan = {"burn_in": 40, "steps": 80}
    method = tempered(KERNELS[kind], tempering=Exchange(every=5), **plan)
    state = tmp_path / "chains.safetensors"
    whole = method.draw(posterior, 50, seed=3)
    assert len(whole.diagnostics["information"]) > 2
    before = method.length(50) - 120
    for stop in (before // 2, before + STRIDE, before + 2 * STRIDE):
        made = []
        unwanted = watched(lambda made=made, stop=stop: "enough" if sum(made) >= stop else None)
        with unwanted, pytest.raises(Interrupted):
            method.draw(posterior, 50, seed=3, state=state, progress=made.append)
    steps = []
    drawn = method.draw(posterior, 50, seed=3, state=state, progress=steps.append)
    assert steps[:2] == [before, 2 * STRIDE]
    assert sum(steps) == method.length(50)
    assert torch.equal(drawn.fields, whole.fields)
    assert drawn.diagnostics == whole.diagnostics


def test_a_state_of_other_replicas_is_discarded(tmp_path, caplog):
    posterior, state = squared()[0], tmp_path / "chains.safetensors"
    tempered(KERNELS["pcn"], tempering=Exchange()).draw(posterior, 50, seed=3, state=state)
    fewer = tempered(KERNELS["pcn"], tempering=Exchange(replicas=2))
    drawn = fewer.draw(posterior, 50, seed=3, state=state)
    assert "discarded and made again" in caplog.text
    assert torch.equal(drawn.fields, fewer.draw(posterior, 50, seed=3).fields)


def exponential_stages(noise):
    """Misfits of two coordinates that are N(0, 1) and observed as 0 are exponential."""
    shares = [0.0, *np.geomspace(0.01, 1.0, 12)]
    points = (np.arange(2000) + 0.5) / 2000
    return [
        Stage(share, torch.from_numpy(expon.ppf(points) / (noise**2 + share)), None, None)
        for share in shares
    ]


def test_rates_of_swaps_are_those_of_the_closed_form():
    """2 m'/(m + m') between exponential misfits of means m and m'; 1 and 0 at the ends."""
    stages = exponential_stages(0.1)
    for warm, cold in itertools.pairwise(stages):
        means = [1 / (0.01 + stage.information) for stage in (warm, cold)]
        exact = 2 * means[1] / sum(means)
        assert swap_rate(warm.misfits, cold.misfits) == pytest.approx(exact, abs=1e-3)
    ones = torch.ones(4)
    assert swap_rate(ones, ones) == 1.0
    assert swap_rate(ones, 0 * ones) == 0.0


@pytest.mark.parametrize("swaps", [0.2, 0.3, 0.5])
def test_as_many_rungs_are_chosen_as_swaps_need(swaps):
    """All between exponential laws accept alike, at least what is asked for, and hardly more."""
    stages = exponential_stages(0.1)
    found = informations(stages, swaps, 64)
    assert found[0] == 1.0
    assert found[-1] == pytest.approx(0.01)
    rates = [2 * (0.01 + warm) / (0.02 + warm + cold) for cold, warm in itertools.pairwise(found)]
    assert max(rates) - min(rates) < 0.15
    assert np.mean(rates) > swaps - 0.05
    fewer = informations(stages, swaps, len(found) - 1)
    assert len(fewer) == len(found) - 1
    assert np.mean([2 * (0.01 + w) / (0.02 + w + c) for c, w in itertools.pairwise(fewer)]) < swaps
    assert informations(stages, swaps, 1) == [1.0]
    assert informations([stages[0], stages[-1]], swaps, 64) == [1.0]


def test_chosen_rungs_swap_as_often_as_is_asked_for():
    prior = GaussianField(CosineBasis(1), Matern(length=0.2, normalize=False), 12)
    map = Linear(normal(6, *prior.shape, seed=2) * 5)
    posterior = Posterior(prior, map, GaussianNoise(noise=0.02), normal(6, seed=3))
    method = MarkovChains(
        kernel=PreconditionedCrankNicolson(),
        annealing=Annealing(particles=300, moves=4, modes=6),
        tempering=Exchange(),
        **PLAN | {"chains": 16, "burn_in": 20, "steps": 80},
    )
    drawn = method.draw(posterior, 60, seed=1)
    rates = drawn.diagnostics["swap_rates"]
    assert len(rates) >= 4
    assert all(0.15 < rate < 0.5 for rate in rates)
    assert 0.2 < np.mean(rates) < 0.4


def test_tempering_without_an_ensemble_is_refused():
    message = r"tempering: an ensemble tells .* run; add annealing: {kind: ensemble}"
    with pytest.raises(ValueError, match=message):
        MarkovChains(tempering=Exchange())
