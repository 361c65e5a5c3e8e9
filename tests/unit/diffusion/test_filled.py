"""Fields without values at some nodes: what a network says there does not reach the others."""

from dataclasses import dataclass

import pytest
import torch

from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.filled import FilledDenoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.samplers import DDIM, DPMSolver
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask

N = 9


def hole(basis):
    """A mask of one channel that lacks a rectangle of 12 nodes."""
    present = torch.ones(1, N, N, dtype=torch.bool)
    present[0, 2:5, 1:5] = False
    return Mask(present, basis)


@dataclass(frozen=True)
class Matrix:
    """E[X_0|X_t] of Gaussian fields with this covariance on the nodes, and something added."""

    law: Law
    covariance: torch.Tensor
    wrong: torch.Tensor

    def estimate(self, x, marginal, condition=None):
        size = N * N
        units = torch.eye(size, dtype=torch.float64).view(size, 1, N, N)

        def matrix(symbol):
            return marginal.apply(symbol, units).view(size, size)

        mean = matrix(marginal.mean_scale * torch.ones_like(marginal.noise_spectrum))
        noise = size * matrix(marginal.noise_scale**2 * marginal.noise_spectrum)
        both = mean @ self.covariance @ mean + noise
        data = (x.flatten(1) @ torch.linalg.solve(both, mean @ self.covariance)).view_as(x)
        data = data + self.wrong * (3.0 + x.square())
        return Estimate(data, marginal.noise_from_data(x, data), marginal)


@pytest.fixture(params=[CosineBasis(2), FourierBasis(2)], ids=["cosine", "fourier"])
def exact(request, tools):
    """The denoiser of Gaussian fields that are harmonic in the hole, and that without an idea."""
    basis, size = request.param, N * N
    mask = hole(basis)
    law = tools.make_denoiser(basis, N, prior=Bessel()).law
    units = torch.eye(size, dtype=torch.float64).view(size, 1, N, N)
    smooth = size * basis.multiply(units, tools.power_law(basis, N, 4.0)[0]).view(size, size)
    filled = HarmonicFilling(mask, N)(units).view(size, size)  # row i is the filling of node i
    covariance = filled.T @ smooth @ filled
    wrong = (~mask.present).double()
    return Matrix(law, covariance, 0 * wrong), Matrix(law, covariance, wrong), mask


def test_a_perfect_denoiser_stays_as_it_is(exact):
    right, _, mask = exact
    x = torch.randn(3, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for t in (0.1, 0.5, 0.9):
        marginal = right.law.marginal(torch.tensor([t], dtype=torch.float64), N)
        expected = right.estimate(x, marginal)
        found = FilledDenoiser(right, mask).estimate(x, marginal)
        torch.testing.assert_close(found.data, expected.data, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(found.noise, expected.noise, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sampler", [DDIM(steps=8, eta=1.0), DPMSolver(steps=8)])
def test_nonsense_in_the_hole_harms_no_other_node(exact, sampler):
    right, wrong, mask = exact
    draw = {"n": N, "indices": [0, 1], "seed": 3, "dtype": torch.float64}
    expected = sampler(right, **draw).fields
    found = sampler(FilledDenoiser(wrong, mask), **draw).fields
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    harmed = (sampler(wrong, **draw).fields - expected)[:, mask.present]
    assert not harmed.abs().max() < 0.1  # without it, other nodes are far off


def test_where_a_grid_has_nothing_to_continue_estimates_stay(exact):
    _, wrong, _ = exact
    present = torch.zeros(1, N, N, dtype=torch.bool)
    present[0, 0, 0] = True
    filled = FilledDenoiser(wrong, Mask(present, wrong.law.basis))
    assert filled._filling(2) is None
    assert filled._filling(N) is not None
