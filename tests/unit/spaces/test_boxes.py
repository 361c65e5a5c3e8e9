"""Boxes of any shape against explicit trigonometric series, scipy's transforms and unit boxes."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fsdiff import parts
from fsdiff.blocks.types import block_type
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box

KINDS = ("periodic", "neumann", "dirichlet")
UNIT_BOXES = {"periodic": FourierBasis, "neumann": CosineBasis, "dirichlet": SineBasis}
CLOSE = {"rtol": 1e-11, "atol": 1e-11}

quick = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 10**6)
levels = st.integers(2, 9)


@st.composite
def boxes(draw, most=3):
    """Boxes of 1 to 3 axes with any kinds, sides, proportions and held axes but one."""
    dimension = draw(st.integers(1, most))
    refined = draw(st.integers(0, dimension - 1))
    axes = [
        Axis(
            kind=draw(st.sampled_from(KINDS)),
            name=name,
            nodes=draw(st.integers(2, 6)),
            side=draw(st.sampled_from([0.5, 1.0, 1.7, 3.0])),
            held=number != refined and draw(st.booleans()),
        )
        for number, name in enumerate("abc"[:dimension])
    ]
    return Box(axes=tuple(axes))


def box(*axes, held=()):
    """A box from (kind, nodes, side) of each axis."""
    return Box(
        axes=tuple(
            Axis(kind=kind, name="tyx"[-len(axes) :][i], nodes=nodes, side=side, held=i in held)
            for i, (kind, nodes, side) in enumerate(axes)
        )
    )


def factor(axis, k, x):
    """A real function of unit mean square with wavenumber k; sines for negative periodic ones."""
    angle = (2 if axis.kind == "periodic" else 1) * np.pi * abs(k) * x / axis.side
    if axis.kind == "dirichlet" or k < 0:
        return np.sqrt(2) * np.sin(angle)
    return np.sqrt(2) * np.cos(angle) if k else np.ones_like(x)


def wavenumbers(axis, nodes):
    """What ``nodes`` nodes resolve, from the definition of V_n."""
    if axis.kind == "periodic":
        return np.arange(-((nodes - 1) // 2), (nodes - 1) // 2 + 1)
    return np.arange(1 if axis.kind == "dirichlet" else 0, nodes)


class Series:
    """A random sum of products that level n resolves, evaluated at any level."""

    def __init__(self, basis, n, seed, terms=5):
        rng = np.random.default_rng(seed)
        choices = [wavenumbers(a, m) for a, m in zip(basis.axes, basis.grid(n), strict=True)]
        self.basis = basis
        self.terms = [
            (rng.standard_normal(), [rng.choice(k) for k in choices]) for _ in range(terms)
        ]

    def product(self, k, n):
        axes = zip(self.basis.axes, k, self.basis.axis_nodes(n), strict=True)
        return torch.from_numpy(
            np.prod(np.meshgrid(*(factor(a, ki, x) for a, ki, x in axes), indexing="ij"), axis=0)
        )

    def __call__(self, n):
        return sum(amplitude * self.product(k, n) for amplitude, k in self.terms)


def rough(basis, n, seed):
    """Fields that no grid function space needs to contain."""
    values = np.random.default_rng(seed).standard_normal((2, *basis.grid(n)))
    return torch.from_numpy(values)


def inner(u, v, basis):
    return (u * v).mean(basis.grid_axes())


def assert_close(a, b, **tolerance):
    torch.testing.assert_close(a, b, **(CLOSE | tolerance))


# Grids


def test_levels_are_the_longest_refined_axis_and_others_follow_in_proportion():
    basis = box(("neumann", 24, 0.5), ("periodic", 48, 1.0), ("dirichlet", 96, 2.0))
    assert [basis.grid(n) for n in (96, 48, 47, 4, 1)] == [
        (24, 48, 96),
        (12, 24, 48),
        (12, 24, 47),
        (1, 2, 4),
        (1, 1, 1),
    ]
    assert basis.size(48) == 12 * 24 * 48
    held = box(("neumann", 200, 1.0), ("periodic", 64, 1.0), ("periodic", 32, 0.5), held=(0,))
    assert held.grid(128) == (200, 128, 64)
    assert held.resolution(torch.zeros(3, 1, 200, 16, 8)) == 16


@quick
@given(boxes(), st.integers(2, 40))
def test_resolution_inverts_grid_and_grids_grow_with_the_level(basis, n):
    assert basis.resolution(torch.zeros(2, *basis.grid(n))) == n
    assert all(a <= b for a, b in zip(basis.grid(n - 1), basis.grid(n), strict=True))


def test_fields_of_no_level_are_refused():
    basis = box(("periodic", 32, 1.0), ("periodic", 64, 2.0))
    message = r"shape \(3, 7, 12\) are on no grid .* dimensions are \(y, x\), such as 6 × 12"
    with pytest.raises(ValueError, match=message):
        basis.resolution(torch.zeros(3, 7, 12))
    with pytest.raises(ValueError, match="are on no grid"):
        basis.forward(torch.zeros(12))


def test_nodes_and_spacings_are_in_units_of_the_sides():
    basis = box(("neumann", 2, 3.0), ("periodic", 4, 2.0))
    y, x = basis.axis_nodes(4)
    np.testing.assert_allclose(y, [0.75, 2.25])
    np.testing.assert_allclose(x, [0, 0.5, 1, 1.5])
    assert basis.spacings(8) == (0.75, 0.25)
    assert CosineBasis(2).spacings(4) == (0.25, 0.25)


# Transforms


@quick
@given(boxes(), levels, seeds)
def test_coefficients_are_those_of_scipys_transforms(basis, n, seed):
    u = rough(basis, n, seed)
    expected = u.numpy()
    transform = {"neumann": scipy.fft.dct, "dirichlet": scipy.fft.dst}
    grid = basis.grid(n)
    for number, axis in zip(basis.grid_axes(), basis.axes, strict=True):
        if axis.kind != "periodic":
            expected = transform[axis.kind](expected, 2, axis=number, norm="ortho")
            expected = expected / np.sqrt(grid[number])
            if axis.kind == "dirichlet":
                np.moveaxis(expected, number, 0)[-1] = 0
    periodic = [i for i in basis.grid_axes() if basis.axes[i].kind == "periodic"]
    if periodic:
        expected = scipy.fft.rfftn(expected, axes=periodic, norm="forward")
        for axis in periodic:
            if grid[axis] % 2 == 0:
                np.moveaxis(expected, axis, 0)[grid[axis] // 2] = 0
    found = basis.forward(u)
    assert tuple(found.shape[1:]) == basis.coefficient_shape(n)
    assert_close(found, torch.from_numpy(expected))


@quick
@given(boxes(), levels, levels, seeds)
def test_series_are_evaluated_at_every_level(basis, a, b, seed):
    m, n = sorted((a, b))
    f = Series(basis, m, seed)
    assert_close(basis.inverse(basis.forward(f(m)), m), f(m))
    assert_close(basis.prolong(f(m), n), f(n))
    assert_close(basis.restrict(f(n), m), f(m))
    assert_close(basis.energy(f(n)).sum(), f(n).square().mean())


@quick
@given(boxes(), levels, levels, levels, seeds)
def test_spaces_are_nested_restriction_projects_and_prolongation_is_its_adjoint(
    basis, a, b, c, seed
):
    coarse, middle, fine = sorted((a, b, c))
    u, v = rough(basis, fine, seed), rough(basis, coarse, seed + 1)
    once = basis.restrict(u, coarse)
    assert_close(basis.restrict(basis.restrict(u, middle), coarse), once)
    assert_close(inner(once, v, basis), inner(u, basis.prolong(v, fine), basis))
    kept = basis.prolong(once, fine)
    assert_close(basis.prolong(basis.restrict(kept, coarse), fine), kept)
    assert_close(inner(u - kept, kept, basis), torch.zeros(2, dtype=torch.float64))
    if middle > coarse:
        assert_close(basis.restrict(basis.prolong(once, middle), coarse), once)


@quick
@given(boxes(), levels, seeds)
def test_eigenvalues_are_those_of_the_sides(basis, n, seed):
    series = Series(basis, n, seed, terms=1)
    [(_, k)] = series.terms
    unit = {"periodic": 2 * np.pi, "neumann": np.pi, "dirichlet": np.pi}
    each = [(unit[a.kind] * ki / a.side) ** 2 for a, ki in zip(basis.axes, k, strict=True)]
    u = series.product(k, n)
    assert_close(basis.multiply(u, basis.omega_squared(n)), sum(each) * u, atol=1e-8)
    refined = sum(e for e, a in zip(each, basis.axes, strict=True) if not a.held)
    lowest = min(unit[a.kind] / a.side for a in basis.axes if not a.held)
    assert_close(basis.multiply(u, basis.wavenumber(n)), np.sqrt(refined) / lowest * u, atol=1e-8)


@quick
@given(boxes(), levels)
def test_number_of_resolved_functions(basis, n):
    each = [len(wavenumbers(a, m)) for a, m in zip(basis.axes, basis.grid(n), strict=True)]
    assert float(basis.multiplicity(n).sum()) == np.prod(each)


@quick
@given(boxes(), levels, seeds)
def test_stencil_symbol_is_that_of_differences_with_each_axis_own_spacing(basis, n, seed):
    u = Series(basis, n, seed)(n).numpy()
    expected = np.zeros_like(u)
    for number, (axis, h) in enumerate(zip(basis.axes, basis.spacings(n), strict=True)):
        v = np.moveaxis(u, number, 0)
        wall = {"neumann": 1, "dirichlet": -1}.get(axis.kind)
        before, after = (v[-1], v[0]) if wall is None else (wall * v[0], wall * v[-1])
        ghost = np.concatenate([before[None], v, after[None]])
        expected += np.moveaxis((2 * v - ghost[2:] - ghost[:-2]) / h**2, 0, number)
    applied = basis.multiply(torch.from_numpy(u), basis.stencil_symbol(n))
    assert_close(applied, torch.from_numpy(expected), atol=1e-8)


# Noise


@quick
@given(boxes(), levels, levels, seeds)
def test_the_same_noise_is_the_same_function_at_every_level(basis, a, b, seed):
    m, n = sorted((a, b))
    normals = np.random.default_rng(seed).standard_normal((2, basis.size(n)))
    fine, coarse = (basis.inverse(basis.white_noise(normals, level), level) for level in (n, m))
    assert_close(basis.restrict(fine, m), coarse)


@quick
@given(boxes(most=2), st.integers(2, 6))
def test_white_noise_has_the_covariance_of_the_projection(basis, n):
    """E⟨X, u⟩² = ‖P u‖²: exactly, as the noise is a linear function of its normals."""
    size = basis.size(n)
    fields = basis.inverse(basis.white_noise(np.eye(size), n), n).reshape(size, size)
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *basis.grid(n))
    projection = basis.inverse(basis.forward(unit), n).reshape(size, size)
    assert_close(fields.T @ fields / size, projection)


def test_noise_depends_on_proportions_and_not_on_the_reference_shape():
    small = box(("neumann", 3, 1.0), ("periodic", 6, 2.0))
    large = box(("neumann", 40, 1.0), ("periodic", 80, 2.0))
    normals = np.random.default_rng(0).standard_normal(12 * 24)
    assert small.white_noise(normals, 24).equal(large.white_noise(normals, 24))


# Unit boxes


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_square_has_the_numbers_of_its_basis(kind, dimension, n):
    named = UNIT_BOXES[kind](dimension)
    basis = box(*[(kind, 32, 1.0)] * dimension)
    u = rough(named, n, 0)
    normals = np.random.default_rng(1).standard_normal((3, n**dimension))
    for found, expected in [
        (basis.forward(u), named.forward(u)),
        (basis.resample(u, 4), named.resample(u, 4)),
        (basis.resample(u, 11), named.resample(u, 11)),
        (basis.white_noise(normals, n), named.white_noise(normals, n)),
        *(
            (getattr(basis, name)(n), getattr(named, name)(n))
            for name in ("omega_squared", "wavenumber", "multiplicity", "stencil_symbol")
        ),
    ]:
        assert found.equal(expected)
    assert (basis.periodic, basis.constants) == (named.periodic, named.constants)
    np.testing.assert_array_equal(basis.axis_nodes(n), named.axis_nodes(n))
    np.testing.assert_array_equal(named.axis_nodes(n), [named.nodes(n)] * dimension)


@pytest.mark.parametrize("basis", [box(("periodic", 6, 1.0), ("neumann", 12, 2.0)), CosineBasis(1)])
def test_fields_do_not_depend_on_their_batch(basis):
    u = rough(basis, 24, 0).float().expand(2, *basis.grid(24)).repeat(16, *[1] * basis.dimension)
    for apply in (basis.forward, lambda v: basis.restrict(v, 10)):
        together = apply(u)
        assert together.equal(torch.cat([apply(v[None]) for v in u]))


@pytest.mark.parametrize("kinds", [("periodic", "dirichlet"), ("neumann", "periodic")])
def test_operations_are_differentiable(kinds):
    basis = box((kinds[0], 4, 1.0), (kinds[1], 6, 2.0))
    u = rough(basis, 6, 0)[:1].requires_grad_()
    symbol = 1 / (1 + basis.omega_squared(6))
    assert torch.autograd.gradcheck(lambda v: basis.multiply(v, symbol), u)
    assert torch.autograd.gradcheck(lambda v: basis.restrict(v, 4), u)
    assert torch.autograd.gradcheck(lambda v: basis.prolong(v, 9), u)


# Configuration

BLOCK = {
    "kind": "box",
    "axes": [
        {"kind": "neumann", "name": "time", "nodes": 20, "side": 2.0, "held": True},
        {"kind": "periodic", "name": "longitude", "nodes": 72},
    ],
}


def test_blocks_describe_boxes_and_boxes_their_blocks():
    built = parts.build("basis", json.loads(json.dumps(BLOCK)))
    checked = block_type(Box).model_validate(BLOCK)
    assert checked.part == built
    assert parts.build("basis", json.loads(json.dumps(dataclasses.asdict(built)))) == built
    assert parts.build("basis", checked.plain()) == built
    assert built.axes[1] == Axis(kind="periodic", name="longitude", nodes=72, side=1.0, held=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "open"}, "kind"),
        ({"name": "channel"}, "name = 'channel': use a letter"),
        ({"name": "0"}, "name = '0': use a letter"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": 2.5}, "nodes"),
        ({"side": -1.0}, "side"),
        ({"heldd": True}, "heldd"),
        ({"held": True}, "at least one axis that is refined"),
        ({"name": "time"}, "give each axis a name of its own"),
    ],
)
def test_blocks_that_are_no_boxes_are_refused(change, message):
    first, second = BLOCK["axes"]
    with pytest.raises(ValidationError, match=message):
        block_type(Box).model_validate({**BLOCK, "axes": [first, second | change]})


def test_axes_are_refused_by_name():
    with pytest.raises(ValueError, match=r"kind = 'open': use one of periodic, neumann, dirichlet"):
        Axis(kind="open", name="x", nodes=4)
    with pytest.raises(ValueError, match=r"side = 0 of axis x"):
        Axis(kind="neumann", name="x", nodes=4, side=0)
    with pytest.raises(ValueError, match=r"axes: 0 of them; a box has one to three"):
        Box(axes=())
