"""A data set's spectrum on grids other than the one it was measured on."""

import numpy as np
import pytest
import torch

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.spectrum import resample_spectrum

BASES = [cls(d) for cls in (CosineBasis, FourierBasis, SineBasis) for d in (1, 2, 3)]


def identify(basis):
    return f"{basis.kind}-{basis.dimension}"


def over_modes(basis, n, function):
    """function(|k|) over the coefficients, zero where n nodes do not resolve."""
    grids = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    length = np.sqrt(sum(k.astype(float) ** 2 for k in grids))
    return torch.from_numpy(function(length)) * basis.resolved(n)


def by_wavenumber(basis, values, n):
    grids = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    return dict(
        zip(
            zip(*(g.ravel().tolist() for g in grids), strict=True),
            values.ravel().tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("basis", BASES, ids=identify)
@pytest.mark.parametrize(("source", "n"), [(10, 7), (11, 6), (9, 8), (8, 8), (9, 9)])
def test_coarser_grids_have_a_subset(basis, source, n):
    rng = np.random.default_rng(0)
    spectrum = torch.from_numpy(rng.uniform(1, 2, (2, *basis.coefficient_shape(source))))
    coarse = resample_spectrum(spectrum, basis, source, n)
    assert coarse.shape == (2, *basis.coefficient_shape(n))
    resolved = by_wavenumber(basis, basis.resolved(n), n)
    for channel in range(2):
        fine = by_wavenumber(basis, spectrum[channel], source)
        for k, value in by_wavenumber(basis, coarse[channel], n).items():
            assert value == (fine[k] if resolved[k] else 0.0), k


@pytest.mark.parametrize("basis", BASES, ids=identify)
@pytest.mark.parametrize(("source", "n"), [(12, 19), (13, 24)])
def test_a_power_law_is_continued_exactly(basis, source, n):
    exponents = (-3.3, -1.7)
    laws = [lambda k, a=a: 5.0 * np.maximum(k, 1.0) ** a for a in exponents]
    spectrum = torch.stack([over_modes(basis, source, law) for law in laws])
    expected = torch.stack([over_modes(basis, n, law) for law in laws])
    found = resample_spectrum(spectrum, basis, source, n)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", ["neumann", "periodic"])
@pytest.mark.parametrize("nodes", [(8, 64), (16, 64)])
def test_modes_missing_along_an_axis_have_no_more_than_the_octave_that_is_fitted(kind, nodes):
    """Smooth data with fewer nodes along one axis: what is missing there is next to nothing."""
    axes = [Axis(kind=kind, name=name, nodes=n) for name, n in zip("yx", nodes, strict=True)]
    basis = Box(axes=tuple(axes))
    y, x = np.meshgrid(*basis.axis_modes(64), indexing="ij")
    widths = (nodes[0] / 5, 12) if kind == "neumann" else (nodes[0] / 8, 6)
    law = np.exp(-((y / widths[0]) ** 2 + (x / widths[1]) ** 2) / 2)
    spectrum = torch.from_numpy(law) * basis.resolved(64)
    energy = [
        float((basis.multiplicity(n) * resample_spectrum(spectrum[None], basis, 64, n)).sum())
        for n in (64, 128)
    ]
    assert energy[0] <= energy[1] < 1.05 * energy[0]


@pytest.mark.parametrize("basis", [FourierBasis(1), FourierBasis(2)], ids=identify)
def test_spectra_that_rise_in_the_last_octave_are_not_continued_upwards(basis):
    """Waves near the cutoff, with noise in all other modes."""
    spectrum = over_modes(basis, 16, lambda k: np.where((k > 5.5) & (k < 7.5), 1.0, 1e-4))[None]
    energy = [
        float((basis.multiplicity(n) * resample_spectrum(spectrum, basis, 16, n)).sum())
        for n in (16, 32, 64)
    ]
    assert energy[0] <= energy[1] <= energy[2] < 2 * energy[0]


@pytest.mark.parametrize("basis", BASES, ids=identify)
def test_known_modes_are_kept_on_finer_grids_and_come_back(basis):
    rng = np.random.default_rng(1)
    spectrum = torch.from_numpy(rng.uniform(1, 2, (1, *basis.coefficient_shape(9))))
    fine = resample_spectrum(spectrum, basis, 9, 14)
    back = resample_spectrum(fine, basis, 14, 9)
    torch.testing.assert_close(back, spectrum * basis.resolved(9), rtol=0, atol=0)


def test_resolved_modes_stay_positive_and_the_rest_zero(basis):
    spectrum = over_modes(basis, 16, lambda k: np.where(k > 4, 0.0, 1.0))[None]
    for n in (12, 16, 31):
        found = resample_spectrum(spectrum, basis, 16, n)
        assert (found[0][basis.resolved(n)] > 0).all()
        assert not found[0][~basis.resolved(n)].any()
        assert torch.isfinite(found).all()
        # What was zero may not become visible.
        assert float((basis.multiplicity(n) * found[0]).sum()) == pytest.approx(
            float((basis.multiplicity(16) * spectrum[0]).sum()), rel=1e-6
        )


def test_it_is_the_spectrum_of_restricted_fields(basis):
    u = torch.from_numpy(np.random.default_rng(2).standard_normal((20, 2, 15, 15)))
    fine = basis.forward(u).abs().square().mean(0)
    coarse = basis.forward(basis.restrict(u, 10)).abs().square().mean(0)
    torch.testing.assert_close(resample_spectrum(fine, basis, 15, 10), coarse)


def test_the_argument_is_not_changed(basis):
    spectrum = over_modes(basis, 16, lambda k: np.exp(-k))[None]
    before = spectrum.clone()
    resample_spectrum(spectrum, basis, 16, 32)
    assert spectrum.equal(before)
