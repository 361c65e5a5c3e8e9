"""Measures of fields on boxes that are no squares."""

import numpy as np
import pytest
import torch

from fsdiff.metrics.densities import GradientDensity, partial_derivatives
from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.kernels import EnergyDistance
from fsdiff.metrics.patches import PatchSlicedWasserstein
from fsdiff.metrics.sliced import SlicedWasserstein
from fsdiff.metrics.spectra import AutocovarianceError, SpectrumError, autocovariance
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.boxes import Box

SERIES = Box(
    axes=(
        Axis(kind="neumann", name="t", nodes=6, side=3.0, held=True),
        Axis(kind="periodic", name="x", nodes=32, side=2.0),
    )
)
RECTANGLE = Box(
    axes=(
        Axis(kind="dirichlet", name="y", nodes=8, side=0.5),
        Axis(kind="periodic", name="x", nodes=16, side=1.0),
    )
)
LINE = Box(axes=(Axis(kind="neumann", name="depth", nodes=32, side=4.0),))
BOXES = [SERIES, RECTANGLE, LINE]


def fields(basis, n, seed, count=12):
    normals = np.random.default_rng(seed).standard_normal((count, 2, basis.size(32)))
    fine = basis.white_noise(normals, 16) * (1 + basis.omega_squared(16)) ** -0.5
    return basis.prolong(basis.inverse(fine, 16), n)


@pytest.mark.parametrize("basis", BOXES)
@pytest.mark.parametrize("metric", [SlicedWasserstein(projections=20), EnergyDistance()])
def test_distances_are_those_of_the_functions_and_not_of_their_grid(basis, metric):
    [found], [finer] = (
        metric(fields(basis, n, 0), fields(basis, n, 1), basis).values() for n in (16, 32)
    )
    assert finer == pytest.approx(found, rel=1e-6)
    assert found != 0


@pytest.mark.parametrize("basis", BOXES)
def test_every_measure_of_equal_sets_is_at_its_best(basis):
    u = fields(basis, 16, 0)
    for metric in (SpectrumError(), AutocovarianceError(), PatchSlicedWasserstein(projections=5)):
        assert metric(u, u, basis).popitem()[1] == pytest.approx(0, abs=1e-12)
    vendi = VendiScore()(u, u, basis)
    assert vendi["vendi"] == vendi["vendi_reference"]


def test_spectra_see_a_factor():
    for basis in (SERIES, LINE):
        u = fields(basis, 16, 0)
        assert SpectrumError()(3 * u, u, basis)["log_spectrum_error"] == pytest.approx(np.log(9))


def test_derivatives_are_over_distances_and_wrap_around_periodic_axes_only():
    y, x = np.meshgrid(*RECTANGLE.axis_nodes(64), indexing="ij")
    u = torch.from_numpy(3 * y + np.sin(2 * np.pi * x))
    along_y, along_x = partial_derivatives(u, RECTANGLE)
    assert along_y.shape == (31, 64)
    torch.testing.assert_close(along_y, torch.full_like(along_y, 3.0))
    middle = torch.from_numpy(2 * np.pi * np.cos(2 * np.pi * (x + 0.5 / 64)))
    torch.testing.assert_close(along_x, middle, rtol=0, atol=2 * np.pi * (np.pi / 64) ** 2)
    assert along_x.shape == (32, 64)
    assert GradientDensity()(u[None, None], u[None, None], RECTANGLE)["gradient_w1"] == 0


def test_autocovariance_wraps_around_along_periodic_axes_only():
    u = RECTANGLE.restrict(fields(RECTANGLE, 16, 0), 8)
    found = autocovariance(u, RECTANGLE)
    centred = u - u.mean(0)
    expected = torch.zeros_like(found)
    rows, columns = 4, 8
    for i, lag_y in enumerate(range(-2, 2)):
        for j, lag_x in enumerate(range(-4, 4)):
            pairs = [
                centred[:, :, a, b] * centred[:, :, a + lag_y, (b + lag_x) % columns]
                for a in range(rows)
                if 0 <= a + lag_y < rows
                for b in range(columns)
            ]
            expected[:, i, j] = torch.stack(pairs).mean(0).sum(0) / (len(u) - 1)
    torch.testing.assert_close(found, expected)


def test_patches_cut_each_axis_into_what_it_holds():
    metric = PatchSlicedWasserstein(divisions=4, points=4)
    u = torch.arange(96, dtype=torch.float64).reshape(1, 1, 6, 16)
    [patches] = metric.patches(u, SERIES)
    projected = SERIES.resample(u, 16)[0, 0]
    assert patches.shape == (4, 16)
    torch.testing.assert_close(patches[1].reshape(4, 4), projected[:4, 4:8])
    short = PatchSlicedWasserstein(divisions=2, points=8)
    [patches] = short.patches(u, SERIES)
    torch.testing.assert_close(patches[1].reshape(6, 8), projected[:, 8:])


def test_fields_on_no_grid_of_the_box_are_refused():
    with pytest.raises(ValueError, match=r"expected \(fields, channels, y, x\)"):
        SlicedWasserstein()(torch.zeros(3, 1, 8, 8), torch.zeros(3, 1, 8, 8), RECTANGLE)
