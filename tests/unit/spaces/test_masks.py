"""Nodes without values: on every grid, in means, and filled."""

import numpy as np
import pytest
import torch
from torch import nan

from fsdiff.measures.priors.kernel import RBF
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.masks import Mask, overlaps

MIXED = Box(
    axes=(
        Axis(kind="neumann", name="y", nodes=12, side=0.5),
        Axis(kind="periodic", name="x", nodes=24, side=1.0),
    )
)


def some(basis, n, channels=1, seed=0):
    """A third of all nodes is missing, in pieces."""
    random = torch.rand((channels, *basis.grid(n)), generator=torch.Generator().manual_seed(seed))
    return Mask(random > 1 / 3, basis)


@pytest.mark.parametrize("kind", ["neumann", "periodic"])
@pytest.mark.parametrize(("nodes", "others"), [(6, 4), (4, 6), (5, 5), (3, 12)])
def test_cells_cover_cells(kind, nodes, others):
    weights = overlaps(Axis(kind=kind, name="x", nodes=4), nodes, others)
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(weights.sum(0), others / nodes, rtol=1e-12)
    if nodes == others:
        np.testing.assert_allclose(weights, np.eye(nodes), atol=1e-12)


def test_a_node_is_present_where_half_of_its_cell_is():
    row = torch.tensor([[1, 1, 1, 0, 0, 0, 1, 0]], dtype=torch.bool)
    mask = Mask(row, CosineBasis(1))
    assert mask.at(4).int().tolist() == [[1, 1, 0, 1]]
    assert mask.at(2).int().tolist() == [[1, 0]]
    assert mask.at(16).int().tolist() == row.repeat_interleave(2, 1).int().tolist()
    periodic = Mask(torch.tensor([[1, 0, 0, 0, 1, 1, 1, 0]], dtype=torch.bool), FourierBasis(1))
    # Cells of 4 nodes, [-1, 1], [1, 3], … in half steps of 8: halves of their outer ones.
    assert periodic.at(4).int().tolist() == [[1, 0, 1, 1]]


def test_finer_grids_have_the_cells_of_the_data():
    mask = some(CosineBasis(), 8)
    for factor in (2, 3):
        finer = mask.at(8 * factor)
        assert torch.equal(finer[:, factor // 2 :: factor, factor // 2 :: factor], mask.present)
        torch.testing.assert_close(finer.double().mean(), mask.present.double().mean())
        assert torch.equal(Mask(finer, mask.basis).at(8), mask.present)


def test_the_area_that_has_values_is_that_of_the_data():
    x = np.arange(256) / 256
    disc = (x[:, None] - 0.5) ** 2 + (x - 0.4) ** 2 > 0.3**2
    mask = Mask(torch.from_numpy(disc)[None], FourierBasis())
    for n in (32, 64, 128, 512):
        assert float(mask.at(n).double().mean()) == pytest.approx(
            1 - np.pi * 0.3**2, abs=0.5 / min(n, 256)
        )


def test_held_axes_keep_their_nodes():
    box = Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=3, held=True),
            Axis(kind="neumann", name="x", nodes=4),
        )
    )
    present = torch.tensor([[[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]]], dtype=torch.bool)
    assert Mask(present, box).at(2).int().tolist() == [[[1, 1], [1, 0], [0, 1]]]


def test_means_are_those_of_nodes_with_values():
    mask = some(MIXED, 24, channels=2)
    fields = torch.randn(3, 2, 12, 24, dtype=torch.float64)
    expected = torch.stack([fields[:, c][:, mask.present[c]].mean(1) for c in range(2)], 1)
    torch.testing.assert_close(mask.mean(fields), expected)
    assert torch.equal(mask.emptied(fields).isnan(), (~mask.present).expand(3, -1, -1, -1))


def test_masks_that_make_no_sense():
    with pytest.raises(ValueError, match="no values at any node"):
        Mask(torch.zeros(1, 4, 4, dtype=torch.bool), CosineBasis())
    lonely = torch.zeros(1, 8, 8, dtype=torch.bool)
    lonely[0, 3, 3] = True
    with pytest.raises(ValueError, match="less than half of every cell at level 4: leave this"):
        Mask(lonely, CosineBasis()).at(4)
    points = GramBasis(points=(0.1, 0.3, 0.9), covariance=RBF(length=0.1))
    with pytest.raises(ValueError, match="equally spaced"):
        Mask(torch.tensor([[True, False, True]]), points)


@pytest.mark.parametrize("basis", [CosineBasis(), MIXED, SineBasis(), FourierBasis()])
def test_filled_fields_solve_the_equation_and_keep_their_values(basis):
    mask = some(basis, 24, channels=2)
    fields = torch.randn((3, 2, *basis.grid(24)), dtype=torch.float64)
    filled = HarmonicFilling(mask, 24)(mask.emptied(fields))
    present = mask.present.expand_as(fields)
    assert torch.equal(filled[present], fields[present])
    # −Δ by another way than the matrix: differences of neighbours beyond which the walls lie.
    flux = torch.zeros_like(filled)
    for number, (axis, nodes) in enumerate(zip(basis.axes, basis.grid(24), strict=True), start=2):
        u, weight = filled.movedim(number, -1), (nodes / axis.side) ** 2
        if axis.kind == "periodic":
            ends = u[..., -1:], u[..., :1]
        else:
            sign = -1 if axis.kind == "dirichlet" else 1
            ends = sign * u[..., :1], sign * u[..., -1:]
        around = torch.cat([ends[0], u, ends[1]], -1)
        flux += (weight * torch.diff(around, n=2)).movedim(-1, number)
    assert flux[~present].abs().max() < 1e-9 * flux[present].abs().max()
    if basis.constants:
        assert filled.max() == fields[present].max()
        assert filled.min() == fields[present].min()


def test_harmonic_functions_are_continued_exactly():
    box = Box(
        axes=tuple(Axis(kind="neumann", name=name, nodes=n) for name, n in (("y", 16), ("x", 16)))
    )
    y, x = np.meshgrid(*box.axis_nodes(16), indexing="ij")
    fields = torch.from_numpy(np.stack([x**2 - y**2 + 3 * x, x * y - 1, x**3 - 3 * x * y**2]))
    present = torch.ones(1, 16, 16, dtype=torch.bool)
    present[0, 4:9, 6:14] = False
    holed = fields[:, None].masked_fill(~present, nan)
    filled = HarmonicFilling(Mask(present, box), 16)(holed)
    torch.testing.assert_close(filled[:, 0], fields, rtol=0, atol=1e-13)


def test_sides_count_in_what_is_harmonic():
    box = Box(
        axes=(
            Axis(kind="neumann", name="y", nodes=8, side=0.25),
            Axis(kind="neumann", name="x", nodes=16, side=1.0),
        )
    )
    y, x = np.meshgrid(*box.axis_nodes(16), indexing="ij")
    present = torch.ones(1, 8, 16, dtype=torch.bool)
    present[0, 2:6, 3:9] = False
    field = torch.from_numpy(x**2 - y**2)[None]
    filled = HarmonicFilling(Mask(present, box), 16)(field.masked_fill(~present, nan))
    torch.testing.assert_close(filled, field, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_fields_are_filled_one_by_one_and_those_without_gaps_not_at_all(kind):
    basis = ChannelBasis(bases=(CosineBasis(), SineBasis()))
    mask = some(basis, 12, channels=2)
    filling = HarmonicFilling(mask, 12)
    fields = mask.emptied(torch.randn(5, 2, 12, 12, dtype=kind))
    whole = filling(fields)
    assert whole.dtype == kind
    for one, filled in zip(fields, whole, strict=True):
        assert torch.equal(filling(one[None])[0], filled)
    assert torch.equal(filling(whole), whole)
    nothing = HarmonicFilling(Mask(torch.ones_like(mask.present), basis), 12)
    assert torch.equal(nothing(whole), whole)


@pytest.mark.parametrize("basis", [CosineBasis(), MIXED, SineBasis(), FourierBasis()])
def test_gradients_go_through_what_is_filled(basis):
    """⟨F u, v⟩ = ⟨u, Fᵀ v⟩, for v that lie in gaps as well; nothing depends on what lies there."""
    mask = some(basis, 12, channels=2)
    filling, shape = HarmonicFilling(mask, 12), (3, 2, *basis.grid(12))
    u, v = torch.randn((2, *shape), dtype=torch.float64)
    u.requires_grad_()
    product = (filling(u) * v).sum()
    (gradient,) = torch.autograd.grad(product, u)
    torch.testing.assert_close(gradient, filling.transposed(v), rtol=0, atol=0)
    torch.testing.assert_close((u * gradient).sum(), product, rtol=1e-12, atol=1e-12)
    assert not gradient[~mask.present.expand(shape)].any()
    twice = filling.transposed(gradient)  # F is a projection, and so is Fᵀ
    torch.testing.assert_close(twice, gradient, rtol=0, atol=0)


def test_constants_stay_what_they_are():
    mask = some(FourierBasis(), 16)
    fields = torch.full((1, 1, 16, 16), 287.15)
    assert torch.equal(HarmonicFilling(mask, 16)(mask.emptied(fields)), fields)
