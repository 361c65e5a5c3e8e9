"""Energy by wavenumber."""

import numpy as np
import pytest
import torch

from fsdiff.measures.priors.convolution import Bessel
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.shells import shell_energy, whole_shells


@pytest.mark.parametrize("kind", [CosineBasis, FourierBasis])
@pytest.mark.parametrize(("dimension", "n"), [(1, 16), (2, 9), (2, 10), (3, 6)])
def test_shells_are_sums_over_modes_by_length(kind, dimension, n):
    basis = kind(dimension)
    random = np.random.default_rng(0)
    squares = torch.from_numpy(random.uniform(1, 2, (2, *basis.coefficient_shape(n))))
    expected = np.zeros((2, n * 2))
    grids = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    for place in np.ndindex(basis.coefficient_shape(n)):
        length = np.sqrt(sum(float(k[place]) ** 2 for k in grids))
        shell = int(np.floor(length + 0.5))
        expected[:, shell] += basis.multiplicity(n)[place].item() * squares[:, *place].numpy()
    found = shell_energy(squares, basis, n).numpy()
    np.testing.assert_allclose(found, expected[:, : found.shape[1]], rtol=1e-13)
    assert not expected[:, found.shape[1] :].any()
    assert (found[:, -1] > 0).all()


def test_modes_between_two_shells_are_in_the_upper_one():
    """On a box of sides 2 and 3 modes along the shorter one have |k| = 3/2, 3, 9/2, …"""
    sides, n = {"y": 2.0, "x": 3.0}, 8
    axes = (Axis(kind="neumann", name=name, nodes=n, side=side) for name, side in sides.items())
    basis = Box(axes=tuple(axes))
    energy = shell_energy(torch.ones(basis.coefficient_shape(n), dtype=torch.float64), basis, n)
    length = basis.wavenumber(n)
    expected = [((length >= k - 0.5) & (length < k + 0.5)).sum() for k in range(len(energy))]
    assert ((2 * length) % 2 == 1).any()
    assert energy.tolist() == [float(count) for count in expected]


def test_the_trace_of_a_prior_is_the_sum_over_its_shells(basis):
    prior = Bessel()
    energy = shell_energy(prior.eigenvalues(basis, 24), basis, 24)
    assert float(energy.sum()) == pytest.approx(prior.trace(basis, 24))


def test_fields_and_their_mean_squares_have_the_same_shells(basis):
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 2, 12, 12)))
    mean_squares = basis.forward(u).abs().square().mean(0)
    k, expected = radial_spectrum(u, basis)
    energy = shell_energy(mean_squares, basis, 12)
    torch.testing.assert_close(energy, expected, rtol=1e-12, atol=0)
    assert len(k) == energy.shape[1]
    assert whole_shells(12, basis) == (11 if basis.kind == "cosine" else 5)


def test_coefficients_of_another_grid_are_refused(basis):
    with pytest.raises(ValueError, match="12 nodes have coefficients"):
        shell_energy(torch.ones(10, 10), basis, 12)
