"""Vorticity as the push-forward of a random forcing: the published law, and what it must obey."""

import dataclasses
import math

import pytest
import torch

from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.measures.initial import PowerLawField, Zero
from fsdiff.spaces.bases import FourierBasis

BASIS, N, T = FourierBasis(), 24, 5.0
VISCOSITY = 1 / (500 * 4 * math.pi**2)
"""Of Reynolds number 500 on a box of side 2π, in the unit box."""


def forced(amplitude, **changes):
    """Flows from rest whose forcing is ``amplitude`` times the published one."""
    forcing = PowerLawField(scale=4.4855e7 * amplitude**2, shift=355.306, power=4.0)
    source = NavierStokesData(
        resolution=N,
        time=T,
        viscosity=VISCOSITY,
        forcing="none",
        initial=Zero(),
        random_forcing=forcing,
        tolerance=1e-8,
    )
    return dataclasses.replace(source, **changes)


def coefficients(source, index=0):
    return BASIS.forward(source.solve(index, 0)[0, 0])


def test_the_published_forcing_has_the_published_mean_square():
    """Σ 18.4658 (|k|² + 9)^−4 over k ≠ 0 is 0.02371, a root mean square of 0.154."""
    law = forced(1.0).random_forcing
    eigenvalues = law.eigenvalues(BASIS, 128)
    wavenumber = BASIS.wavenumber(128)
    published = 18.4658 * (wavenumber**2 + 9) ** -4 * (wavenumber > 0)
    torch.testing.assert_close(eigenvalues, published, rtol=1e-4, atol=0)
    total = float((BASIS.multiplicity(128) * eigenvalues).sum())
    assert total == pytest.approx(0.02371, rel=1e-3)
    assert math.sqrt(total) == pytest.approx(0.154, abs=1e-3)


def test_weak_forcing_is_answered_mode_by_mode():
    """ω_k = (1 − e^{−ν|ω|²T})/(ν|ω|²) f_k but for products of the amplitude."""
    source = forced(1e-4)
    rate = VISCOSITY * BASIS.omega_squared(N)
    response = torch.where(rate > 0, -torch.expm1(-rate * T) / rate.clamp(min=1e-30), T)
    expected = response * BASIS.forward(BASIS.restrict(source.forcings(36, 0, 0)[0, 0], N))
    found = coefficients(source)
    assert float((found - expected).norm() / expected.norm()) < 1e-3


def test_longer_times_are_stronger_forcings():
    """(A f, T, ν) is (f, √A T, ν/√A) with ω over √A."""
    strong = coefficients(forced(4.0))
    long = coefficients(forced(1.0, time=2 * T, viscosity=VISCOSITY / 2))
    assert float((strong - 2 * long).norm() / strong.norm()) < 1e-4
