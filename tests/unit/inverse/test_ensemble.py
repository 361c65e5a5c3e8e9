"""Ensemble smoother: the posterior of linear maps in the limit, on every grid, in any steps."""

import math

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Differentiable, Linear
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.links import LevelSet
from fsdiff.inverse.observations.points import GridOfPoints
from fsdiff.inverse.references.ensemble import EnsembleSmoother
from fsdiff.inverse.references.gaussian import GaussianPosterior, laplace
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.spaces.bases import CosineBasis

SMOOTH = GaussianRandomField(correlation_length=0.5, smoothness=1.5)
FALLING = (28 / 3, 7.0, 4.0, 2.0)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def linear(n=16):
    """Four averages of a function of one variable, two of them precise."""
    prior, map = GaussianField(CosineBasis(1), SMOOTH, n, mean=0.5), Linear(normal(4, 1, n))
    noise = GaussianNoise(noise=(0.3, 0.05, 0.3, 0.05))
    truth = prior.mean + prior.draw(normal(1, n, seed=1))
    return Posterior(prior, map, noise, noise.corrupt(map(truth), normal(1, 4, seed=2))[0])


def error(posterior, members, inflation, seeds):
    """The root mean squares of ‖μ − μ*‖ and ‖σ − σ*‖ over √tr C*."""
    exact, smoother = (
        GaussianPosterior.of(posterior),
        EnsembleSmoother(members=members, inflation=inflation),
    )
    spread = exact.variance.sqrt()
    squares = []
    for seed in seeds:
        draws = smoother.draw(posterior, members, seed)
        off = draws.mean(0) - exact.mean, draws.std(0) - spread
        squares.append([float(u.square().sum() / spread.square().sum()) for u in off])
    return np.sqrt(np.mean(squares, 0))


@pytest.mark.parametrize("inflation", [(1.0,), (2.0, 2.0), FALLING], ids=len)
def test_of_linear_maps_it_tends_to_the_posterior_as_one_over_the_root(inflation):
    """As near as independent draws: 1/√N of the mean, half of its square of the deviation.

    16 times as many members are four times as near, in whatever steps data are told. With 30 seeds
    these root mean squares of a few coordinates are known to a tenth.
    """
    for members in (100, 1600):
        mean, deviation = error(linear(), members, inflation, range(30))
        assert mean * members**0.5 == pytest.approx(1.0, abs=0.3)
        assert deviation * members**0.5 == pytest.approx(0.5**0.5, abs=0.15)


def test_factors_that_tell_data_twice_or_half_have_another_limit():
    """As errors of another size have: it is the sum of reciprocals that makes the posterior."""
    for inflation in ((1.0, 1.0), (2.0,)):
        with pytest.raises(ValueError, match="the reciprocals have the sum"):
            EnsembleSmoother(inflation=inflation)
    with pytest.raises(ValueError, match=r"multiply all by 2"):
        EnsembleSmoother(inflation=(1.0, 1.0))
    smoother, ones = EnsembleSmoother(inflation=(1.0,)), torch.ones(4).double()
    posterior, start = linear(), normal(3000, 1, 16)
    once = posterior.likelihood.deviations(start).square()
    halved = smoother.assimilated(start, posterior.map.evaluate, ones, once / 2, 0)
    twice = smoother.assimilated(start, posterior.map.evaluate, ones, once, 0)
    twice = smoother.assimilated(twice, posterior.map.evaluate, ones, once, 1)
    assert torch.allclose(halved.mean(0), twice.mean(0), atol=0.12)
    assert torch.allclose(halved.std(0), twice.std(0), atol=0.06)


def test_members_are_the_same_functions_on_every_grid():
    """From pressures at sensors on 16, 32 and 64 nodes, differences fall as those of solutions."""
    sensors = GridOfPoints(shape=(4, 4))
    data, basis, found = None, CosineBasis(2), {}
    for n in (64, 32, 16):
        prior = GaussianField(basis, SMOOTH, n)
        empty = torch.zeros(16, dtype=torch.float64)
        posterior = Posterior(
            prior, DarcySensors(sensors=sensors), GaussianNoise(noise=0.01), empty
        )
        if data is None:
            truth = prior.draw(normal(1, prior.normals, seed=7))
            data = posterior.observed(truth)[0] + 0.01 * normal(16, seed=2)
        given = Posterior(prior, posterior.map, posterior.likelihood, data)
        draws = EnsembleSmoother(members=80).draw(given, 80, seed=3)
        found[n] = basis.restrict(draws, 16)
    spread = float(found[64].std(0).norm())
    for moment in (lambda u: u.mean(0), lambda u: u.std(0)):
        steps = [
            float((moment(found[a]) - moment(found[b])).norm()) for a, b in ((16, 64), (32, 64))
        ]
        assert steps[1] < 0.05 * spread
        assert steps[1] < 0.5 * steps[0]
    each = float((found[32] - found[64]).square().sum((1, 2, 3)).sqrt().mean())
    assert each < 0.1 * spread


def test_of_darcy_flow_it_is_near_to_the_posterior_and_steps_pay():
    """Nearly Gaussian posteriors: Laplace's approximation to a fifth of its deviation."""
    n, sensors = 16, GridOfPoints(shape=(4, 4))
    prior, errors = GaussianField(CosineBasis(2), SMOOTH, n), GaussianNoise(noise=0.02)
    map = DarcySensors(sensors=sensors)
    data = map.evaluate(prior.draw(normal(1, prior.normals, seed=7)))[0] + 0.02 * normal(16, seed=2)
    posterior = Posterior(prior, map, errors, data)
    law, off = laplace(posterior), []
    for inflation in (FALLING, (1.0,)):
        draws = EnsembleSmoother(members=400, inflation=inflation).draw(posterior, 400, seed=0)
        away = (draws.mean(0) - law.mean).square(), (draws.std(0) - law.variance.sqrt()).square()
        off.append([float((u.sum() / law.variance.sum()).sqrt()) for u in away])
    assert off[0][0] < 0.2
    assert off[0][1] < 0.1
    assert off[1][1] > 2 * off[0][1]


def test_maps_without_a_derivative_are_followed_to_the_data():
    """Two media: the misfit of members falls far below that of draws of the prior."""
    n, sensors = 16, GridOfPoints(shape=(4, 4))
    map = DarcySensors(link=LevelSet(high=12.0, low=3.0), sensors=sensors)
    prior = GaussianField(CosineBasis(2), SMOOTH, n)
    data = map.evaluate(prior.draw(normal(1, prior.normals, seed=7)))[0]
    posterior = Posterior(prior, map, GaussianNoise(noise=1e-3), data)
    draws = EnsembleSmoother(members=200).draw(posterior, 50, seed=0)
    before = posterior.potential(prior.draw(normal(50, prior.normals))).mean()
    assert float(posterior.potential(draws).mean()) < 0.1 * float(before)


def test_draws_are_the_first_members_of_an_ensemble_that_is_large_enough():
    posterior, smoother = linear(), EnsembleSmoother(members=60)
    assert torch.equal(smoother.draw(posterior, 60, 1)[:7], smoother.draw(posterior, 7, 1))
    assert len(smoother.draw(posterior, 90, 1)) == 90
    assert not torch.equal(smoother.draw(posterior, 7, 2), smoother.draw(posterior, 7, 1))


def test_what_has_no_such_law_is_refused():
    posterior, smoother = linear(), EnsembleSmoother(members=20)
    bounded = Posterior(
        posterior.prior, posterior.map, MeanAbsoluteError(tolerance=1, scale=1), posterior.data
    )
    with pytest.raises(ValueError, match="likelihood 'abc_mae' has no errors that could be drawn"):
        smoother.draw(bounded, 5, 0)
    exact = torch.zeros(4).double()
    with pytest.raises(ValueError, match="deviation 0: give the observation some noise"):
        smoother.assimilated(normal(9, 1, 16), posterior.map.evaluate, posterior.data, exact, 0)
    prior = IndependentNormals((1,))
    roots = Differentiable(lambda u: u.sqrt(), 1, rank=1)
    nowhere = Posterior(prior, roots, GaussianNoise(noise=0.1), torch.tensor([1.0]).double())
    with pytest.raises(ArithmeticError, match="where nothing can be observed"):
        smoother.draw(nowhere, 5, 0)
    assert math.isclose(sum(1 / x for x in EnsembleSmoother().inflation), 1.0)
