"""Noise and losses of curves on points at different distances: inner products are weighted."""

import pytest
import torch
from torch import nn

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Noise, Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import Uniform
from fsdiff.measures.priors import Exponential
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.spectrum import MeasuredSpectrum

POINTS = (0.02, 0.05, 0.1, 0.12, 0.3, 0.55, 0.6, 0.97)
KERNEL = Exponential(length=0.3, normalize=False)
BASIS, N = GramBasis(points=POINTS, covariance=KERNEL), len(POINTS)
UNITS = torch.eye(N, dtype=torch.float64)[:, None]


class Nothing(nn.Module):
    def forward(self, x, t):
        return torch.zeros_like(x)


@pytest.fixture
def law():
    spectrum = KERNEL.eigenvalues(BASIS, N).square()[None]
    data = MeasuredSpectrum(spectrum, BASIS, N)
    return Law(basis=BASIS, noise=KERNEL, process=VariancePreserving(), data=data)


def test_coloured_noise_has_the_kernel_between_all_points(law):
    columns = law.colour(UNITS)[:, 0]
    x = torch.tensor(POINTS, dtype=torch.float64)
    expected = KERNEL.correlation((x[:, None] - x).abs())
    torch.testing.assert_close(columns.T @ columns, expected)


def test_the_mean_over_the_domain_is_weighted():
    values = torch.arange(N, dtype=torch.float64).expand(2, N)
    expected = float((values[0] * torch.from_numpy(BASIS.weights())).sum())
    assert BASIS.mean(values).tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize("prediction", [Wiener(), Noise()], ids=lambda p: p.kind)
def test_losses_are_squared_norms_of_functions(law, prediction):
    """Residuals are linear in independent normals: the mean loss is the sum over all of them.

    It is one where the Wiener filter leaves nothing to a network, and the trace of Q for noise.
    """
    loss = DenoisingLoss(Denoiser(law, Nothing(), prediction), Uniform())
    data = BASIS.inverse(law.data.spectrum(N).sqrt() * UNITS, N)
    nothing = torch.zeros_like(data)
    t = torch.full((2 * N,), 0.4, dtype=torch.float64)
    data, noise = torch.cat([data, nothing]), torch.cat([nothing, law.colour(UNITS)])
    expected = 1.0 if prediction.kind == "wiener" else KERNEL.trace(BASIS, N)
    assert float(loss.at(data, t, noise).sum()) == pytest.approx(expected, rel=1e-9)
