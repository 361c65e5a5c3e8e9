"""Published inverse problems as posteriors: laws, data, symmetry."""

import math

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.membrane import log_likelihood, log_prior
from fsdiff.inverse.references.likelihoods import MeanAbsoluteError
from fsdiff.inverse.references.problems import (
    darcy_level_set,
    darcy_log_normal,
    membrane_64,
    simulated,
)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_the_membrane_has_the_published_density_in_theta():
    """Of x = ln θ, so with the Jacobian Π θ: prior and likelihood agree up to a constant."""
    posterior = membrane_64()
    x = 1.0 + normal(3, 1, 8, 8)
    deviation = x - posterior.prior.mean
    found = -posterior.potential(deviation) - 0.5 * posterior.prior.energy(deviation)
    thetas = x.exp().flatten(1).numpy()
    published = [log_likelihood(t) + log_prior(t) + np.log(t).sum() for t in thetas]
    constants = found.numpy() - published
    assert constants == pytest.approx(np.full(3, -64 * 16 / 8), rel=1e-10)
    # Its median is e⁴ and not 1, as it would be if the same formula were a density in x.
    assert float(posterior.prior.mean) == 4.0


def test_the_posterior_of_the_membrane_is_symmetric():
    posterior, deviation = membrane_64(), normal(2, 1, 8, 8, seed=1) - 4.0
    potential, gradient = posterior.gradient(deviation)
    mirrored, its_gradient = posterior.gradient(deviation.mT)
    assert torch.allclose(potential, mirrored, rtol=1e-11)
    assert torch.allclose(gradient.mT, its_gradient, rtol=1e-8, atol=1e-8)


def test_the_gradient_of_a_posterior_is_that_of_its_potential():
    posterior = darcy_log_normal(12, torch.full((64,), 0.05).double())
    deviation, direction = (posterior.prior.draw(normal(1, 144, seed=s)) for s in (1, 2))
    _, gradient = posterior.gradient(deviation)
    step = 1e-4
    ahead, behind = (posterior.potential(deviation + s * direction) for s in (step, -step))
    slope = float((gradient * direction).mean())
    assert float(ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_priors_are_the_published_ones():
    log_normal = darcy_log_normal(32, torch.zeros(64)).prior
    assert float(log_normal.variance.mean()) == pytest.approx(1.0, abs=0.02)
    level_set = darcy_level_set(16, torch.zeros(64)).prior
    (constant, first), *_ = level_set.spectrum[0, :2, :2].tolist()
    assert (constant, first) == (0.0, pytest.approx((math.pi**2 + 9) ** -2))


@pytest.mark.parametrize(
    ("problem", "first", "last", "norm"),
    [
        (darcy_level_set, 0.005239224447397458, 0.0036013115455884267, 0.05390475149575402),
        (darcy_log_normal, 0.011292207969188735, 0.015237376692292992, 0.3239868784676679),
    ],
)
def test_sensors_of_published_problems_stay_where_they_are(problem, first, last, norm):
    """Pressures of one field, stored: other places, or another order of them, change these."""
    blank = problem(16, torch.zeros(64))
    _, pressures = simulated(blank, normal(256), torch.zeros(64))
    found = (float(pressures[0]), float(pressures[-1]), float(pressures.norm()))
    assert found == pytest.approx((first, last, norm), rel=1e-9)


def test_simulated_data_are_pressures_with_noise():
    blank = darcy_level_set(16, torch.zeros(64))
    truth, data = simulated(blank, normal(256), normal(64, seed=1))
    exact = blank.map(truth)
    assert torch.allclose(data - exact, 5e-4 * normal(64, seed=1))
    posterior = darcy_level_set(16, data)
    assert float(posterior.potential(truth[None])) == pytest.approx(
        0.5 * float(normal(64, seed=1).square().sum())
    )
    # Work of the forcing falls with permeability: it is between those of the two media.
    signs = torch.cat([-torch.ones_like(truth), truth, torch.ones_like(truth)])[:, None]
    work = blank.map.pressure(signs).mean((1, 2, 3))
    assert work[0] > work[1] > work[2]
    assert float(work[0] / work[2]) == pytest.approx(4.0, rel=1e-9)
    absolute = darcy_level_set(16, exact, MeanAbsoluteError(tolerance=3e-4, scale=1e-4))
    assert float(absolute.potential(truth[None])) == 0.0
    assert math.isinf(float(absolute.potential(-truth[None])))
    with pytest.raises(ValueError, match="likelihood 'abc_mae' draws no data"):
        simulated(absolute, normal(256), normal(64))
