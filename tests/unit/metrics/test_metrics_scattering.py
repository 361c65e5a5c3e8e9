"""Wavelet scattering: closed forms, what it does not change under, and what it sees."""

import math

import pytest
import torch
from scipy.special import ellipe
from torch.testing import assert_close

from fsdiff.metrics.frechet_scattering import FrechetScattering
from fsdiff.metrics.scattering import BANDWIDTH, Scattering
from fsdiff.metrics.spectra import SpectrumError
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Axis, Box

PLANE, WALLS = FourierBasis(2), CosineBasis(2)


def fields(basis, n, count=3, seed=0):
    return torch.randn(
        count, *basis.grid(n), generator=torch.Generator().manual_seed(seed)
    ).double()


def mean_modulus(frequency, centre, angle):
    """Of cos(2π f·x) ∗ ψ, a mean over an ellipse; ψ has one deviation in all directions."""
    width = 2 * (BANDWIDTH * centre) ** 2
    y, x = centre * math.sin(angle), centre * math.cos(angle)

    def symbol(fy, fx):
        wave = math.exp(-((fy - y) ** 2 + (fx - x) ** 2) / width)
        return wave - math.exp(-(centre**2 + fy**2 + fx**2) / width)

    fy, fx = frequency
    a, b = symbol(fy, fx), symbol(-fy, -fx)
    # (a e^{is} + b e^{−is})/2 goes round an ellipse of half axes |a ± b|/2.
    small, large = sorted([abs(a + b) / 2, abs(a - b) / 2])
    return 2 / math.pi * large * float(ellipe(1 - (small / (large or 1)) ** 2))


@pytest.mark.parametrize(("basis", "modes"), [(PLANE, (2, 5)), (WALLS, (0, 7))])
def test_a_wave_has_moduli_in_closed_form(basis, modes):
    y, x = torch.meshgrid(*(torch.as_tensor(u) for u in basis.axis_nodes(32)), indexing="ij")
    waves = (1 if basis.periodic else 0.5) * torch.tensor(modes)
    wave = torch.cos(2 * torch.pi * (waves[0] * y + waves[1] * x))
    scattering = Scattering(basis, scales=3, orientations=4)
    found = scattering(wave[None])[0]
    expected = [
        mean_modulus(waves.tolist(), 1.5 * 2**scale, math.pi * number / 4)
        for scale in range(3)
        for number in range(4)
    ]
    assert_close(found[1:13], torch.tensor(expected).double(), rtol=1e-4, atol=1e-5)
    # Seen by one wavelet alone, a wave has one size everywhere, and so no waves of that.
    assert found[0].abs() < 1e-12
    assert found[13:].max() < 2e-3 * found.max()


@pytest.mark.parametrize("basis", [PLANE, WALLS, FourierBasis(1), CosineBasis(1)])
def test_a_function_has_the_same_features_on_all_grids(basis):
    coarse = fields(basis, 12)
    scattering = Scattering(basis, scales=3, orientations=2)
    found = scattering(coarse)
    assert found.shape == (3, sum(scattering.orders))
    for n in (15, 48):  # coarser and finer than what they are brought to
        assert_close(scattering(basis.prolong(coarse, n)), found, rtol=1e-9, atol=1e-12)


def test_features_of_periodic_fields_do_not_move():
    u = PLANE.prolong(fields(PLANE, 12), 48)
    scattering = Scattering(PLANE, scales=3, orientations=4)
    found = scattering(u)
    assert_close(scattering(u.roll((5, 11), (1, 2))), found, rtol=0.05, atol=1e-3)
    assert (
        float((scattering(u.roll((5, 11), (1, 2))) / found - 1)[:, 1:].square().mean()) < 0.005**2
    )
    # By nodes of the coarsest grid that means are taken on, not at all.
    assert_close(scattering(u.roll((6, 12), (1, 2))), found, rtol=1e-9, atol=1e-12)


def test_a_mirrored_field_has_mirrored_directions():
    """Between walls too, where half of what is averaged is beyond them."""
    u = fields(WALLS, 24)
    first = [Scattering(WALLS, 3, 4)(v)[:, 1:13].view(3, 3, 4) for v in (u, u.flip(2))]
    assert_close(first[1], first[0][..., [0, 3, 2, 1]], rtol=1e-3, atol=1e-5)


def test_sides_are_in_one_unit():
    """A box of half the height has the wavelets of the square, and a wave in it their features."""
    flat = Box(
        axes=(
            Axis(kind="periodic", name="y", nodes=16, side=0.5),
            Axis(kind="periodic", name="x", nodes=32),
        )
    )
    u = fields(flat, 32)
    square = u.tile(1, 2, 1)
    found = Scattering(flat, 3, 4)(u)
    assert_close(found, Scattering(PLANE, 3, 4)(square), rtol=1e-9, atol=1e-12)


def bumps(count, seed, n=16):
    """Few bumps at random places, as far as the grid resolves them, without a mean."""
    random = torch.Generator().manual_seed(seed)
    points = (torch.rand(count, 1, n, n, generator=random) < 4 / n**2).double()
    symbol = torch.exp(-0.0004 * PLANE.omega_squared(n))
    u = PLANE.multiply(points, symbol)
    u = u - u.mean()
    return u / u.std()


def test_it_sees_what_a_spectrum_does_not_tell():
    data, other = bumps(64, 0), bumps(64, 1)
    noise = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(2)).double()
    phases = torch.fft.fftn(noise, dim=(2, 3)).sgn()
    moduli = torch.fft.fftn(other, dim=(2, 3)).abs()
    surrogate = torch.fft.ifftn(moduli * phases, dim=(2, 3)).real
    measure = FrechetScattering(scales=2)
    near, far = measure(other, data, PLANE), measure(surrogate, data, PLANE)
    spectra = [SpectrumError()(u, data, PLANE)["log_spectrum_error"] for u in (other, surrogate)]
    assert spectra[1] == pytest.approx(spectra[0], rel=1e-6)  # its spectrum is that of the data
    assert far["scattering_error"] > 4 * near["scattering_error"]
    assert far["frechet_scattering"] > 4 * near["frechet_scattering"]
    assert "frechet_scattering_limit" not in near  # of 25 features
    fewest = measure.fewest("frechet_scattering_limit", PLANE, 16, channels=1)
    assert fewest == 101
    assert len(measure(bumps(100, 2), bumps(104, 3), PLANE)) == 2
    assert set(measure(bumps(fewest, 2), bumps(104, 3), PLANE)) == set(measure.results)


def test_the_error_of_means_is_the_logarithm_of_a_factor():
    u = bumps(8, 0)
    assert FrechetScattering(scales=2)(3 * u, u, PLANE)["scattering_error"] == pytest.approx(
        math.log(3)
    )


def test_fields_that_have_no_such_waves_are_refused():
    measure = FrechetScattering()
    with pytest.raises(ValueError, match="on a line or in the plane"):
        measure.check_grid(FourierBasis(3), 8)
    time = Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=5, held=True),
            Axis(kind="periodic", name="x", nodes=8),
        )
    )
    with pytest.raises(ValueError, match="on a line or in the plane"):
        measure.check_grid(time, 8)
