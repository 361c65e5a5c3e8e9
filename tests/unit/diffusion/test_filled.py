"""Fields without values at some nodes: what a network says there does not reach the others."""

import numpy as np
import pytest
import torch
from torch import nn

from fsdiff.diffusion.predictions import Data
from fsdiff.diffusion.samplers import DDIM, DPMSolver
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.recursion import Normal, law_of_samples, posterior
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask

N, SIZE = 9, 81
UNITS = torch.eye(SIZE, dtype=torch.float64).view(SIZE, 1, N, N)

SENSORS = Points(points=((0.06, 0.06), (0.5, 0.83), (0.72, 0.39), (0.28, 0.95)), noise=0.1)

GUIDANCE = [
    WienerGuidance(),
    MomentGuidance(iterations=8, tolerance=1e-10),
    PseudoinverseGuidance(),
    PosteriorSampling(),
    PublishedFunDPS(),
    Replacement(),
    DecoupledAnnealing(),
    TwistedSMC(particles=8),
]


def hole(basis):
    """A mask of one channel that lacks a rectangle of 12 nodes."""
    present = torch.ones(1, N, N, dtype=torch.bool)
    present[0, 2:5, 1:5] = False
    return Mask(present, basis)


class Matrix(nn.Module):
    """E[X_0|X_t] of Gaussian fields with this covariance on the nodes, and something added."""

    def __init__(self, covariance, wrong):
        super().__init__()
        self.covariance, self.wrong = covariance, wrong

    def forward(self, seen, level):
        law = self.of()
        marginal = law.marginal(law.process.time_of(-level[:1]), N)
        x = seen * marginal.total_variance.sqrt()

        def matrix(symbol):
            return marginal.apply(symbol, UNITS).view(SIZE, SIZE)

        mean = matrix(marginal.mean_scale * torch.ones_like(marginal.noise_spectrum))
        noise = SIZE * matrix(marginal.noise_scale**2 * marginal.noise_spectrum)
        both = mean @ self.covariance @ mean + noise
        data = (x.flatten(1) @ torch.linalg.solve(both, mean @ self.covariance)).view_as(x)
        return data + self.wrong * (3.0 + x.flip(-1))


class Harmonic:
    """Gaussian fields that are harmonic in the hole, and denoisers of them."""

    def __init__(self, basis, tools):
        self.basis, self.tools, self.mask = basis, tools, hole(basis)
        smooth = SIZE * basis.multiply(UNITS, tools.power_law(basis, N, 4.0)[0]).view(SIZE, SIZE)
        filled = HarmonicFilling(self.mask, N)(UNITS).view(SIZE, SIZE)  # row i: that of node i
        self.covariance = filled.T @ smooth @ filled

    def denoiser(self, *, wrong, masked=True, mask=None):
        """Of a network without error, or one that answers nonsense in the hole."""
        network = Matrix(self.covariance, wrong * (~self.mask.present).double())
        mask = (mask or self.mask) if masked else None
        parts = {"network": network, "prediction": Data(), "mask": mask}
        denoiser = self.tools.make_denoiser(self.basis, N, **parts)
        network.of = lambda: denoiser.law
        return denoiser


@pytest.fixture(params=[CosineBasis(2), FourierBasis(2)], ids=["cosine", "fourier"])
def fields(request, tools):
    return Harmonic(request.param, tools)


def test_a_perfect_denoiser_stays_as_it_is(fields):
    x = torch.randn(3, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    as_it_is, continued = (fields.denoiser(wrong=0.0, masked=m) for m in (False, True))
    for t in (0.1, 0.5, 0.9):
        time = torch.tensor([t], dtype=torch.float64)
        expected, found = as_it_is(x, time), continued(x, time)
        torch.testing.assert_close(found.data, expected.data, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(found.noise, expected.noise, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sampler", [DDIM(steps=8, eta=1.0), DPMSolver(steps=8)])
def test_nonsense_in_the_hole_harms_no_other_node(fields, sampler):
    draw = {"n": N, "indices": [0, 1], "seed": 3, "dtype": torch.float64}
    expected = sampler(fields.denoiser(wrong=0.0, masked=False), **draw).fields
    found = sampler(fields.denoiser(wrong=1.0), **draw).fields
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    harmed = sampler(fields.denoiser(wrong=1.0, masked=False), **draw).fields - expected
    assert not harmed[:, fields.mask.present].abs().max() < 0.1  # other nodes are far off


@pytest.mark.parametrize("guidance", GUIDANCE, ids=lambda guidance: guidance.kind)
def test_nonsense_in_the_hole_harms_no_draws_given_data(fields, guidance):
    """Nor do draws leave the fields that are harmonic there."""
    y = torch.tensor([0.5, -1.0, 0.3, 0.8], dtype=torch.float64)
    draw = {"n": N, "indices": [0, 1], "seed": 3, "dtype": torch.float64}

    def drawn(**parts):
        return guidance.draw(fields.denoiser(**parts), SENSORS, y, DDIM(steps=6), **draw).fields

    expected, found = drawn(wrong=0.0), drawn(wrong=1.0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(HarmonicFilling(fields.mask, N)(found), found, rtol=0, atol=1e-10)
    harmed = drawn(wrong=1.0, masked=False) - expected
    assert not harmed[:, fields.mask.present].abs().max() < 0.1


def test_draws_given_data_are_those_of_the_posterior(fields):
    """By the denoiser's derivative, however wrong the network is in the hole."""
    random = np.random.default_rng(5).multivariate_normal(np.zeros(SIZE), fields.covariance.numpy())
    truth = torch.from_numpy(random).view(1, 1, N, N)
    y = SENSORS.draw(truth, fields.basis, 0, [0])[0]
    matrix = SENSORS.on(fields.basis, 1, N).forward(UNITS).T
    prior = Normal(torch.zeros(SIZE, dtype=torch.float64), fields.covariance)
    exact = posterior(prior, matrix, SENSORS.variances(fields.basis, 1), y)
    for wrong in (0.0, 1.0):
        guided = MomentGuidance(iterations=8, tolerance=1e-10)(
            fields.denoiser(wrong=wrong), SENSORS, y
        )
        law = law_of_samples(DPMSolver(steps=32), guided, N)
        assert law.distance(exact) < 0.01 * exact.size
        assert law.distance(prior) > 0.3 * exact.size


def test_where_a_grid_has_nothing_to_continue_estimates_stay(fields):
    present = torch.zeros(1, N, N, dtype=torch.bool)
    present[0, 0, 0] = True
    law = fields.denoiser(wrong=1.0, mask=Mask(present, fields.basis)).law
    coarse, fine = (torch.randn(1, 1, n, n) for n in (2, N))
    assert law.continued(coarse) is coarse
    assert torch.equal(law.continued(fine), fine[:, :, :1, :1].expand_as(fine))
