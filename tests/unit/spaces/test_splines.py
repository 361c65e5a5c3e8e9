"""Splines along an axis: order up to the walls, what they reproduce, and that they stay within."""

import numpy as np
import pytest

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.splines import spline_matrix

SIDE = 2.0
FUNCTIONS = {
    "periodic": lambda x: np.exp(np.sin(np.pi * x)),
    "neumann": lambda x: np.exp(np.cos(0.5 * np.pi * x)),
    "dirichlet": lambda x: np.sin(0.5 * np.pi * x) * np.exp(np.cos(0.5 * np.pi * x)),
}


def axis(kind):
    return Axis(kind=kind, name="x", nodes=8, side=SIDE)


def places(kind, nodes):
    return SIDE * axis(kind).positions(nodes)


def interpolated(kind, nodes, others, degree, function):
    known = places(kind, nodes)
    return spline_matrix(axis(kind), known, others, degree).numpy() @ function(known)


@pytest.mark.parametrize(("degree", "order"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_the_error_falls_with_the_order_up_to_the_walls(kind, degree, order):
    others = np.linspace(0, SIDE, 301)
    errors = [
        np.abs(
            interpolated(kind, nodes, others, degree, FUNCTIONS[kind]) - FUNCTIONS[kind](others)
        ).max()
        for nodes in (16, 32)
    ]
    assert np.log2(errors[0] / errors[1]) > order - 0.3


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("nodes", [1, 2, 3, 7])
def test_values_at_places_stay(kind, nodes, degree):
    known = places(kind, nodes)
    np.testing.assert_allclose(
        spline_matrix(axis(kind), known, known, degree), np.eye(nodes), atol=1e-12
    )


@pytest.mark.parametrize("power", range(4))
def test_cubic_polynomials_are_met_where_walls_are_far(power):
    """What a wall does decays by 2 + √3 from cell to cell."""
    middle = np.linspace(0.9, 1.1, 21)
    found = interpolated("neumann", 64, middle, 3, lambda x: x**power)
    np.testing.assert_allclose(found, middle**power, atol=1e-13)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_lines_stay_within_what_they_join(kind):
    matrix = spline_matrix(axis(kind), places(kind, 9), np.linspace(0, SIDE, 100), 1).numpy()
    assert matrix.min() >= (-1e-12 if kind != "dirichlet" else -1)
    assert np.abs(matrix).sum(1).max() <= 1 + 1e-12
    if kind != "dirichlet":
        np.testing.assert_allclose(matrix.sum(1), 1.0)
    else:
        np.testing.assert_allclose(matrix[[0, -1]] @ np.ones(9), 0.0, atol=1e-12)


def test_other_degrees_are_refused():
    with pytest.raises(ValueError, match="degree = 2: use 1 or 3"):
        spline_matrix(axis("neumann"), places("neumann", 4), places("neumann", 8), 2)
