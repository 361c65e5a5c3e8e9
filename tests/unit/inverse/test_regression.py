"""Regression with Gaussian processes: posteriors from kernels, at context and target points."""

import numpy as np
import pytest
import torch

from fsdiff.diffusion.exact import ExactDenoiser, GaussianMixture
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.kernel import RBF, Matern
from fsdiff.spaces.gram import GramBasis

CONTEXT, TARGETS = 6, 40


@pytest.mark.parametrize("kernel", [Matern(length=0.25), RBF(length=0.2)], ids=lambda k: k.kind)
def test_regression_from_context_points(kernel):
    """Mean and standard deviation at the targets, those of the Gaussian process, to 2 %."""
    random = np.random.default_rng(0)
    places = np.sort(random.random(CONTEXT + TARGETS))
    seen = np.sort(random.permutation(len(places))[:CONTEXT])
    basis = GramBasis(points=tuple(places), covariance=kernel)
    data = GaussianMixture(
        basis,
        torch.zeros(1, 1, len(places)).double(),
        lambda n: kernel.eigenvalues(basis, n)[None],
        torch.ones(1).double(),
    )
    denoiser = ExactDenoiser(data, noise=kernel, process=VariancePreserving())
    context = Points(points=[(x,) for x in places[seen]], noise=0.1)
    y = torch.from_numpy(random.standard_normal(CONTEXT))
    guided = WienerGuidance()(denoiser, context, y)
    law = law_of_samples(DPMSolver(steps=32), guided, len(places))

    def covariance(a, b):
        return kernel.correlation(torch.from_numpy(np.abs(a[:, None] - b))).numpy()

    bracket = covariance(places[seen], places[seen]) + 0.01 * np.eye(CONTEXT)
    gain = np.linalg.solve(bracket, covariance(places[seen], places)).T
    mean = gain @ y.numpy()
    left = covariance(places, places) - gain @ covariance(places[seen], places)
    deviation = np.sqrt(np.diag(left))
    assert np.linalg.norm(law.mean.numpy() - mean) < 0.02 * np.linalg.norm(mean)
    found = law.covariance.diagonal().clamp_min(0).sqrt().numpy()
    assert np.linalg.norm(found - deviation) < 0.02 * np.linalg.norm(deviation)
