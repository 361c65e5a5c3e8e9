"""Downsampling: projections keep what the coarse grid resolves, averages keep means."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fsdiff import parts
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.downsampling import Average, Circle, Cosine, Fourier, Spectral

BASES = [CosineBasis(1), CosineBasis(2), CosineBasis(3), FourierBasis(1), FourierBasis(2)]
METHODS = [Spectral(), Fourier(), Cosine(), Average(), Average(isometric=True)]


def fields(basis, n, channels=2):
    generator = torch.Generator().manual_seed(n)
    shape = (3, channels, *(n,) * basis.dimension)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_shape_dtype_and_linearity(method, basis):
    u, v = fields(basis, 12), fields(basis, 12) ** 2
    coarse = method(u, 4, basis)
    assert coarse.shape == (3, 2, *(4,) * basis.dimension)
    assert coarse.dtype == torch.float64
    assert method(u.float(), 4, basis).dtype == torch.float32
    torch.testing.assert_close(method(u + 2 * v, 4, basis), coarse + 2 * method(v, 4, basis))


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("method", METHODS[:4], ids=repr)
def test_constants_stay_and_the_mean_is_kept(method, basis):
    u = fields(basis, 12)
    constant = torch.full_like(u, 3.0)
    torch.testing.assert_close(
        method(constant, 6, basis), torch.full_like(u, 3.0)[_first(basis, 6)]
    )
    axes = basis.grid_axes()
    torch.testing.assert_close(method(u, 6, basis).mean(axes), u.mean(axes))


def _first(basis, m):
    return (..., *(slice(m),) * basis.dimension)


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_spectral_is_the_projection_of_the_basis(basis):
    u = fields(basis, 10)
    torch.testing.assert_close(Spectral()(u, 4, basis), basis.restrict(u, 4))


def test_fourier_and_cosine_ignore_the_basis_of_the_data():
    u = fields(CosineBasis(), 8)
    expected = FourierBasis().restrict(u, 4)
    torch.testing.assert_close(Fourier()(u, 4, CosineBasis()), expected)
    torch.testing.assert_close(Cosine()(u, 4, FourierBasis()), CosineBasis().restrict(u, 4))


@pytest.mark.parametrize(
    ("method", "basis", "ends"),
    [
        (Spectral(), CosineBasis(1), 0),
        (Spectral(), FourierBasis(1), 0),
        (Fourier(), FourierBasis(1), 0),
        (Cosine(), CosineBasis(1), 0),
        (Average(), CosineBasis(1), 0),
        (Average(), FourierBasis(1), -1),
        (Cosine(), FourierBasis(1), -1),
        (Fourier(), CosineBasis(1), 1),
    ],
    ids=lambda part: getattr(part, "kind", str(part)),
)
def test_fields_move_by_a_part_of_a_cell_along_axes_of_the_other_kind(method, basis, ends):
    """A bump stays where it was, or moves by (1/m − 1/n)/2 to the start or to the far end."""
    n, m = 256, 64

    def bump(x, place):
        return torch.from_numpy(np.exp((np.cos(2 * np.pi * (x - place)) - 1) / 0.5**2))[None]

    (fine,), (coarse,) = (basis.axis_nodes(size) for size in (n, m))
    found = method(bump(fine, 0.5), m, basis)
    moved = ends * (1 / m - 1 / n) / 2
    still, there = (float((found - bump(coarse, 0.5 + by)).abs().max()) for by in (0.0, moved))
    assert there < 0.005
    assert ends == 0 or still > 4 * there


def test_average_is_the_mean_of_blocks():
    u = torch.arange(16.0).view(1, 1, 4, 4)
    expected = torch.tensor([[2.5, 4.5], [10.5, 12.5]])
    torch.testing.assert_close(Average()(u, 2, CosineBasis())[0, 0], expected)


@given(m=st.integers(1, 5), ratio=st.integers(1, 4), level=st.floats(0.1, 10))
def test_isometric_averages_keep_the_euclidean_norm_of_constants(m, ratio, level):
    for basis in (CosineBasis(1), CosineBasis(2), CosineBasis(3)):
        u = torch.full((1, 1, *(m * ratio,) * basis.dimension), level, dtype=torch.float64)
        norm = Average(isometric=True)(u, m, basis).norm()
        np.testing.assert_allclose(norm, u.norm(), rtol=1e-12)
        # The plain average shrinks Euclidean norms by (n/m)^(d/2).
        factor = ratio ** (basis.dimension / 2)
        np.testing.assert_allclose(factor * Average()(u, m, basis).norm(), u.norm(), rtol=1e-12)


def test_averages_in_steps_are_the_average():
    u = fields(CosineBasis(), 24)
    once = Average()(u, 4, CosineBasis())
    torch.testing.assert_close(Average()(Average()(u, 12, CosineBasis()), 4, CosineBasis()), once)


def test_restricted_phases_are_phases_of_the_restriction():
    phase = 2 * fields(CosineBasis(), 24, channels=1)
    u = torch.cat([phase.cos(), phase.sin()], dim=1)
    inside, coarse = CosineBasis().restrict(u, 8), Circle()(u, 8, CosineBasis())
    assert inside.square().sum(1).mean() < 0.5
    torch.testing.assert_close(coarse.square().sum(1), torch.ones(3, 8, 8, dtype=torch.float64))
    turned = torch.atan2(coarse[:, 1], coarse[:, 0])
    torch.testing.assert_close(turned, torch.atan2(inside[:, 1], inside[:, 0]))
    torch.testing.assert_close(Circle()(u, 24, CosineBasis()), u)


def test_the_circle_is_of_two_channels_without_transforms():
    with pytest.raises(ValueError, match="fields have 3; use spectral"):
        Circle()(fields(CosineBasis(), 8, channels=3), 4, CosineBasis())
    with pytest.raises(ValueError, match="leave transforms out"):
        Circle().check_fields(2, transformed=True)
    with pytest.raises(ValueError, match="coarser grids: 4 -> 8 nodes"):
        Circle()(fields(CosineBasis(), 4), 8, CosineBasis())


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_finer_grids_are_refused(method):
    with pytest.raises(ValueError, match="coarser grids: 4 -> 8 nodes"):
        method(fields(CosineBasis(), 4), 8, CosineBasis())


def test_averages_need_whole_blocks():
    with pytest.raises(ValueError, match=r"48 does not divide 128; use a resolution that divides"):
        Average().check(128, 48, CosineBasis(2))
    with pytest.raises(ValueError, match="5 does not divide 12"):
        Average()(fields(CosineBasis(), 12), 5, CosineBasis())
    Average().check(128, 32, CosineBasis(2))


def test_all_of_them_are_parts():
    kinds = {"average", "circle", "cosine", "fourier", "spectral"}
    assert set(parts.kinds("downsampling")) == kinds
    block = {"kind": "average", "isometric": True}
    assert parts.build("downsampling", block) == Average(isometric=True)
