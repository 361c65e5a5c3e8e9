"""Mixtures of Gaussian processes: their law is the one of which the exact denoiser is made."""

import numpy as np
import pytest
import torch

from fsdiff.data.sources.gaussian_mixture import GaussianMixtureData
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.measures.priors import RBF, Bessel, Exponential
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 32
SOURCE = GaussianMixtureData(resolution=N)
INDICES = range(400)


@pytest.fixture(scope="module")
def drawn():
    return SOURCE.generate(INDICES, 0)


def test_samples_lie_about_one_of_the_lines(drawn):
    lines, fields = SOURCE.law.means.numpy(), drawn["field"].values
    deviations = fields - lines[drawn["component"].values]
    # Mean square 0.4 of the covariance, 2·0.4²·Σλ² of whose estimates' variance.
    eigenvalues = SOURCE.law.covariance(N)[0].numpy()
    error = 4 * np.sqrt(2 * np.square(eigenvalues).sum() / len(INDICES))
    assert np.square(deviations).mean() == pytest.approx(0.4, abs=error)
    assert drawn["component"].values.mean() == pytest.approx(0.5, abs=4 * 0.5 / 20)


def test_away_from_the_ends_the_covariance_is_the_kernel():
    deviations = SOURCE._deviations(N, range(4000), 1)[:, 0].numpy()
    middle, x = N // 2, CosineBasis(1).nodes(N)
    found = (deviations[:, [middle]] * deviations).mean(0)
    expected = 0.4 * np.exp(-0.5 * ((x - x[middle]) / 0.1) ** 2)
    np.testing.assert_allclose(found, expected, atol=5 * 0.4 / np.sqrt(4000) * 1.5)


def test_weights_are_odds():
    source = GaussianMixtureData(resolution=4, means=((0, 0), (1, 1), (2, 2)), weights=(6, 3, 1))
    found = source.generate(range(2000), 0)["component"].values
    shares = np.bincount(found, minlength=3) / 2000
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=4 * 0.5 / np.sqrt(2000))


def test_the_spectrum_of_the_law_is_that_of_samples(drawn):
    fields = torch.from_numpy(drawn["field"].values).double()
    found = SOURCE.basis.forward(fields).square().mean(0)[0]
    expected = SOURCE.law.spectrum(N)[0]
    leading = slice(0, 6)
    torch.testing.assert_close(found[leading], expected[leading], rtol=0.3, atol=1e-3)


def test_coarser_grids_have_the_same_law():
    fine = GaussianMixtureData(resolution=64).generate([0, 1], 3)["field"].values
    coarse = SOURCE.generate([0, 1], 3)["field"].values
    lines = (GaussianMixtureData(resolution=64).law.means, SOURCE.law.means)
    components = SOURCE.generate([0, 1], 3)["component"].values
    a, b = (
        torch.from_numpy(u).double() - line[components]
        for u, line in zip((fine, coarse), lines, strict=True)
    )
    torch.testing.assert_close(SOURCE.basis.restrict(a, N), b, atol=1e-5, rtol=0)


def test_the_exact_denoiser_leads_to_the_law():
    exact = ExactDenoiser(
        SOURCE.law, noise=Bessel(normalize=True), process=VariancePreserving(smallest_time=1e-4)
    )
    samples = DPMSolver(steps=40)(exact, N, range(48), 0).fields.double()
    distances = (samples[:, None] - SOURCE.law.means).square().mean((-1, -2))
    nearest = distances.min(1)
    # Lines are 33 apart in mean square, samples 0.4 from theirs.
    assert float(nearest.values.max()) < 2
    assert float(nearest.values.mean()) == pytest.approx(0.4, rel=0.25)
    assert 0.2 < float(nearest.indices.double().mean()) < 0.8


def test_in_the_plane_lines_go_along_the_last_axis():
    source = GaussianMixtureData(
        resolution=8, basis=CosineBasis(2), covariance=RBF(length=0.3, variance=1e-12)
    )
    means = source.law.means[0, 0]
    assert means.shape == (8, 8)
    assert means[0].equal(means[5])
    assert float(means[0, 0]) == pytest.approx(-5 + 10 / 16)


def test_odds_of_other_numbers_of_components_are_refused():
    with pytest.raises(ValueError, match="give one for each of the 2 means"):
        GaussianMixtureData(weights=(1.0,))


def test_the_covariance_may_be_any_that_is_diagonal():
    source = GaussianMixtureData(
        resolution=16, basis=FourierBasis(1), covariance=Exponential(length=0.2, variance=2.0)
    )
    assert source.generate([0], 0)["field"].shape == (1, 1, 16)
