"""Ensembles annealed from the prior to the posterior, and chains about the laws fitted to them."""

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Differentiable, ImpossibleFieldError, Linear
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.fitted import (
    Fitted,
    FittedLaw,
    coordinate_functions,
    coordinates_of,
)
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kernels import (
    HamiltonianMonteCarlo,
    PreconditionedCrankNicolson,
)
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.markov import MarkovChains
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.inverse.references.recentred import Recentred
from fsdiff.measures.initial import PowerLawField
from fsdiff.measures.priors import Matern
from fsdiff.spaces.bases import CosineBasis, FourierBasis

PRIORS = {
    "cosines": GaussianField(CosineBasis(2), PowerLawField(1.0, 9.0, 2.0), 6, mean=0.3),
    "circle": GaussianField(FourierBasis(1), Matern(length=0.3), 9, channels=2),
    "parameters": IndependentNormals((2, 3), 1.0, 0.5),
}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def fitted(prior, modes=4):
    functions = coordinate_functions(prior, modes)
    deviations = prior.draw(normal(40, prior.normals, seed=5)) * 0.5
    return FittedLaw.of(prior, functions, deviations, torch.rand(40, dtype=torch.float64))


def linear(prior, noise=0.2):
    map = Linear(normal(3, *prior.shape))
    return Posterior(prior, map, GaussianNoise(noise=noise), normal(3, seed=1))


def annealed(annealing, posterior):
    """The law, all of the ensemble, what each move has said, and how much it has done."""
    kernel, words, shares = PreconditionedCrankNicolson(), [], []
    course = annealing.course(posterior, kernel, annealing.particles, seed=0)
    while course.share < 1:
        shares.append(course.share)
        words.append(course.move())
    return course.begun().law, course.begun().deviations, words, shares


def covariance_of(law):
    root = law.draw(torch.eye(law.normals, dtype=torch.float64)).flatten(1)
    return root.T @ root


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_functions_of_the_coordinates_are_orthogonal_and_make_the_prior(prior):
    functions = coordinate_functions(prior, prior.normals)
    flat = functions.flatten(1)
    gram = flat @ flat.T
    assert torch.allclose(gram, torch.diag(gram.diagonal()), atol=1e-12 * float(gram.max()))
    assert torch.allclose(functions.square().sum(0), prior.variance)
    draws = prior.draw(normal(3, prior.normals))
    again = torch.tensordot(coordinates_of(draws, functions), functions, 1)
    assert torch.allclose(again, draws)
    few = coordinate_functions(prior, 3)
    assert torch.equal(few, functions[:3])


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_a_fitted_law_is_consistent(prior):
    law = fitted(prior)
    dense, gradient = covariance_of(law), normal(5, *prior.shape, seed=2)
    nodes = torch.Size(prior.shape[1:]).numel()
    assert torch.allclose(law.covariance(gradient).flatten(1), gradient.flatten(1) @ dense / nodes)
    assert torch.allclose(dense.diagonal(), law.variance.flatten())
    inner = (gradient * law.covariance(gradient)).flatten(1).sum(1) / nodes
    assert torch.allclose(law.energy(law.covariance(gradient)), inner)


def test_a_law_has_the_weighted_moments_of_draws():
    prior = PRIORS["cosines"]
    functions = coordinate_functions(prior, 2)
    draws = torch.tensordot(torch.tensor([[1.0, 0], [3, 1], [9, 9]]).double(), functions, 1)
    law = FittedLaw.of(prior, functions, draws, torch.tensor([2.0, 2.0, 0.0]).double())
    assert torch.allclose(law.centre, torch.tensor([2.0, 0.5]).double())
    assert torch.allclose(law.mean, prior.mean + 2 * functions[0] + 0.5 * functions[1])
    shrunk = 1.5 * torch.tensor([[1.0, 0.4995], [0.4995, 0.25]]).double()
    assert torch.allclose(law.factor @ law.factor.T, shrunk, atol=1e-7)


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_a_posterior_about_a_fitted_law_has_the_same_density(prior):
    """Of posterior to prior and to the law: the logarithms differ by a constant."""
    posterior, law = linear(prior), fitted(prior)
    about = Fitted.about(posterior, law)
    # Differences from the mean of the law in the range of the prior.
    q = prior.draw(normal(6, prior.normals, seed=3))
    own = about.potential(q) + 0.5 * law.energy(q)
    there = posterior.potential(q + law.shift) + 0.5 * prior.energy(q + law.shift)
    assert torch.allclose(own - own[0], there - there[0])


def test_its_gradient_is_that_of_its_potential():
    prior = PRIORS["cosines"]
    about = Fitted.about(linear(prior), fitted(prior))
    q, direction = prior.draw(normal(2, prior.normals, seed=4)), normal(2, *prior.shape, seed=6)
    ahead, behind = about.potential(q + 1e-4 * direction), about.potential(q - 1e-4 * direction)
    _, gradient = about.gradient(q)
    slope = (gradient * direction).flatten(1).sum(1) / 36
    assert torch.allclose((ahead - behind) / 2e-4, slope, rtol=1e-6)


def test_fields_beside_one_without_a_value_have_the_gradient_that_they_have_alone():
    def root(u):
        if (u <= 0).any():
            raise ImpossibleFieldError("no root")
        return u.flatten(1).sqrt()

    prior = IndependentNormals((1, 1), mean=2.0)
    data = torch.ones(1, dtype=torch.float64)
    map = Differentiable(root, 1, rank=2)
    posterior = Posterior(prior, map, GaussianNoise(noise=0.5), data)
    q = torch.tensor([-5.0, 0.5, 3.0], dtype=torch.float64).view(3, 1, 1)
    laws = [fitted(prior, modes=1), GaussianPosterior.of(posterior)]
    for about in (posterior, Fitted.about(posterior, laws[0]), Recentred.about(posterior, laws[1])):
        potential, gradient = about.gradient(q)
        assert potential[0] == torch.inf
        assert gradient.shape == q.shape
        assert gradient[0] == 0
        for number in (1, 2):
            alone, its_gradient = about.gradient(q[number : number + 1])
            assert torch.allclose(potential[number], alone[0])
            assert torch.allclose(gradient[number], its_gradient[0])


def test_an_ensemble_has_the_moments_of_the_closed_form():
    """Five standard errors of as many independent draws as there are particles over ten."""
    prior = PRIORS["cosines"]
    posterior = linear(prior, noise=0.02)
    exact = GaussianPosterior.of(posterior)
    law, ensemble, words, _ = annealed(Annealing(particles=600, moves=8, modes=20), posterior)
    error = (ensemble.mean(0) - exact.deviation) / exact.variance.sqrt()
    assert error.abs().max() < 5 / 60**0.5
    ratio = ensemble.var(0) / exact.variance
    assert (ratio - 1).abs().max() < 5 * (2 / 60) ** 0.5
    # Without the data they would be more than this away.
    assert (exact.deviation / exact.variance.sqrt()).abs().max() > 2
    assert torch.allclose(law.centre, coordinates_of(ensemble, law.functions).mean(0))
    assert len(words) % 8 == 0
    assert words[-1] == "move 8 of 8 at 1.0e+00 of the information"


def test_an_approximate_computation_is_annealed_to_its_tolerance():
    """Of one number with a flat likelihood the posterior is the prior between two bounds."""
    prior = IndependentNormals((1, 1))
    map = Linear(torch.ones(1, 1, 1, dtype=torch.float64))
    likelihood = MeanAbsoluteError(tolerance=0.01, scale=10.0)
    posterior = Posterior(prior, map, likelihood, torch.tensor([1.5]).double())
    ensemble = annealed(Annealing(particles=400, moves=8, modes=1), posterior)[1]
    error = ensemble.flatten() - 1.5
    assert error.abs().max() <= 0.01
    assert error.abs().max() > 0.009
    assert abs(error.mean()) < 5 * 0.01 / 3**0.5 / 40**0.5


def test_fields_without_a_value_are_left_behind():
    def root(u):
        if (u <= 0).any():
            raise ImpossibleFieldError("no root")
        return u.flatten(1).sqrt()

    prior = IndependentNormals((1, 1))
    posterior = Posterior(prior, Differentiable(root, 1), GaussianNoise(noise=3.0), torch.ones(1))
    ensemble = annealed(Annealing(particles=200, moves=4, modes=1), posterior)[1]
    assert (ensemble > 0).all()
    assert posterior.observed(torch.tensor([[[[-1.0]]], [[[4.0]]]])[:, 0]).isnan().tolist() == [
        [True],
        [False],
    ]


@pytest.mark.parametrize("kernel", [None, HamiltonianMonteCarlo(leapfrogs=3)], ids=["pcn", "hmc"])
def test_chains_go_on_from_the_ensemble(kernel, tmp_path):
    prior = PRIORS["parameters"]
    posterior = linear(prior, noise=0.01)
    exact = GaussianPosterior.of(posterior)
    options = {} if kernel is None else {"kernel": kernel}
    annealing = Annealing(particles=300, moves=8, modes=6)
    plan = {"chains": 16, "burn_in": 100, "steps": 300, "thin": 3}
    chains = MarkovChains(annealing=annealing, **plan, **options)
    drawn = chains.draw(posterior, 800, 0, state=tmp_path / "state")
    error = (drawn.fields.double().mean(0) - exact.mean) / exact.variance.sqrt()
    assert error.abs().max() < 5 / min(drawn.effective_size, 800) ** 0.5
    assert drawn.effective_size > 200
    again = chains.draw(posterior, 800, 0, state=tmp_path / "state")
    assert torch.equal(again.fields, drawn.fields)


def test_two_laws_of_steps_are_refused():
    with pytest.raises(ValueError, match="particles = 100: give twice as many as modes, 128"):
        Annealing(particles=100)
    message = "recentred and annealing: steps are about one law; leave out all but one of them"
    with pytest.raises(ValueError, match=message):
        MarkovChains(annealing=Annealing(), recentred=True)
