"""Fields of which each channel has a basis, and noise, of its own."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from test_boxes import box

from fsdiff import parts
from fsdiff.blocks.types import block_type
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.measures.priors import Bessel, Matern
from fsdiff.measures.priors.channels import ChannelPrior
from fsdiff.measures.roughness import compare_prior
from fsdiff.metrics.sliced import SlicedWasserstein
from fsdiff.metrics.spectra import SpectrumError
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.shells import shell_energy
from fsdiff.spaces.spectrum import resample_spectrum

SQUARE = ChannelBasis(bases=(CosineBasis(2), SineBasis(2)))
CHANNEL_FLOW = ChannelBasis(
    bases=(
        box(("dirichlet", 8, 1.0), ("periodic", 16, 2.0)),
        box(("neumann", 8, 1.0), ("periodic", 16, 2.0)),
    )
)
BOTH = pytest.mark.parametrize("basis", [SQUARE, CHANNEL_FLOW], ids=["square", "rectangle"])


def rough(basis, n, seed=0):
    values = np.random.default_rng(seed).standard_normal((3, len(basis.bases), *basis.grid(n)))
    return torch.from_numpy(values)


def each(basis, function):
    return torch.stack([function(c, own) for c, own in enumerate(basis.bases)], 1)


@BOTH
def test_every_channel_is_treated_in_its_own_basis(basis):
    u = rough(basis, 16)
    assert basis.forward(u).equal(each(basis, lambda c, own: own.forward(u[:, c])))
    assert basis.restrict(u, 9).equal(each(basis, lambda c, own: own.restrict(u[:, c], 9)))
    assert basis.prolong(u, 21).equal(each(basis, lambda c, own: own.prolong(u[:, c], 21)))
    assert basis.energy(u).equal(each(basis, lambda c, own: own.energy(u[:, c])))
    symbol = 1 / (1 + basis.omega_squared(16))
    assert basis.multiply(u, symbol).equal(
        each(basis, lambda c, own: own.multiply(u[:, c], 1 / (1 + own.omega_squared(16))))
    )
    assert basis.resolution(u) == 16
    assert not basis.periodic
    assert [axis.kind for axis in basis.axes] == ["neumann", basis.bases[0].axes[1].kind] or (
        basis is SQUARE
    )


@BOTH
def test_noise_is_nested_and_that_of_each_channel(basis):
    for prior in (Bessel(), ChannelPrior(priors=(Bessel(), Matern(length=0.3)))):
        fine, coarse = (prior.sample(basis, n, [1, 4], 0, channels=2) for n in (16, 7))
        torch.testing.assert_close(basis.restrict(fine, 7), coarse, rtol=0, atol=1e-10)
        assert prior.eigenvalues(basis, 64).shape == (2, *basis.coefficient_shape(64))
        traces = (basis.multiplicity(64) * prior.eigenvalues(basis, 64)).sum((1, 2))
        torch.testing.assert_close(traces, torch.ones_like(traces))
    law = GaussianRandomField()
    drawn = law.sample(basis, 16, [3], 0, channels=2)
    for c, own in enumerate(basis.bases):
        assert drawn[:, c].equal(law.sample(own, 16, [3], 0, channels=2)[:, c])


def test_one_basis_takes_a_prior_for_each_channel():
    priors = Bessel(), Matern(length=0.3)
    basis = FourierBasis(2)
    drawn = ChannelPrior(priors=priors).sample(basis, 16, [0], 0, channels=2)
    for c, prior in enumerate(priors):
        assert drawn[:, c].equal(prior.sample(basis, 16, [0], 0, channels=2)[:, c])


@BOTH
def test_spectra_are_those_of_each_channel(basis):
    u = basis.restrict(rough(basis, 16), 16)
    squares = basis.forward(u).abs().square().mean(0)
    shells = shell_energy(squares, basis, 16)
    torch.testing.assert_close(shells.sum(-1), u.square().mean((0, 2, 3)))
    finer = resample_spectrum(squares, basis, 16, 25)
    for c, own in enumerate(basis.bases):
        assert finer[c].equal(resample_spectrum(squares[[c]], own, 16, 25)[0])
    assert SpectrumError()(u, u, basis)["log_spectrum_error"] == 0
    alone = basis.select([1])
    found = SlicedWasserstein(projections=5)(u[:, [1]], 2 * u[:, [1]], alone)
    assert found == SlicedWasserstein(projections=5)(u[:, [1]], 2 * u[:, [1]], basis.bases[1])


@BOTH
def test_noise_like_the_data_is_rough_enough_in_every_channel(basis):
    prior = Bessel(power=1.0)
    comparison = compare_prior(prior.eigenvalues(basis, 32), prior, basis, 32)
    assert comparison.rough_enough
    np.testing.assert_allclose(comparison.data, comparison.noise)
    smooth = ChannelPrior(priors=(Bessel(power=1.0), Bessel(power=6.0)))
    assert not compare_prior(prior.eigenvalues(basis, 32), smooth, basis, 32).rough_enough


def test_blocks_describe_them():
    block = json.loads(json.dumps(dataclasses.asdict(CHANNEL_FLOW)))
    assert parts.build("basis", block) == CHANNEL_FLOW
    assert block_type(ChannelBasis).model_validate(block).part == CHANNEL_FLOW
    assert {"fsdiff.spaces.channels", "fsdiff.spaces.boxes"} <= parts.modules({"basis": block})
    prior = {"kind": "by_channel", "priors": [{"kind": "bessel"}, {"kind": "rbf", "length": 0.2}]}
    checked = block_type(ChannelPrior).model_validate(prior)
    assert checked.part == parts.build("prior", checked.plain())
    assert checked.part.priors[1].length == 0.2


def test_other_grids_and_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match="bases: give axes of the same names"):
        ChannelBasis(bases=(CosineBasis(2), FourierBasis(2)))
    points = GramBasis(points=(0.1, 0.2, 0.9), covariance=Matern())
    with pytest.raises(ValueError, match=r"bases: one is gram, .* give it as the basis of all"):
        ChannelBasis(bases=(points, points))
    with pytest.raises(ValueError, match="fields have 3 channels and the basis is for 2"):
        SQUARE.forward(torch.zeros(1, 3, 8, 8))
