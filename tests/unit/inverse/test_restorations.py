"""Restorations that need no model: what they reproduce, at which order, and on every grid."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.observations.some import Some
from fsdiff.inverse.restorations import bicubic, harmonic
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis

WALLS = {"cosine": CosineBasis(2), "fourier": FourierBasis(2), "sine": SineBasis(2)}


def values(basis, n, function):
    """A function at the nodes of a level, (*grid)."""
    nodes = [torch.from_numpy(along) for along in basis.axis_nodes(n)]
    return function(*torch.meshgrid(*nodes, indexing="ij"))


def smooth(basis):
    """A smooth function with the boundary values of a basis."""
    first = {"neumann": torch.cos, "dirichlet": torch.sin, "periodic": torch.sin}
    step, wave = np.pi * (2 if basis.periodic else 1), first[basis.axis_kinds[0]]
    return lambda y, x: wave(step * x) * wave(2 * step * y) * torch.exp(torch.cos(step * x))


@pytest.mark.parametrize("kind", WALLS)
def test_bicubic_interpolation_of_values_is_of_fourth_order(kind):
    basis, errors = WALLS[kind], []
    true = values(basis, 96, smooth(basis))
    for n in (16, 32):
        data = values(basis, n, smooth(basis)).flatten()[None]
        found = bicubic.restore(LowPass(resolution=n), basis, 1, 96, data)
        assert found.shape == (1, 1, 96, 96)
        errors.append(float((found[0, 0] - true).abs().max()))
    assert np.log2(errors[0] / errors[1]) > 3.5


@pytest.mark.parametrize("kind", WALLS)
def test_means_over_cells_are_taken_for_values_in_their_middles(kind):
    """Off by h²/24 Δu: a quarter on half the grid, and known on every grid."""
    basis, true, errors = WALLS[kind], {}, []
    for n in (48, 96):
        true[n] = values(basis, n, smooth(basis))
    for n in (16, 32):
        data = Averages(resolution=n).on(basis, 1, 96).forward(true[96][None, None])
        on_grids = [
            float((bicubic.restore(Averages(resolution=n), basis, 1, m, data) - u).square().mean())
            for m, u in true.items()
        ]
        assert on_grids[0] == pytest.approx(on_grids[1], rel=0.02)
        errors.append(on_grids[1] ** 0.5)
        laplacian = basis.multiply(true[96], -basis.omega_squared(96))
        assert errors[-1] == pytest.approx(
            float(laplacian.square().mean().sqrt()) / 24 / n**2, rel=0.1
        )
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_bicubic_interpolation_of_bicubic_polynomials_is_exact_far_from_walls():
    basis = CosineBasis(2)

    def polynomial(y, x):
        return (1 + x - 2 * x**3) * (y**3 - 3 * y**2 + 0.5)

    data = values(basis, 64, polynomial).flatten()[None]
    found = bicubic.restore(LowPass(resolution=64), basis, 1, 128, data)[0, 0]
    inner = slice(60, 68)
    assert_close(
        found[inner, inner], values(basis, 128, polynomial)[inner, inner], rtol=0, atol=1e-13
    )


def test_every_channel_has_its_own_walls_and_held_axes_stay():
    basis = ChannelBasis(bases=(SineBasis(2), CosineBasis(2)))
    data = torch.ones(1, 2 * 8 * 8, dtype=torch.float64)
    found = bicubic.restore(Averages(resolution=8), basis, 2, 32, data)[0]
    assert_close(found[1], torch.ones(32, 32).double())
    assert float(found[0, 0].abs().max()) < 0.5
    assert float(found[0, 16, 16]) == pytest.approx(1, abs=0.05)
    series = Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=3, held=True, side=5.0),
            Axis(kind="periodic", name="x", nodes=12),
        )
    )
    data = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3 * 12)))
    found = bicubic.restore(LowPass(resolution=12), series, 1, 24, data)
    assert_close(found[0, 0, :, ::2], data.view(3, 12))


HARMONIC = {
    "x² − y²": lambda y, x: x**2 - y**2,
    "xy": lambda y, x: x * y,
    "x³ − 3xy²": lambda y, x: x**3 - 3 * x * y**2,
}


def framed(n, inside=2):
    """What is seen of n × n nodes: a frame, and a block in the middle."""
    seen = np.ones((n, n), dtype=bool)
    seen[1:-1, 1:-1] = False
    seen[n // 2 - inside : n // 2 + inside, n // 2 - inside : n // 2 + inside] = True
    return Some(
        observation=Mask(resolution=n, share=1.0), data=tuple(np.flatnonzero(seen).tolist())
    )


@pytest.mark.parametrize("name", HARMONIC)
def test_harmonic_polynomials_are_restored_from_their_values_around_gaps(name):
    """The stencil is exact for them, whatever is between the frame and the block."""
    basis, operator = CosineBasis(2), framed(16)
    true = values(basis, 16, HARMONIC[name])
    data = true.flatten()[list(operator.data)][None]
    assert_close(harmonic.restore(operator, basis, 1, 16, data)[0, 0], true)


def test_no_flux_goes_through_walls():
    """cos πx cosh πy from its first and its last row: second order up to the walls."""
    basis, errors = CosineBasis(2), []

    def function(y, x):
        return torch.cos(np.pi * x) * torch.cosh(np.pi * y)

    for n in (16, 32):
        rows = np.arange(n * n).reshape(n, n)[[0, -1]].flatten()
        operator = Some(observation=Mask(resolution=n, share=1.0), data=tuple(rows.tolist()))
        true = values(basis, n, function)
        data = true.flatten()[list(operator.data)][None]
        found = harmonic.restore(operator, basis, 1, n, data)[0, 0]
        errors.append(float((found - true).abs().max() / true.abs().max()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("kind", WALLS)
def test_restorations_have_no_values_beyond_those_that_are_seen(kind):
    basis, mask = WALLS[kind], Mask(resolution=16, share=0.2, block=2)
    data = torch.from_numpy(np.random.default_rng(1).uniform(1, 2, (3, mask.count(basis))))
    for n in (8, 16, 24, 64):
        found = harmonic.restore(mask, basis, 1, n, data)
        for own, seen in zip(found, data, strict=True):
            assert float(own.max()) <= float(seen.max()) + 1e-12
            assert float(own.min()) >= (0 if kind == "sine" else float(seen.min())) - 1e-12
    kept = harmonic.restore(mask, basis, 1, 16, data).flatten(1)[:, mask.kept(basis)]
    assert_close(kept, data)


@pytest.mark.parametrize("kind", WALLS)
def test_on_every_grid_it_is_the_same_function(kind):
    """Up to O(h²) of the grid on which it was seen: a quarter on one that is twice as fine."""
    basis, changes = WALLS[kind], []
    for n in (16, 32):
        mask = Mask(resolution=n, share=0.5, block=n // 4)
        data = values(basis, n, smooth(basis)).flatten()[mask.kept(basis)][None]
        own, fine = (harmonic.restore(mask, basis, 1, m, data) for m in (n, 2 * n))
        coarse = (
            fine[..., ::2, ::2]
            if basis.periodic
            else fine.unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1))
        )
        changes.append(float((own - coarse).square().mean().sqrt()))
    if basis.periodic:
        assert max(changes) < 1e-12
    else:
        assert changes[0] / changes[1] > 2.5


def test_data_of_channels_and_some_of_them_have_their_places():
    basis, mask = CosineBasis(2), Mask(resolution=8, share=0.5, seed=3)
    u = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 2, 8, 8)))
    everything = mask.on(basis, 2, 8).forward(u)
    found = harmonic.restore(mask, basis, 2, 8, everything)
    for channel in range(2):
        alone = mask.on(basis, 1, 8).forward(u[:, [channel]])
        assert_close(found[:, [channel]], harmonic.restore(mask, basis, 1, 8, alone))
    chosen = (40, 3, 7, 60)
    some = Some(observation=mask, data=chosen)
    found = harmonic.restore(some, basis, 2, 8, everything[:, list(chosen)])
    assert_close(some.on(basis, 2, 8).forward(found), everything[:, list(chosen)])


def test_they_say_what_suits_them():
    averages, mask, points = Averages(resolution=4), Mask(resolution=4, share=0.5), RandomPoints()
    assert [bicubic.suits(each) for each in (averages, mask, points)] == [True, False, False]
    assert [harmonic.suits(each) for each in (averages, mask, points)] == [False, True, False]
    data = torch.zeros(1, 64).double()
    with pytest.raises(ValueError, match="needs data of a grid, not random_points"):
        bicubic.restore(points, CosineBasis(2), 1, 8, data)
    with pytest.raises(ValueError, match="needs values at nodes, not random_points"):
        harmonic.restore(points, CosineBasis(2), 1, 8, data)
    alone = Some(observation=mask, data=(0,))
    with pytest.raises(ValueError, match="a channel has no values at any node"):
        harmonic.restore(alone, CosineBasis(2), 2, 8, data[:, :1])
