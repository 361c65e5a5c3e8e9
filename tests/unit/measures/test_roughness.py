"""Whether noise is rough enough for data: spectra with known exponents, and both verdicts."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fsdiff.data.statistics import Statistics
from fsdiff.measures.priors.convolution import FNO, Bessel, Combined, Laplacian, Standard
from fsdiff.measures.priors.kernel import RBF, Exponential, Matern
from fsdiff.measures.roughness import GROWTH, NEGLIGIBLE, Comparison, compare, compare_prior
from fsdiff.reports.roughness import of_noise
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.stages.train import warn_of_smooth_noise

N = 64


def shells(function, count=N):
    """A spectrum over shells, k = 0 like k = 1."""
    return function(np.arange(count).clip(1).astype(float))


def rough_data(basis, n=N):
    """Mean-square coefficients whose energy per shell falls like k^−2, as fronts have it."""
    k = basis.wavenumber(n).clamp_min(0.7)
    return k ** -(1 + basis.dimension) * basis.resolved(n)


def smooth_data(basis, n=N):
    """Like reaction–diffusion at t = 2.5: flat up to wavenumber 6, then exponential decay."""
    k = basis.wavenumber(n)
    return torch.exp(-k / 2.5) / (1 + k) * basis.resolved(n)


# Exponents and shells


@given(data=st.floats(0.5, 3.0), excess=st.floats(0.0, 3.0))
def test_noise_that_decays_no_faster_than_the_data_is_rough_enough(data, excess):
    comparison = Comparison(shells(lambda k: k ** (-data - excess)), shells(lambda k: k**-data), 0)
    assert comparison.rough_enough
    assert not len(comparison.smoother)
    assert comparison.exponents == pytest.approx((data + excess, data))


@given(data=st.floats(0.5, 2.0), excess=st.floats(1.5, 3.0))
def test_noise_that_decays_faster_is_smoother_beyond_tenfold_growth(data, excess):
    """The ratio k^excess is compared with that of all shells below k."""
    energy, noise = shells(lambda k: k**-data), shells(lambda k: k ** (-data - excess))
    comparison = Comparison(energy, noise, 0)
    assert not comparison.rough_enough
    expected = [
        k
        for k in range(2, N)
        if k**excess > GROWTH * energy[1:k].sum() / noise[1:k].sum() * (1 + 1e-12)
    ]
    assert comparison.smoother.tolist() == expected
    assert comparison.exponents == pytest.approx((data, data + excess))
    assert comparison.fitted == (1, N - 1)


def test_the_verdict_says_where_and_how_much():
    """Beyond 26 data like k^-4 are below a millionth of their energy."""
    rough, smooth = shells(lambda k: k**-1.0), shells(lambda k: k**-4.0)
    assert of_noise(Comparison(smooth, rough, 0)) == (
        "the noise is rough enough for these data: from wavenumber 1 to 26 the energy of the noise "
        "goes like k^-1.0 and that of the data like k^-4.0"
    )
    verdict = of_noise(Comparison(rough, smooth, 0))
    assert "at wavenumbers 3–63" in verdict
    assert "from wavenumber 1 to 63 the energy of the noise goes like k^-4.0" in verdict
    assert "and that of the data like k^-1.0" in verdict
    assert verdict.endswith(
        "choose a prior that is rougher (a smaller power, smoothness or length)"
    )


def test_the_exponents_are_those_of_the_range_where_the_ratio_grows():
    """Data that are flat and then end: noise that is too smooth below, and rougher above."""
    data = shells(lambda k: np.where(k < 10, 1.0, np.exp(10 - k)))
    noise = shells(lambda k: k**-3.0)
    comparison = Comparison(data, noise, 0)
    assert comparison.fitted == (1, 10)
    assert comparison.exponents == pytest.approx((0, 3), abs=1e-6)
    assert not comparison.rough_enough


def test_shells_without_noise_are_smoother_and_empty_ones_do_not_count():
    finite_rank = shells(lambda k: np.where(k < 20, k**-2.0, 0))
    comparison = Comparison(shells(lambda k: k**-2.0), finite_rank, 0)
    np.testing.assert_array_equal(comparison.smoother, np.arange(20, N))
    assert comparison.exponents == pytest.approx((2, 2))
    # What data have beyond k = 30 here is rounding error.
    data = shells(lambda k: np.where(k < 30, k**-2.0, 0.1 * NEGLIGIBLE))
    assert Comparison(data, shells(lambda k: np.where(k < 30, k**-2.0, 0)), 0).rough_enough


@pytest.mark.parametrize("shells", [1, 2])
def test_one_shell_has_no_exponent(shells):
    comparison = Comparison(np.ones(shells), np.ones(shells), 0)
    assert np.isnan(comparison.exponents).all()
    assert comparison.rough_enough
    assert of_noise(comparison) == "the noise is rough enough for these data"


def test_where_data_have_nothing_they_are_no_smoother_than_noise():
    """White noise is as rough at 2 and 3, where all the data are, as at 1, where there are none."""
    data = np.array([0.0, 0.0, 1.0, 1.0])
    assert Comparison(data, np.ones(4), 0).rough_enough
    assert Comparison(data, np.array([1, 1, 1, 1e-3]), 0).scarcer.tolist() == [3]
    nothing = compare(torch.zeros(8), torch.ones(8), CosineBasis(1), 8)
    assert nothing.rough_enough
    assert nothing.uncovered == 0


@given(rise=st.floats(0.0, 2.0), fall=st.floats(0.0, 4.0))
def test_a_rise_of_the_data_is_not_the_doing_of_the_noise(rise, fall):
    """Digits have little energy at the lowest wavenumber, of which white noise has as much."""
    data = shells(lambda k: np.minimum(k, 4) ** rise * np.maximum(k, 4) ** -2.0)
    assert Comparison(data, shells(lambda k: k**1.0), 0).rough_enough
    flat = Comparison(np.ones(N), shells(lambda k: k**-fall), 0)
    rising = Comparison(shells(lambda k: k**rise), shells(lambda k: k**-fall), 0)
    assert rising.smoother.tolist() == flat.smoother.tolist()


# Priors beside data


@pytest.mark.parametrize("kind", [CosineBasis, FourierBasis])
@pytest.mark.parametrize(
    ("prior", "good"),
    [
        (Standard(), True),
        (Bessel(power=0.55), True),
        (Exponential(length=0.005), True),
        (Exponential(length=0.05), True),
        (Matern(length=0.1, smoothness=2.5), False),
        (Bessel(power=1.5), False),
        (Laplacian(power=1.5), False),
        (RBF(length=0.1), False),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_rough_data_need_rough_noise(kind, prior, good):
    basis = kind()
    comparison = compare(rough_data(basis), prior.eigenvalues(basis, N), basis, N)
    assert (len(comparison.smoother) == 0) is good
    data, noise = comparison.exponents
    assert data == pytest.approx(2, abs=0.15)
    if not good:
        assert noise > data + 0.5
    assert ("smoother than the data" in of_noise(comparison)) is not good


@pytest.mark.parametrize("kind", [CosineBasis, FourierBasis])
def test_bessel_noise_suits_reaction_diffusion_and_smooth_noise_does_not(kind):
    basis = kind()
    data = smooth_data(basis)
    assert compare(data, Bessel().eigenvalues(basis, N), basis, N).rough_enough
    smooth = compare(data, Laplacian(power=1.5).eigenvalues(basis, N), basis, N)
    assert not smooth.rough_enough
    assert 1 < smooth.smoother[0] < 10


@pytest.mark.parametrize(
    ("prior", "missing"),
    [(Laplacian(power=0.55), "constant"), (FNO(modes=(5,)), "high"), (Combined(), None)],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_modes_without_noise_are_counted(prior, missing):
    basis = CosineBasis()
    data, noise = rough_data(basis), prior.eigenvalues(basis, N)
    comparison = compare(data, noise, basis, N)
    k_y, k_x = np.meshgrid(*basis.axis_modes(N), indexing="ij")
    lost = {"constant": (k_y == 0) & (k_x == 0), "high": (k_y >= 5) | (k_x >= 5), None: k_y < 0}
    share = float(data[torch.from_numpy(lost[missing])].sum() / data.sum())
    assert comparison.uncovered == pytest.approx(share)
    assert ("without any noise" in of_noise(comparison)) is (missing is not None)
    assert comparison.rough_enough is (missing is None)
    if missing:
        assert f"{100 * share:.2g}\u00a0% of the data's energy" in of_noise(comparison)


# Before training


@pytest.mark.parametrize(("prior", "warned"), [(Bessel(), False), (Laplacian(power=1.5), True)])
def test_training_warns_of_noise_that_is_too_smooth(prior, warned, basis, caplog):
    spectrum = torch.stack([smooth_data(basis, 32), rough_data(basis, 32)])
    statistics = Statistics(torch.zeros(2), torch.ones(2), spectrum, 32)
    with caplog.at_level(logging.WARNING):
        warn_of_smooth_noise(prior, basis, statistics)
    assert bool(caplog.records) is warned
    if warned:
        message = caplog.records[0].getMessage()
        for part in ("laplacian prior", "noise goes like k^-", "choose a prior that is rougher"):
            assert part in message


def test_of_noise_without_the_mean_of_one_wavenumber_no_slope_is_told(caplog):
    """Data on three nodes whose only wavenumber is 2, and a mean, which has no noise."""
    basis = CosineBasis(1)
    spectrum = torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64)
    statistics = Statistics(torch.zeros(1), torch.ones(1), spectrum, 3)
    with caplog.at_level(logging.WARNING):
        warn_of_smooth_noise(Laplacian(), basis, statistics)
    (record,) = caplog.records
    assert "50 % of the data's energy is in modes without any noise" in record.getMessage()
    told = of_noise(compare_prior(spectrum, Laplacian(), basis, 3))
    assert "nan" not in record.getMessage() + told


def test_all_of_the_energy_is_a_hundred_per_cent_and_one_wavenumber_is_one():
    lost = of_noise(compare(torch.ones(4), torch.zeros(4), CosineBasis(1), 4))
    assert lost.startswith("100\u00a0% of the data's energy")
    assert "at wavenumber 3, whose" in of_noise(
        Comparison(np.ones(4), np.array([1, 1, 1, 1e-3]), 0)
    )


def test_what_rises_with_the_wavenumber_has_a_positive_exponent(caplog):
    """Mean squares are energies on a line: not k^--1.0."""
    basis = CosineBasis(1)
    statistics = Statistics(torch.zeros(1), torch.ones(1), basis.wavenumber(N)[None].double(), N)
    with caplog.at_level(logging.WARNING):
        warn_of_smooth_noise(Laplacian(power=1.5), basis, statistics)
    message = caplog.records[0].getMessage()
    assert "the noise goes like k^-6.0 and that of the data like k^1.0;" in message
