"""Posteriors seen from their Gaussian approximation: the same laws, and quicker chains."""

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Adapted, Linear
from fsdiff.inverse.references.chains import Chains, Plan
from fsdiff.inverse.references.convergence import convergence
from fsdiff.inverse.references.fitted import Fitted, FittedLaw, coordinate_functions
from fsdiff.inverse.references.gaussian import GaussianPosterior, laplace
from fsdiff.inverse.references.kernels import (
    HamiltonianMonteCarlo,
    PreconditionedCrankNicolson,
)
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.inverse.references.problems import darcy_log_normal, simulated
from fsdiff.inverse.references.recentred import GaussianLaw, Recentred
from fsdiff.measures.priors import Matern
from fsdiff.spaces.bases import CosineBasis

KERNELS = [PreconditionedCrankNicolson(), HamiltonianMonteCarlo(leapfrogs=5)]


class Cube:
    """u ↦ u³ for one number."""

    size, affine = 1, False

    def forward(self, u):
        return u**3

    def jvp(self, u, direction):
        return 3 * u**2 * direction

    vjp = jvp


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def of_darcy(n, noise):
    blank = darcy_log_normal(n, torch.zeros(64).double(), noise)
    _, data = simulated(blank, normal(n * n, seed=3), normal(64, seed=1))
    return darcy_log_normal(n, data, noise)


def test_the_law_has_the_covariance_of_the_closed_form():
    prior = GaussianField(CosineBasis(1), Matern(length=0.3), 8, channels=2, mean=0.5)
    map = Linear(normal(3, *prior.shape))
    exact = GaussianPosterior.of(Posterior(prior, map, GaussianNoise(noise=0.1), normal(3, seed=1)))
    law = GaussianLaw(exact)
    root = law.draw(torch.eye(law.normals, dtype=torch.float64)).flatten(1)
    dense, gradient = root.T @ root, normal(4, *prior.shape, seed=2)
    assert torch.allclose(dense.diagonal(), exact.variance.flatten())
    assert torch.allclose(law.covariance(gradient).flatten(1), gradient.flatten(1) @ dense / 8)
    inner = (gradient * law.covariance(gradient)).flatten(1).sum(1) / 8
    assert torch.allclose(law.energy(law.covariance(gradient)), inner)


def test_densities_differ_by_a_constant():
    """Φ + ½|q|²_C = Φ − Φ_L + ½|q − q*|²_{C_L} + a constant, for a map that is not linear."""
    posterior = of_darcy(12, 0.005)
    law = laplace(posterior)
    seen = Recentred.about(posterior, law)
    q = law.deviation + 0.3 * posterior.prior.draw(normal(5, 144, seed=2))
    original = posterior.potential(q) + 0.5 * posterior.prior.energy(q)
    deviation = q - law.deviation
    again = seen.potential(deviation) + 0.5 * seen.prior.energy(deviation)
    constants = original - again
    assert torch.allclose(constants, constants[0].expand(5), rtol=1e-6)
    potential, gradient = seen.gradient(deviation)
    assert torch.allclose(potential, seen.potential(deviation))
    direction, step = posterior.prior.draw(normal(1, 144, seed=7)), 1e-4
    ahead, behind = (seen.potential(deviation + s * direction) for s in (step, -step))
    slope = (gradient * direction).flatten(1).mean(1)
    assert torch.allclose((ahead - behind) / (2 * step), slope, rtol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.kind)
def test_where_the_map_is_linear_every_proposal_is_accepted(kernel):
    prior = GaussianField(CosineBasis(1), Matern(length=0.3), 16)
    posterior = Posterior(
        prior, Linear(normal(4, *prior.shape)), GaussianNoise(noise=0.01), normal(4, seed=1)
    )
    exact = GaussianPosterior.of(posterior)
    seen = Recentred.about(posterior, exact)
    kernel = type(kernel)(first=kernel.largest)
    chains = Chains(seen, kernel, Plan(chains=40, burn_in=0, steps=20, thin=1), seed=0)
    chains.run()
    assert float(chains.acceptance().min()) == pytest.approx(1.0, abs=1e-9)
    draws = chains.fields().double().flatten(0, 1)
    z = (draws.mean(0) - exact.mean) / (exact.variance / len(draws)).sqrt()
    assert z.abs().max() < 4.5


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.kind)
def test_chains_sample_the_posterior_and_not_the_approximation(kernel):
    """x ~ N(1, 1) and y = x³: the mean by quadrature, from which Laplace's is far."""
    prior, gamma = IndependentNormals((1,), mean=1.0), 1.0
    map = Adapted(Cube(), rank=1)
    posterior = Posterior(prior, map, GaussianNoise(noise=gamma), torch.zeros(1).double())
    x = torch.linspace(-6, 6, 40001, dtype=torch.float64)
    weight = torch.softmax(-0.5 * (x - 1).square() - 0.5 * (x**3 / gamma).square(), 0)
    mean = float(weight @ x)
    deviation = float(weight @ (x - mean).square()) ** 0.5
    law = laplace(posterior)
    seen = Recentred.about(posterior, law)
    plan = Plan(chains=40, burn_in=60, steps=160, thin=1)
    chains = Chains(seen, kernel, plan, seed=0)
    chains.run()
    effective = convergence(chains.quantities()).bulk["mode 0"]
    draws = chains.fields().double()
    assert effective > 500
    assert abs(float(draws.mean()) - mean) < 4.5 * deviation / effective**0.5
    assert abs(float(law.mean) - mean) > 9 * deviation / effective**0.5


@pytest.mark.parametrize("law", ["laplace", "fitted"])
def test_convergence_is_judged_by_the_misfit_itself(law):
    """Not by the density that steps are about, which is constant where the map is linear."""
    prior = GaussianField(CosineBasis(1), Matern(length=0.3), 8)
    posterior = Posterior(
        prior, Linear(normal(4, *prior.shape)), GaussianNoise(noise=0.1), normal(4, seed=1)
    )
    functions, deviations = coordinate_functions(prior, 4), prior.draw(normal(30, 8, seed=2))
    about = {
        "laplace": Recentred.about(posterior, laplace(posterior)),
        "fitted": Fitted.about(
            posterior, FittedLaw.of(prior, functions, deviations, torch.ones(30).double())
        ),
    }
    plan = Plan(chains=4, burn_in=4, steps=12, thin=2)
    chains = Chains(about[law], PreconditionedCrankNicolson(), plan, seed=0)
    chains.run()
    drawn = chains.fields().double().flatten(0, 1)
    found = chains.quantities()["potential"].flatten()
    assert torch.allclose(found, posterior.potential(drawn - prior.mean), rtol=1e-4)
