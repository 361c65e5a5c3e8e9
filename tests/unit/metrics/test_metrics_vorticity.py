"""Enstrophy, and its flux, zero for Gaussian laws, in closed form for waves; published measures."""

import math

import pytest
import torch

from fsdiff.measures.initial import PowerLawField
from fsdiff.metrics.enstrophy import (
    Enstrophy,
    EnstrophyFlux,
    enstrophies,
    enstrophy_flux,
    transfer,
)
from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.published_vorticity import PublishedVorticity, unordered_spectrum
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box

BASIS, N = FourierBasis(), 24


def gaussian(count, n=N, seed=0):
    return PowerLawField(scale=1e6, shift=200.0, power=3.0).sample(
        BASIS, n, range(count), seed, channels=1
    )


def waves(n, *terms):
    """Σ a cos(2π(k_x x + k_y y) + φ) of terms (a, k_y, k_x, φ), (1, 1, n, n)."""
    y, x = (torch.from_numpy(nodes) for nodes in BASIS.axis_nodes(n))
    phases = ((a, 2 * math.pi * (q * y[:, None] + p * x[None]) + f) for a, q, p, f in terms)
    return sum(a * torch.cos(phase) for a, phase in phases)[None, None]


# k + p = q: one triad.
TRIAD = ((1.3, 0, 2, 0.4), (0.9, 3, 1, -0.7), (0.7, 3, 3, 1.1))


def triad_transfer():
    """What the longest wave of the triad gains from the two others, by hand.

    Products of a cos(A) and b cos(B) with C = A + B: u·∇ω of the pair has
    −½ab (k × p)(1/|k|² − 1/|p|²) cos(A + B), and the mean of it with c cos(C) is half of that by
    the cosine of the difference of phases.
    """
    (a, ky, kx, f), (b, py, px, g), (c, _, _, h) = TRIAD
    cross = kx * py - ky * px
    factor = cross * (1 / (kx**2 + ky**2) - 1 / (px**2 + py**2))
    return 0.25 * a * b * c * factor * math.cos(f + g - h)


def test_a_triad_moves_what_it_does_by_hand():
    flux = enstrophy_flux(waves(N, *TRIAD), BASIS)[0]
    # The third wave, |k| = 4.2, is in shell 4; the second, 3.2, in shell 3: before it Π is what
    # the third one gains, with the other sign, since all three keep what there is.
    assert abs(float(flux[3])) == pytest.approx(abs(triad_transfer()), rel=1e-10)
    assert float(flux[5]) == pytest.approx(0, abs=1e-12)


def test_advection_leaves_the_enstrophy_of_all_modes_alone():
    fields = gaussian(3)
    moved = transfer(fields, BASIS)
    total = (BASIS.multiplicity(N) * moved).sum((-1, -2))
    assert float(total.abs().max()) < 1e-12 * float(moved.abs().max()) * N**2


def test_it_is_the_rate_at_which_inviscid_flows_lose_enstrophy_of_large_scales():
    start, step = waves(48, *TRIAD), 1e-3
    flow = NavierStokes(viscosity=0.0, forcing="none", tolerance=1e-10)
    ended = flow.solve(start, [step])[0]
    modes = BASIS.wavenumber(48) < 3.5

    def large(u):
        square = BASIS.multiplicity(48) * BASIS.forward(u[0, 0]).abs().square()
        return 0.5 * float(square[modes].sum())

    lost = (large(start) - large(ended)) / step
    assert float(enstrophy_flux(start, BASIS)[0, 3]) == pytest.approx(lost, rel=2e-3)


def test_gaussian_laws_have_none():
    """Π is odd, so that a field and its negative, equally likely, have none together."""
    fields = gaussian(4)
    both = torch.cat([fields, -fields])
    assert float(enstrophy_flux(both, BASIS).abs().max()) < 1e-12
    many = torch.stack([enstrophy_flux(u[None], BASIS)[0] for u in gaussian(300, 12, 1)])
    error = many.std(0) / math.sqrt(len(many))
    assert (many.mean(0).abs() <= 4 * error + 1e-12).all()


def test_a_finer_grid_has_the_same_flux():
    coarse = waves(N, *TRIAD)
    flux = enstrophy_flux(BASIS.prolong(coarse, 40), BASIS)
    torch.testing.assert_close(flux[:, :11], enstrophy_flux(coarse, BASIS)[:, :11])


def test_a_rectangle_of_two_equal_squares_has_the_flux_of_one():
    axes = (
        Axis(kind="periodic", name="y", nodes=2 * N, side=2.0),
        Axis(kind="periodic", name="x", nodes=N),
    )
    box, square = Box(axes=axes), waves(N, *TRIAD)
    double = torch.cat([square, square], dim=-2)
    found = enstrophy_flux(double, box)[0]
    # Shells are counted in half of the unit there.
    assert float(found[7]) == pytest.approx(float(enstrophy_flux(square, BASIS)[0, 3]))


def test_the_error_of_fields_without_flux_is_one():
    reference, still = waves(N, *TRIAD), torch.cat([gaussian(2), -gaussian(2)])
    row = EnstrophyFlux()(still, reference, BASIS)
    assert row["enstrophy_flux_error"] == pytest.approx(1)
    assert row["enstrophy_flux_reference"] == pytest.approx(abs(triad_transfer()))
    assert EnstrophyFlux()(reference, reference, BASIS)["enstrophy_flux_error"] == 0


def test_channels_without_flux_have_no_error_of_it(caplog):
    reference, still = waves(N, *TRIAD), torch.zeros(1, 1, N, N, dtype=torch.float64)
    both = EnstrophyFlux()(torch.cat([reference] * 2, 1), torch.cat([reference, still], 1), BASIS)
    assert both["enstrophy_flux_error"] == 0
    row = evaluate({"flux": EnstrophyFlux()}, reference, still, BASIS)
    assert "enstrophy_flux_error" not in row
    assert row["enstrophy_flux"] > 0
    assert "metric 'flux' gives no enstrophy_flux_error" in caplog.text


def test_enstrophies_of_waves():
    """½⟨ω²⟩ = Σ a²/4 and ½⟨|∇ω|²⟩ = Σ (2πk)² a²/4, on every grid."""
    squares = [(a**2 / 4, 4 * math.pi**2 * (q**2 + p**2)) for a, q, p, _ in TRIAD]
    expected = [sum(a for a, _ in squares), sum(a * k for a, k in squares)]
    for n in (12, N):
        found = [float(values) for values in enstrophies(waves(n, *TRIAD), BASIS)]
        assert found == pytest.approx(expected)


def test_enstrophies_that_are_quadrupled_are_three_means_away():
    fields = gaussian(5)
    row = Enstrophy()(2 * fields, fields, BASIS)
    assert row == pytest.approx({"enstrophy_w1": 3.0, "palinstrophy_w1": 3.0})
    # Halves of twice and of no enstrophy have the same mean: they are one mean away from it.
    one = waves(N, *TRIAD)
    apart = torch.cat([2**0.5 * one, 0 * one])
    row = Enstrophy()(apart, torch.cat([one, one]), BASIS)
    assert row == pytest.approx({"enstrophy_w1": 1.0, "palinstrophy_w1": 1.0})
    assert math.isnan(Enstrophy()(one, 0 * one, BASIS)["enstrophy_w1"])


@pytest.mark.parametrize("metric", [EnstrophyFlux(), Enstrophy()], ids=lambda metric: metric.kind)
def test_other_fields_are_refused(metric):
    with pytest.raises(ValueError, match="flows in a periodic plane"):
        metric.check_grid(CosineBasis(), 16)


# Published measures


def test_the_published_spectrum_does_not_see_which_wavenumber_is_which():
    low, high = waves(N, (1.0, 0, 1, 0.0)), waves(N, (1.0, 0, 9, 0.0))
    row = PublishedVorticity()(low, high, BASIS)
    assert row["published_spectrum_w1"] == pytest.approx(0, abs=1e-12)
    spectrum = unordered_spectrum(high[:, 0])
    assert spectrum.argmax() == 9
    assert float(spectrum[9]) == pytest.approx(0.5)


def test_the_published_spectrum_adds_coefficients_before_their_modulus():
    cancelling = waves(N, (1.0, 2, 3, 0.0), (1.0, 3, 2, math.pi))
    assert float(unordered_spectrum(cancelling[:, 0])[5]) == pytest.approx(0, abs=1e-12)


def test_published_values_and_mean_squares_have_units():
    fields = gaussian(5)
    row = PublishedVorticity()(2 * fields, fields, BASIS)
    deviation = (fields[:, 0] - fields[:, 0].mean(0)).square().mean((1, 2))
    assert row["published_deviation_w1"] == pytest.approx(3 * float(deviation.mean()))
    assert row["published_pixels_w1"] == pytest.approx(float(fields.abs().mean()), rel=1e-2)
