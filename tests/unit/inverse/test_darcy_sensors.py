"""Pressure at sensors as a map of the permeability: its values, derivative and adjoint."""

import math

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.interpolation import Interpolation
from fsdiff.inverse.forward.links import Exponential, Identity, LevelSet
from fsdiff.inverse.observations.points import GridOfPoints, Points, RandomPoints
from fsdiff.measures.permeability import LogNormal
from fsdiff.pde.adjoint import Equations
from fsdiff.pde.darcy import Darcy, finite_volumes
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis(2)


def logarithms(n, count=3, seed=0):
    """Rough fields of variance 1."""
    return LogNormal(1.0, 0.3, 1.5).sample(BASIS, n, range(count), seed).log()


def normal(*shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def dense(a):
    """The matrix of the finite volumes on one field (n, n), from their own operator."""
    n = a.shape[-1]
    inside = torch.nn.functional.pad(torch.ones(n, n), (1, 1, 1, 1)).flatten().bool()
    matrix = finite_volumes(a[None]).apply(torch.eye((n + 2) ** 2).double())
    return matrix[inside][:, inside]


@pytest.mark.parametrize("solver", ["multigrid", "banded"])
@pytest.mark.parametrize("link", [Exponential(median=0.7), Identity()])
def test_the_derivative_and_its_transpose_are_those_of_the_dense_matrix(link, solver):
    n, map = 12, DarcySensors(sensors=GridOfPoints(shape=(3, 3)), link=link, solver=solver)
    u = logarithms(n, 2) if link.kind == "exponential" else logarithms(n, 2).exp()
    linear = map.linearise(u)
    direction, weights = normal(*u.shape), normal(2, 9, seed=2)
    sensors = Interpolation(GridOfPoints(shape=(3, 3)).coordinates(BASIS), n)
    for one in range(2):
        a = link.value(u[one, 0]).requires_grad_()
        load = torch.full((n * n,), n**-2.0).double()
        # The matrix is piecewise rational in a; torch differentiates it entry by entry.
        pressure = torch.linalg.solve(dense_differentiable(a), load)
        observed = sensors.apply(pressure.view(1, n, n))[0]
        assert torch.allclose(linear.value[one], observed, rtol=1e-9)
        (gradient,) = torch.autograd.grad(observed @ weights[one], a)
        gradient = n * n * gradient * link.derivative(u[one, 0])
        assert torch.allclose(linear.vjp(weights)[one, 0], gradient, rtol=1e-7, atol=1e-10)
    forwards = (linear.jvp(direction) * weights).sum(1)
    backwards = (linear.vjp(weights) * direction).flatten(1).mean(1)
    assert torch.allclose(forwards, backwards, rtol=1e-8, atol=1e-12)


def dense_differentiable(a):
    """The matrix face by face, recorded by torch."""
    n = a.shape[0]
    number = torch.arange(n * n).view(n, n)
    matrix = torch.zeros(n * n, n * n, dtype=a.dtype)

    def face(matrix, conductance, one, other):
        for i, j, sign in ((one, one, 1), (other, other, 1), (one, other, -1), (other, one, -1)):
            matrix = matrix.index_put((i, j), sign * conductance, accumulate=True)
        return matrix

    for axis in (0, 1):
        one, other = a.narrow(axis, 0, n - 1), a.narrow(axis, 1, n - 1)
        conductance = (2 * one * other / (one + other)).flatten()
        ends = number.narrow(axis, 0, n - 1).flatten(), number.narrow(axis, 1, n - 1).flatten()
        matrix = face(matrix, conductance, *ends)
        for wall in (0, -1):
            cells = number.select(axis, wall)
            matrix = matrix.index_put((cells, cells), 2 * a.select(axis, wall), accumulate=True)
    return matrix


def test_the_recorded_matrix_is_that_of_the_solver():
    a = logarithms(7, 1)[0, 0].exp()
    assert torch.allclose(dense_differentiable(a), dense(a), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("n", [9, 16, 33, 64])
def test_the_adjoint_identity_holds_to_1e_8_on_every_grid(n):
    map, u = DarcySensors(), logarithms(n, 2, seed=4)
    linear = map.linearise(u)
    direction, weights = normal(*u.shape), normal(2, 64, seed=2)
    forwards = (linear.jvp(direction) * weights).sum(1)
    backwards = (linear.vjp(weights) * direction).flatten(1).mean(1)
    size = linear.jvp(direction).norm(dim=1) * weights.norm(dim=1)
    assert ((forwards - backwards).abs() / size).max() < 1e-8


def test_the_derivative_is_the_limit_of_differences():
    map, u = DarcySensors(sensors=RandomPoints(number=10, seed=3)), logarithms(16)
    direction = logarithms(16, seed=9)
    exact = map.jvp(u, direction)
    errors = []
    for step in (1e-1, 5e-2, 2.5e-2):
        ahead, behind = map.forward(u + step * direction), map.forward(u - step * direction)
        errors.append(float((ahead - behind).div(2 * step).sub(exact).norm() / exact.norm()))
    assert np.log2(np.divide(errors[:-1], errors[1:])) == pytest.approx([2, 2], abs=0.05)
    assert errors[-1] < 1e-3


def test_torch_differentiates_through_the_map_without_recording_the_solver():
    map, u = DarcySensors(), logarithms(20).requires_grad_()
    observed = map(u)
    (recorded, _), *others = observed.grad_fn.next_functions
    assert recorded.name().startswith("_Recorded")
    assert not others
    (gradient,) = torch.autograd.grad(observed.square().sum(), u)
    assert torch.allclose(400 * gradient, map.vjp(u.detach(), 2 * observed.detach()), rtol=1e-12)
    single = map(u.detach().float().requires_grad_())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), observed, rtol=2e-5)


def test_rows_of_the_jacobian_are_derivatives():
    map, u = DarcySensors(sensors=GridOfPoints(shape=(2, 2))), logarithms(8, 2)
    rows, direction = map.jacobian(u), normal(*u.shape)
    assert rows.shape == (2, 4, 1, 8, 8)
    product = (rows * direction[:, None]).flatten(2).mean(2)
    assert torch.allclose(product, map.jvp(u, direction), rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("n", [10, 40])
def test_both_solvers_give_the_pressure_of_the_data_sets(n):
    u = logarithms(n)
    expected = Darcy().solve(u.exp())
    for solver in ("multigrid", "banded"):
        assert torch.allclose(DarcySensors(solver=solver).pressure(u), expected, rtol=1e-8)


def test_a_sample_does_not_depend_on_its_batch():
    for n in (16, 64):
        map, u = DarcySensors(), logarithms(n)
        linear, weights = map.linearise(u), normal(3, 64)
        assert torch.equal(map(u[1:2]), linear.value[1:2])
        assert torch.equal(map.vjp(u[1:2], weights[1:2]), linear.vjp(weights)[1:2])


def test_sensors_converge_to_the_pressure_at_points_at_second_order():
    """In a uniform medium, where the pressure is a sine series; near walls, too."""
    sensors = Points(points=((0.5, 0.5), (0.31, 0.77), (0.004, 0.6), (0.9999, 0.01), (0.0, 0.4)))
    k = np.arange(1, 600, 2)
    both = np.outer(k, k) * (k[:, None] ** 2 + k**2)
    y, x = np.array(sensors.points).T
    exact = (
        16
        / math.pi**4
        * np.einsum(
            "pk,pl,kl->p",
            np.sin(np.pi * np.outer(y, k)),
            np.sin(np.pi * np.outer(x, k)),
            1 / both,
        )
    )
    errors = []
    for n in (16, 32, 64):
        observed = DarcySensors(sensors=sensors)(torch.zeros(1, 1, n, n).double())[0]
        errors.append(float(np.abs(observed.numpy() - exact).max()))
    assert (np.log2(np.divide(errors[:-1], errors[1:])) > 1.7).all()
    assert errors[-1] < 3e-5


def test_linear_functions_that_vanish_on_the_walls_are_read_exactly():
    n, points = 9, ((0.02, 0.5), (0.98, 0.13), (0.4, 0.99), (0.25, 0.25))
    centres = torch.from_numpy(BASIS.nodes(n))
    tent = torch.minimum(centres, 1 - centres)
    read = Interpolation(points, n).apply((tent[:, None] * tent).unsqueeze(0))[0]
    expected = [min(y, 1 - y) * min(x, 1 - x) for y, x in points]
    assert read.numpy() == pytest.approx(expected, rel=1e-12)


def test_fields_may_have_any_leading_axes():
    map, u = DarcySensors(sensors=GridOfPoints(shape=(2, 2))), logarithms(8, 6)
    several, weights = u.view(2, 3, 1, 8, 8), normal(6, 4)
    assert torch.equal(map(several), map(u).view(2, 3, 4))
    assert torch.equal(map.vjp(several, weights.view(2, 3, 4)).flatten(0, 1), map.vjp(u, weights))
    assert torch.equal(map.jvp(u[0], u[1]), map.jvp(u[:1], u[1:2])[0])


def test_the_field_of_a_derivative_may_change_in_place():
    map, u, weights = DarcySensors(), logarithms(8, 1), normal(1, 64)
    before = map.vjp(u, weights)
    u += 1.0
    assert torch.allclose(map.vjp(u, weights), math.exp(-1) * before, rtol=1e-8)


def test_a_level_set_is_observed_but_has_no_derivative():
    map = DarcySensors(link=LevelSet(high=12, low=3), sensors=GridOfPoints(shape=(2, 2)))
    u = logarithms(16, 2)
    a = torch.where(u >= 0, 12.0, 3.0).double()
    assert torch.allclose(map(u), DarcySensors(link=Identity(), sensors=map.sensors)(a))
    with pytest.raises(ValueError, match=r"'level_set' has no derivative: .*'pcn'"):
        map.linearise(u)


def test_what_cannot_be_solved_is_refused_by_name():
    with pytest.raises(ValueError, match=r"position 1 in the batch of 2: permeability must be"):
        DarcySensors()(torch.tensor([0.0, 1e4]).double()[:, None, None, None].expand(2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"shape \(batch, 1, n, n\), not \(1, 2, 4, 4\)"):
        DarcySensors()(torch.zeros(1, 2, 4, 4))
    with pytest.raises(ValueError, match=r"points: x = 1.2 is outside of the box"):
        DarcySensors(sensors=Points(points=((0.1, 0.2), (0.5, 1.2))))
    with pytest.raises(ValueError, match="sensors: noise = 0 there; give it to what observes"):
        DarcySensors(sensors=GridOfPoints(shape=(2, 2), noise=0.1))


def test_change_and_sensitivity_are_transposes():
    a = logarithms(11, 2)[:, 0].exp()
    equations = Equations(a)
    direction, p, adjoint = (normal(2, 11, 11, seed=seed) for seed in (1, 2, 3))
    forwards = (adjoint * equations.change(direction, p)).sum()
    backwards = (direction * equations.sensitivity(adjoint, p)).sum()
    assert float(forwards) == pytest.approx(float(backwards), rel=1e-12)
