"""The Wiener filter of several channels against conditional expectations by matrices of nodes."""

import pytest
import torch

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.joint import JointModes
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import Uniform
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces import coherence, symbols
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.spectrum import MeasuredSpectrum

N, SAMPLES = 9, 400
PROCESSES = {"vp": VariancePreserving(), "heat": StochasticHeat(length=0.2)}
BASES = {"cosine": CosineBasis(1), "circle": FourierBasis(1), "torus": FourierBasis(2)}


def pairs(basis, count=SAMPLES, seed=0):
    """A field, its derivative in the first direction with noise, and one that knows of neither."""
    random = torch.Generator().manual_seed(seed)
    size = basis.size(N)
    white = torch.randn((count, 3, size), generator=random, dtype=torch.float64)
    coefficients = (
        basis.white_noise(white.numpy(), N) * Bessel(power=1.0).eigenvalues(basis, N).sqrt()
    )
    fields = basis.inverse(coefficients, N)
    moved = fields[:, 0].roll(1, 1) if isinstance(basis, FourierBasis) else fields[:, 0]
    return torch.stack([fields[:, 0], 30 * (moved + 0.3 * fields[:, 1]), fields[:, 2]], 1)


def measured(fields, basis):
    """Their second moments, those of channels together included."""
    moments = coherence.products(basis.forward(fields)) / len(fields)
    energy = moments.diagonal().movedim(-1, 0).real
    return MeasuredSpectrum(energy, basis, N, coherence.coherence(moments, len(fields), basis))


def denoiser(basis, process, network, channels="joint", noise=None):
    data = measured(pairs(basis), basis)
    law = Law(basis=basis, noise=noise or Bessel(), process=process, data=data)
    return Denoiser(law, network, Wiener(channels=channels))


def matrix(basis, symbol):
    """A covariance of functions as one of nodal values of all channels."""
    size = 3 * basis.size(N)
    units = torch.eye(size, dtype=torch.float64).view(size, 3, *basis.grid(N))
    return basis.size(N) * symbols.multiply(basis, units, symbol).reshape(size, size)


def operator(basis, symbol):
    return matrix(basis, symbol) / basis.size(N)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
def test_a_network_that_predicts_nothing_is_exact_for_channels_that_are_jointly_gaussian(
    basis, process, tools
):
    """m C Mᵀ(M C Mᵀ + R Q Rᵀ)⁻¹ x; by itself a channel tells less."""
    found = denoiser(basis, process, tools.Zero())
    t = torch.tensor([0.3], dtype=torch.float64)
    marginal = found.law.marginal(t, N)
    shape = (3, *basis.coefficient_shape(N))
    m, r = (scale[0].expand(shape) for scale in (marginal.mean_scale, marginal.noise_scale))
    mean = operator(basis, m)
    covariance = matrix(basis, found.law.data.joint(N))
    noise = matrix(basis, r.square() * marginal.noise_spectrum)
    gain = covariance @ mean.T @ torch.linalg.inv(mean @ covariance @ mean.T + noise)
    x = pairs(basis, 3, seed=1)
    exact = (x.flatten(1) @ gain.T).view_as(x)
    torch.testing.assert_close(found(x, t).data, exact, rtol=1e-8, atol=1e-8)
    left = (covariance - gain @ mean @ covariance).diagonal().view(3, -1).mean(1)
    torch.testing.assert_close(marginal.joint.wiener_residual.flatten(), left)
    output = (gain @ mean @ covariance).diagonal().view(3, -1).mean(1)
    torch.testing.assert_close(marginal.joint.wiener_output.flatten(), output)
    assert left[0] < 0.5 * marginal.wiener_residual.flatten()[0]


def test_targets_have_unit_variance_and_are_those_of_the_estimate(tools):
    """‖F − (X_0 − G x)/s‖² of a network that is zero, over draws of the law."""
    basis = BASES["circle"]
    for channels in ("apart", "joint"):
        found = denoiser(basis, PROCESSES["vp"], tools.Zero(), channels)
        loss = DenoisingLoss(found, Uniform())
        losses = loss(pairs(basis, 4000, seed=2), torch.Generator().manual_seed(0))
        assert float(losses.mean()) == pytest.approx(3.0, rel=0.05)  # channels together


def test_channels_of_which_nothing_is_known_are_filtered_apart(tools):
    basis = BASES["circle"]
    known = measured(pairs(basis), basis)
    alone = MeasuredSpectrum(known.values, basis, N)
    law = Law(basis=basis, noise=Bessel(), process=PROCESSES["vp"], data=alone)
    x, t = pairs(basis, 3, seed=1), torch.tensor([0.3], dtype=torch.float64)
    one, other = (
        Denoiser(law, tools.Zero(), Wiener(channels=channels))(x, t).data
        for channels in ("apart", "joint")
    )
    assert torch.equal(one, other)


def test_channels_with_different_walls_have_scales_of_their_own(tools):
    """Of a heat process: those with sines know of each other, the one with cosines of neither."""
    sines, cosines = SineBasis(1), CosineBasis(1)
    basis = ChannelBasis(bases=(sines, cosines, sines))
    fields = torch.stack([pairs(own)[:, c] for c, own in enumerate((sines, cosines, sines))], 1)
    fields[:, 2] = 2 * fields[:, 0] + 0.1 * fields[:, 2]
    data = measured(fields, basis)
    law = Law(basis=basis, noise=Bessel(), process=PROCESSES["heat"], data=data)
    t = torch.tensor([0.3], dtype=torch.float64)
    both, apart = (
        Denoiser(law, tools.Zero(), Wiener(channels=channels))(fields[:4], t).data
        for channels in ("joint", "apart")
    )
    torch.testing.assert_close(both[:, 1], apart[:, 1])
    alone = Law(
        basis=sines,
        noise=Bessel(),
        process=PROCESSES["heat"],
        data=measured(fields[:, [0, 2]], sines),
    )
    by_itself = Denoiser(alone, tools.Zero(), Wiener(channels="joint"))
    torch.testing.assert_close(both[:, [0, 2]], by_itself(fields[:4, [0, 2]], t).data)


def test_modes_without_noise_or_data_are_no_modes():
    basis = BASES["circle"]
    covariance = measured(pairs(basis), basis).joint(N)
    noise = Bessel().eigenvalues(basis, N).expand(3, -1).clone()
    covariance[..., 0], noise[:, 0] = 0, 0  # neither
    noise[:, 1] = 0  # data alone
    modes = JointModes.of(covariance, noise, basis)
    assert all(part.isfinite().all() for part in modes)
    assert float(modes.ratio[:, 0].abs().max()) == 0
    rebuilt = torch.einsum("aj...,j...,bj...->ab...", modes.back, modes.ratio, modes.back.conj())
    torch.testing.assert_close(rebuilt, covariance)
