"""Gaussian measures on boxes that are no squares, against closed forms."""

import itertools

import numpy as np
import pytest
import torch

from fsdiff.measures.initial import GaussianRandomField, PowerLawField, WhiteNoise, Zero
from fsdiff.measures.priors import FNO, RBF, Bessel, Exponential, Laplacian, Matern, Standard
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import FourierBasis
from fsdiff.spaces.boxes import Box


def box(*axes, held=()):
    return Box(
        axes=tuple(
            Axis(kind=kind, name="zyx"[-len(axes) :][i], nodes=nodes, side=side, held=i in held)
            for i, (kind, nodes, side) in enumerate(axes)
        )
    )


def covariance(prior, basis, n):
    """Between some nodes and all, (7, size): Q applied to the delta functions of the nodes."""
    size, chosen = basis.size(n), some(basis, n)
    deltas = size * torch.eye(size, dtype=torch.float64)[chosen].unflatten(1, basis.grid(n))
    return prior.apply(deltas, basis).flatten(1)


def some(basis, n):
    return np.linspace(0, basis.size(n) - 1, 7).astype(int)


def images(axis, difference, total):
    """Signed images of x − y that make a function satisfy the axis' condition."""
    for shift in range(-2, 3):
        if axis.periodic:
            yield 1.0, difference + shift * axis.side
        else:
            sign = 1.0 if axis.kind == "neumann" else -1.0
            yield 1.0, difference + 2 * shift * axis.side
            yield sign, total + 2 * shift * axis.side


def by_images(kernel, basis, n):
    """The kernel summed over its images: periods, and mirrors in walls (negative at zeros)."""
    axes = basis.axis_nodes(n)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, basis.dimension)
    x, y = points[some(basis, n), None], points[None]
    total = torch.zeros(7, len(points), dtype=torch.float64)
    each = [
        list(images(axis, x[..., i] - y[..., i], x[..., i] + y[..., i]))
        for i, axis in enumerate(basis.axes)
    ]
    for combination in itertools.product(*each):
        sign = np.prod([one[0] for one in combination])
        distance = np.sqrt(sum(one[1] ** 2 for one in combination))
        total += sign * kernel.correlation(torch.from_numpy(distance))
    return total


BOXES = [
    box(("periodic", 12, 0.5), ("periodic", 24, 1.0)),
    box(("neumann", 12, 1.0), ("periodic", 24, 2.0)),
    box(("dirichlet", 18, 1.0), ("neumann", 18, 1.0)),
    box(("dirichlet", 40, 2.0)),
]


@pytest.mark.parametrize("basis", BOXES)
def test_smooth_kernels_have_exactly_the_covariance_of_their_images(basis):
    prior = RBF(length=0.15, variance=1.7, normalize=False)
    n = max(axis.nodes for axis in basis.axes)
    found = covariance(prior, basis, n)
    torch.testing.assert_close(found, 1.7 * by_images(prior, basis, n), rtol=0, atol=1e-6)


@pytest.mark.parametrize("smoothness", [1.5, 2.5])
def test_matern_kernels_tend_to_the_covariance_of_their_images(smoothness):
    basis = box(("neumann", 1, 0.5), ("periodic", 2, 1.0))
    prior, errors = Matern(length=0.15, smoothness=smoothness, normalize=False), []
    for n in (16, 32):
        difference = covariance(prior, basis, n) - by_images(prior, basis, n)
        errors.append(float(difference.abs().max()))
    # Modes beyond the grid have energy of the order of n^(−2ν) in two dimensions.
    assert errors[1] < errors[0] / 2 ** (2 * smoothness - 0.7)
    assert errors[1] < 0.03


@pytest.mark.parametrize("prior", [Bessel(), Standard(), Matern(), Exponential(), FNO(modes=(4,))])
@pytest.mark.parametrize("basis", BOXES[:3])
def test_samples_are_the_same_functions_at_every_level_and_of_unit_trace(prior, basis):
    fine, coarse = (prior.sample(basis, n, [0, 5], 3, channels=2) for n in (32, 12))
    torch.testing.assert_close(basis.restrict(fine, 12), coarse, rtol=0, atol=1e-10)
    assert prior.trace(basis, 64) == pytest.approx(1)


def test_variance_of_samples_is_the_trace():
    basis, prior = BOXES[1], Bessel(power=1.2)
    found = prior.sample(basis, 16, range(8000), 1).square().mean()
    assert float(found) == pytest.approx(prior.trace(basis, 16), rel=0.03)


def test_published_scaling_divides_by_the_nodes_of_the_reference():
    basis = BOXES[0]
    prior = Standard(normalize=False, reference_resolution=32)
    resolved = basis.resolved(16)
    assert prior.eigenvalues(basis, 16)[resolved].unique().tolist() == [1 / 512]


def test_scaling_all_lengths_changes_nothing():
    """A box of twice the size with a kernel of twice the length holds the same coefficients."""
    small = box(("neumann", 8, 0.5), ("periodic", 16, 1.0))
    large = box(("neumann", 8, 1.0), ("periodic", 16, 2.0))
    for one, two in [
        (Matern(length=0.1), Matern(length=0.2)),
        (Bessel(shift=8), Bessel(shift=2)),
        (RBF(length=0.1, normalize=False), RBF(length=0.2, normalize=False)),
    ]:
        torch.testing.assert_close(one.eigenvalues(small, 16), two.eigenvalues(large, 16))


def test_powers_are_trace_class_on_the_axes_that_are_refined():
    held = box(("neumann", 5, 1.0), ("periodic", 16, 1.0), held=(0,))
    prior = Laplacian(power=0.3)
    prior.check(len(held.refined_axes))
    with pytest.raises(ValueError, match="not trace class in 2-D"):
        prior.check(2)


@pytest.mark.parametrize(
    "basis", [*BOXES, box(("neumann", 5, 1.0), ("periodic", 9, 1.0), held=(0,))]
)
def test_random_fields_have_their_variance_and_are_nested(basis):
    law = GaussianRandomField(variance=2.0, correlation_length=0.3, smoothness=2.0)
    weights = basis.multiplicity(48)
    assert float((weights * law.eigenvalues(basis, 48)).sum()) == pytest.approx(2, rel=1e-3)
    fine, coarse = (law.sample(basis, n, [2], 0, channels=2) for n in (24, 10))
    torch.testing.assert_close(basis.restrict(fine, 10), coarse, rtol=0, atol=1e-10)
    for other in (Zero(), WhiteNoise(), PowerLawField()):
        assert other.sample(basis, 10, [0], 0, channels=3).shape == (1, 3, *basis.grid(10))


def test_low_modes_have_conjugate_weights_whichever_axis_is_halved():
    """Real noise needs |μ_k| = |μ_−k|; with the periodic axes first and a wall last."""
    basis = box(("periodic", 8, 1.0), ("periodic", 8, 1.0), ("neumann", 8, 1.0))
    weights = FNO(modes=(3,), seed=1).multiplier(basis, 8)
    assert weights[1, 0].equal(weights[-1, 0])
    assert not weights[1, 1].equal(weights[-1, 1])
    square = FNO(modes=(3,), seed=1).multiplier(FourierBasis(2), 8)
    assert square[1, 0] == square[-1, 0]
