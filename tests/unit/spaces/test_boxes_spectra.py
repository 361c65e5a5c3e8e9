"""Shells, continued spectra and downsampling on boxes that are no squares."""

import numpy as np
import pytest
import torch
from test_boxes import box

from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.downsampling import Average, Cosine, Fourier, Spectral
from fsdiff.spaces.shells import shell_energy, whole_shells
from fsdiff.spaces.spectrum import resample_spectrum

RECTANGLES = [
    box(("periodic", 8, 1.0), ("periodic", 16, 2.0)),
    box(("neumann", 6, 1.0), ("periodic", 12, 2.0)),
    box(("dirichlet", 16, 2.0), ("neumann", 8, 1.0)),
    box(("periodic", 4, 0.5), ("neumann", 8, 1.0), ("neumann", 8, 1.0)),
]
HELD = [
    box(("neumann", 5, 3.0), ("periodic", 16, 1.0), held=(0,)),
    box(("periodic", 16, 1.0), ("periodic", 6, 9.0), held=(1,)),
    box(("dirichlet", 4, 1.0), ("neumann", 8, 1.0), ("periodic", 16, 2.0), held=(0,)),
]


def white(basis, n, seed=0):
    normals = np.random.default_rng(seed).standard_normal((2, basis.size(n)))
    return basis.white_noise(normals, n)


@pytest.mark.parametrize("basis", RECTANGLES + HELD)
def test_energies_of_all_shells_are_the_mean_square(basis):
    coefficients = white(basis, 16)
    energy = shell_energy(coefficients.abs().square(), basis, 16)
    torch.testing.assert_close(
        energy.sum(-1), basis.inverse(coefficients, 16).square().mean(basis.grid_axes())
    )


def test_shells_of_a_rectangle_are_those_of_the_square_that_repeats_it():
    """A function of period ½ along y, on the square and on half of it, in shells of equal |ω|."""
    half = box(("periodic", 8, 0.5), ("periodic", 16, 1.0))
    coefficients = white(half, 16)
    u = half.inverse(coefficients, 16)
    square = FourierBasis(2)
    repeated = torch.cat([u, u], dim=-2)
    expected = shell_energy(square.energy(repeated) / square.multiplicity(16).clamp(1), square, 16)
    found = shell_energy(coefficients.abs().square(), half, 16)
    torch.testing.assert_close(found[:, :8], expected[:, :8])
    assert whole_shells(16, half) == whole_shells(16, square) == 7


@pytest.mark.parametrize(
    ("basis", "shells"),
    [
        (box(("periodic", 8, 1.0), ("periodic", 16, 2.0)), 7),
        (box(("periodic", 16, 1.0), ("periodic", 16, 2.0)), 7),
        (box(("periodic", 8, 2.0), ("periodic", 16, 1.0)), 3),
        (box(("neumann", 16, 1.0), ("periodic", 16, 1.0)), 15),
        (box(("neumann", 2, 1.0), ("periodic", 16, 1.0), held=(0,)), 7),
    ],
)
def test_whole_shells_hold_every_mode_of_their_wavenumbers(basis, shells):
    """Counted: no mode of a much finer grid in those shells is missing, one in the next is."""
    assert whole_shells(16, basis) == shells
    count = [
        torch.bincount(basis.wavenumber(n)[basis.resolved(n)].round().long(), minlength=40)
        for n in (16, 64)
    ]
    assert count[0][: shells + 1].equal(count[1][: shells + 1])
    assert count[0][shells + 1] < count[1][shells + 1]


@pytest.mark.parametrize("basis", RECTANGLES + HELD)
@pytest.mark.parametrize(("source", "n"), [(16, 27), (13, 24)])
def test_power_laws_of_frequency_are_continued_exactly_for_each_held_mode(basis, source, n):
    def law(level):
        amplitude = torch.ones(basis.coefficient_shape(level), dtype=torch.float64)
        for number, (axis, k) in enumerate(zip(basis.axes, basis.axis_modes(level), strict=True)):
            if axis.held:
                shape = [-1 if i == number else 1 for i in range(basis.dimension)]
                amplitude = amplitude * torch.from_numpy(2.0 ** -np.abs(k)).reshape(shape)
        power = basis.wavenumber(level).clamp_min(1.0) ** -2.5
        return (amplitude * power * basis.resolved(level))[None]

    found = resample_spectrum(law(source), basis, source, n)
    torch.testing.assert_close(found, law(n), rtol=1e-8, atol=0)


@pytest.mark.parametrize("basis", RECTANGLES + HELD)
def test_coarser_levels_have_the_spectrum_of_restricted_fields(basis):
    u = basis.inverse(white(basis, 16), 16)
    spectrum = basis.forward(u).abs().square().mean(0, keepdim=True)
    coarse = basis.forward(basis.restrict(u, 11)).abs().square().mean(0, keepdim=True)
    torch.testing.assert_close(resample_spectrum(spectrum, basis, 16, 11), coarse)


def test_averages_are_over_the_blocks_of_each_axis():
    basis = box(("neumann", 3, 1.0), ("periodic", 4, 2.0), ("neumann", 8, 2.0), held=(0,))
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((5, *basis.grid(8))))
    expected = u.reshape(5, 3, 2, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(Average()(u, 4, basis), expected)
    torch.testing.assert_close(Average(isometric=True)(u, 4, basis), 2 * expected)
    with pytest.raises(ValueError, match="3 does not divide 8"):
        Average()(u, 3, basis)
    with pytest.raises(ValueError, match="3 does not divide 4"):
        Average().check(12, 9, box(("neumann", 4, 1.0), ("neumann", 12, 1.0)))


def test_spectral_downsampling_is_the_projection_in_the_basis_named():
    basis = box(("neumann", 8, 1.0), ("dirichlet", 16, 2.0))
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 8, 16)))
    assert Spectral()(u, 8, basis).equal(basis.restrict(u, 8))
    for method, kind in [(Fourier(), "periodic"), (Cosine(), "neumann")]:
        other = box((kind, 8, 1.0), (kind, 16, 2.0))
        assert method(u, 8, basis).equal(other.restrict(u, 8))
    square = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 16, 16)))
    assert Fourier()(square, 8, CosineBasis(2)).equal(FourierBasis(2).restrict(square, 8))
