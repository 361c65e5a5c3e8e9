"""Radial spectrum and autocovariance: Parseval, single modes, known logarithms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.metrics.spectra import (
    AutocovarianceError,
    SpectrumError,
    autocovariance,
    radial_spectrum,
)
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import Basis, CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.shells import whole_shells

BASES = [CosineBasis(), FourierBasis()]


def random_fields(count: int, n: int, seed: int, channels: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, channels, n, n), generator=random, dtype=torch.float64)


def single_mode(basis: Basis, k: tuple[int, int], n: int, amplitude: float = 1.0) -> torch.Tensor:
    """amplitude · cos(ω_1 y) cos(ω_2 x) on the grid of the basis."""
    omega = basis.angular_frequency()
    nodes = torch.from_numpy(basis.nodes(n))
    return amplitude * torch.outer(torch.cos(omega * k[0] * nodes), torch.cos(omega * k[1] * nodes))


@pytest.mark.parametrize("basis", [*BASES, CosineBasis(1), FourierBasis(3)], ids=str)
@pytest.mark.parametrize("n", [9, 15])
def test_shells_sum_to_the_mean_square(basis, n):
    random = torch.Generator().manual_seed(0)
    shape = (3, 2, *(n,) * basis.dimension)
    u = torch.randn(shape, generator=random, dtype=torch.float64) + 1
    k, energy = radial_spectrum(u, basis)
    assert energy.shape == (2, len(k))
    assert k.tolist() == list(range(len(k)))
    torch.testing.assert_close(energy.sum(1), u.square().mean((0, *basis.grid_axes())))


@pytest.mark.parametrize("basis", BASES, ids=str)
@pytest.mark.parametrize(("mode", "shell"), [((0, 0), 0), ((0, 3), 3), ((3, 4), 5), ((2, 2), 3)])
def test_a_mode_sits_in_its_shell_with_its_mean_square(basis, mode, shell):
    u = single_mode(basis, mode, 16, amplitude=3.0)[None, None]
    k, energy = radial_spectrum(u, basis)
    expected = torch.zeros_like(energy)
    expected[0, shell] = 9 / 2 ** sum(component > 0 for component in mode)
    torch.testing.assert_close(energy, expected)
    assert k[shell] == shell


SINES = Axis(kind="dirichlet", name="y", nodes=4, side=0.25)
NARROW = Box(axes=(SINES, Axis(kind="neumann", name="x", nodes=16, side=2.0)))


@pytest.mark.parametrize(
    ("basis", "n"),
    [(SineBasis(1), 5), (SineBasis(3), 6), (NARROW, 16)],
    ids=["line", "cube", "rectangle"],
)
def test_shells_without_modes_are_no_agreement(basis, n):
    """Walls leave low ones empty: samples that are twice the reference have ln 4 in all others."""
    grid = basis.grid(n)
    reference = torch.randn((20, 1, *grid), generator=torch.Generator().manual_seed(0)).double()
    found = SpectrumError(octaves=4)(2 * reference, reference, basis)
    assert "log_spectrum_error" in found
    assert all(value == pytest.approx(math.log(4), rel=1e-6) for value in found.values())


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_spectrum_of_a_function_does_not_depend_on_the_grid(basis):
    u = random_fields(4, 9, 0)
    k, coarse = radial_spectrum(u, basis)
    _, fine = radial_spectrum(basis.prolong(u, 24), basis)
    torch.testing.assert_close(fine[:, : len(k)], coarse)
    assert fine[:, len(k) :].sum() < 1e-20


@pytest.mark.parametrize(
    ("basis", "n", "expected"),
    [
        (CosineBasis(), 16, 15),
        (FourierBasis(), 16, 7),
        (FourierBasis(), 15, 7),
        (CosineBasis(3), 8, 7),
        (FourierBasis(1), 10, 4),
    ],
)
def test_whole_shells(basis, n, expected):
    assert whole_shells(n, basis) == expected


@pytest.mark.parametrize("basis", BASES, ids=str)
@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.01, 100), channels=st.integers(1, 3))
def test_error_of_scaled_fields_is_the_logarithm(basis, factor, channels):
    u = random_fields(3, 12, 0, channels)
    row = SpectrumError()(factor * u, u, basis)
    expected = abs(math.log(factor**2))
    assert row == {"log_spectrum_error": pytest.approx(expected, abs=1e-9)}


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_roundoff_in_empty_shells_is_no_error_but_energy_there_is(basis):
    u = basis.prolong(random_fields(4, 6, 0), 32)
    noise = random_fields(4, 32, 1)
    error = SpectrumError(negligible=1e-12)
    assert error(u + 1e-10 * noise, u, basis)["log_spectrum_error"] < 1e-6
    assert error(u.float(), u, basis)["log_spectrum_error"] < 1e-3
    assert error(u + 1e-2 * noise, u, basis)["log_spectrum_error"] > 5
    assert SpectrumError(negligible=1e-3)(u + 1e-2 * noise, u, basis)["log_spectrum_error"] < 0.1


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_octaves_have_the_errors_of_their_own_shells(basis):
    """Shells 4 … 7 are twice too large; of the octave from 8 on a coarse grid resolves none."""
    u = random_fields(4, 24, 0)
    measure = SpectrumError(octaves=4)
    wrong = (basis.wavenumber(24) - 5.5).abs() < 2
    changed = basis.multiply(u, torch.where(wrong, 2.0, 1.0))
    row = measure(changed, u, basis)
    assert tuple(row) == measure.results
    alike = {f"log_spectrum_error_{k}": pytest.approx(0, abs=1e-9) for k in (1, 2, 8)}
    expected = {"log_spectrum_error_4": pytest.approx(math.log(4))}
    assert row == {"log_spectrum_error": row["log_spectrum_error"]} | alike | expected
    coarse = measure(random_fields(4, 8, 0), random_fields(4, 8, 1), basis)
    assert set(measure.results) - set(coarse) == {"log_spectrum_error_8"} | (
        {"log_spectrum_error_4"} if isinstance(basis, FourierBasis) else set()
    )


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_one_wrong_shell_counts_by_its_share(basis):
    u = random_fields(4, 15, 0)
    at_shell = (basis.wavenumber(15) - 3).abs() < 0.5
    changed = basis.multiply(u, torch.where(at_shell, 2.0, 1.0))
    shells = whole_shells(15, basis) + 1
    row = SpectrumError()(changed, u, basis)
    assert row["log_spectrum_error"] == pytest.approx(math.log(4) / shells**0.5)


def test_autocovariance_of_a_random_wave():
    # cos(2πkx + φ), φ uniform on n phases: C(h) = ½ cos(2πkh) along x, constant along y.
    n, k = 12, 2
    nodes = torch.arange(n, dtype=torch.float64) / n
    waves = torch.cos(2 * torch.pi * (k * nodes[None, :] + nodes[:, None]))
    u = waves[:, None, None, :].expand(n, 1, n, n)
    lags = torch.arange(-6, 6) / n
    expected = 0.5 * torch.cos(2 * torch.pi * k * lags).double() * n / (n - 1)
    torch.testing.assert_close(autocovariance(u, FourierBasis()), expected.expand(1, n, n))


@pytest.mark.parametrize("n", [5, 6])
def test_autocovariance_pair_by_pair_in_a_box(n):
    u = random_fields(7, n, 0, channels=2) + 3
    deviation = u - u.mean(0)
    found = autocovariance(u, CosineBasis())
    lags = range(-(n // 2), (n + 1) // 2)
    for i, dy in enumerate(lags):
        for j, dx in enumerate(lags):
            near = deviation[:, :, max(0, -dy) : n - max(0, dy), max(0, -dx) : n - max(0, dx)]
            far = deviation[:, :, max(0, dy) : n + min(0, dy), max(0, dx) : n + min(0, dx)]
            expected = (near * far).mean((2, 3)).sum(0) / 6
            torch.testing.assert_close(found[:, i, j], expected)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_autocovariance_error_of_scaled_and_shifted_fields(basis):
    u = random_fields(5, 8, 0, channels=2)
    row = AutocovarianceError()(2 * u + 1, u, basis)
    assert row == {"autocovariance_error": pytest.approx(3)}
    assert AutocovarianceError()(u, u, basis) == {"autocovariance_error": 0}
