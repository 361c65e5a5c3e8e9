"""Chains that learn the law of their steps from shorter ones, and ways that can be stopped."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Linear
from fsdiff.inverse.references import fitted
from fsdiff.inverse.references.adaptation import Adaptation
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.fitted import FittedLaw, coordinate_functions
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kernels import HamiltonianMonteCarlo, PreconditionedCrankNicolson
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.markov import MarkovChains
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.measures.initial import PowerLawField
from fsdiff.spaces.bases import CosineBasis

HMC = HamiltonianMonteCarlo(leapfrogs=4)
SHORT = {"chains": 4, "burn_in": 32, "steps": 64, "thin": 4, "r_hat": 1.2, "effective": 10.0}
WAYS = {
    "adaptation": {"kernel": HMC, "adaptation": Adaptation(rounds=2, steps=12, modes=4)},
    "annealing": {"annealing": Annealing(particles=64, moves=3, modes=4)},
}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def linear(prior, noise):
    """Means over the quarters of the first axis, on any grid."""
    quarters = torch.eye(4, dtype=torch.float64).repeat_interleave(prior.shape[1] // 4, 1)
    rows = quarters[:, None, :, None].expand(-1, *prior.shape)
    return Posterior(prior, Linear(rows), GaussianNoise(noise=noise), normal(4, seed=1))


def field(n):
    return GaussianField(CosineBasis(2), PowerLawField(1.0, 9.0, 2.0), n, mean=0.3)


def test_the_law_between_draws_and_gradients_of_a_normal_law_is_that_law(monkeypatch):
    """From fewer draws than would tell a covariance: C · (C⁻¹SC⁻¹) · C = S, whatever S is."""
    monkeypatch.setattr(fitted, "PRIOR_DRAWS", 0)
    prior = IndependentNormals((1, 2, 4), 1.0, 0.5)
    posterior = Posterior(
        prior, Linear(normal(3, *prior.shape)), GaussianNoise(noise=0.05), normal(3, seed=1)
    )
    exact = GaussianPosterior.of(posterior)
    draws = exact.sample(range(12), seed=0) - prior.mean
    functions = coordinate_functions(prior, 8)
    law = FittedLaw.between(prior, functions, draws, posterior.gradient(draws)[1])
    units = torch.eye(8, dtype=torch.float64).view(8, *prior.shape)
    expected = exact.covariance_of(units)
    assert torch.allclose(law.covariance(units).flatten(1) / 8, expected, atol=1e-9)
    assert torch.equal(law.factor, law.factor.tril())
    assert (law.factor.diagonal() > 0).all()
    apart = draws - draws.mean(0)
    empirical = apart.flatten(1).T @ apart.flatten(1) / 12 / 64
    assert (empirical - expected).abs().max() > 0.2 * expected.abs().max()


def test_a_law_of_few_draws_is_held_by_the_prior():
    prior = IndependentNormals((1, 2, 4))
    functions = coordinate_functions(prior, 8)
    nowhere = torch.zeros(3, *prior.shape, dtype=torch.float64)
    law = FittedLaw.between(prior, functions, nowhere, nowhere)
    assert torch.allclose(law.factor, torch.eye(8, dtype=torch.float64))


def test_chains_that_have_adapted_draw_what_others_cannot_reach():
    """Data are sharp, and about the right law two leapfrogs are half a turn."""
    posterior = linear(field(4), noise=1e-3)
    plan = SHORT | {"steps": 200, "thin": 1, "kernel": HamiltonianMonteCarlo(leapfrogs=2)}
    drawn = MarkovChains(adaptation=Adaptation(rounds=5, steps=16, modes=16), **plan)
    adapted, plain = (each.draw(posterior, 400, 0) for each in (drawn, MarkovChains(**plan)))
    exact = GaussianPosterior.of(posterior)
    error = (adapted.fields.double().mean(0) - exact.mean) / exact.variance.sqrt()
    assert adapted.effective_size > 100
    assert adapted.effective_size > 5 * plain.effective_size
    assert error.abs().max() < 5 / 100**0.5


def test_acceptance_and_law_do_not_depend_on_the_resolution():
    found = []
    for n in (8, 16):
        method = MarkovChains(
            **SHORT, kernel=HMC, adaptation=Adaptation(rounds=4, steps=16, modes=8)
        )
        course = method.beginning.course(linear(field(n), 0.01), HMC, 4, seed=0)
        while course.share < 1:
            course.move()
        deviations = course.begun().law.factor.square().sum(1).sqrt()
        found.append((course.begun().step, deviations.sort().values))
    (coarse, its_law), (fine, other) = found
    assert fine == pytest.approx(coarse, rel=0.2)
    assert torch.allclose(its_law, other, rtol=0.1)
    assert its_law[0] < 0.5 < 0.9 < its_law[-1]


@pytest.mark.parametrize("way", WAYS)
def test_ways_that_are_stopped_go_on_bit_for_bit(way, tmp_path, monkeypatch):
    """Stopped before chains start, and after; a bar shows all of it once."""
    monkeypatch.setattr("fsdiff.jobs.interruption.LOOK_EVERY", 0.0)
    posterior, method = linear(field(4), noise=0.02), MarkovChains(**SHORT, **WAYS[way])
    whole, state = method.draw(posterior, 16, seed=3), tmp_path / "chains.safetensors"
    before, told = method.beginning.length(4), []
    for stop in (0.3 * before, 0.7 * before, before + 32):
        made = []
        unwanted = watched(lambda made=made, stop=stop: "enough" if sum(made) >= stop else None)
        with unwanted, pytest.raises(Interrupted):
            method.draw(posterior, 16, seed=3, state=state, progress=made.append)
        told.append((made[0], sum(made)))
    drawn = method.draw(posterior, 16, seed=3, state=state, progress=made.append)
    assert torch.equal(drawn.fields, whole.fields)
    assert drawn.r_hat == whole.r_hat
    for (_, reached), (begun, _) in pairwise(told):
        assert begun == reached
    finished = []
    method.draw(posterior, 16, seed=3, state=state, progress=finished.append)
    assert sum(finished) == method.length(16) == before + 96


def test_an_ensemble_at_another_place_of_the_way_says_how_far_it_is():
    course = WAYS["annealing"]["annealing"].course(linear(field(4), 0.02), HMC, 4, seed=0)
    shares = [course.share]
    while course.share < 1:
        course.move()
        shares.append(course.share)
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert len(shares) > 9


def test_kernels_without_gradients_cannot_adapt_so():
    message = r"adaptation: 'fisher' is for kernels that follow gradients, and 'pcn' does not"
    with pytest.raises(ValueError, match=message):
        MarkovChains(kernel=PreconditionedCrankNicolson(), adaptation=Adaptation())
