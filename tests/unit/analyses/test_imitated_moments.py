"""Moments of imitations beside those of the fields they are made of."""

import numpy as np
import pytest
import torch

from fsdiff.analyses.imitated_moments import ImitatedMoments, moments
from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.measures.imitations import PrincipalComponents, Resampled


@pytest.fixture
def curves(tmp_path):
    """Exponential values: skewness 2, and a deviation that grows along the curve."""
    values = np.random.default_rng(0).exponential(size=(60, 5)) * [1, 2, 3, 4, 5]
    np.savetxt(tmp_path / "a.csv", values, delimiter=",")
    return CurveFiles(str(tmp_path / "a.csv"))


def test_moments_of_a_normal_law():
    normals = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (100_000, 1, 3)))
    expected = np.array([[3.0], [4.0], [0.0], [0.0]])
    np.testing.assert_allclose(moments(normals), np.tile(expected, 3), atol=0.06)


def test_means_of_copies_differ_by_their_number_alone(curves):
    """E (x̄ − μ)² = σ²/N for N draws with replacement."""
    found = ImitatedMoments(
        source=curves, imitation=Resampled(), samples=50, seeds=tuple(range(400))
    ).run()
    values = curves.curves.values[:, 0]
    assert float(found["mean"].mean()) == pytest.approx(values.var(0).mean() / 50, rel=0.15)


def test_copies_know_the_skewness_that_a_gaussian_law_has_not(curves):
    copies, gaussian = (
        ImitatedMoments(source=curves, imitation=law, samples=2000).run()
        for law in (Resampled(), PrincipalComponents())
    )
    assert float(gaussian["skewness"].min()) > 10 * float(copies["skewness"].max())
    assert float(gaussian["mean"].mean()) < 2 * float(copies["mean"].mean())


def test_halves_differ_by_more_than_copies_do(curves):
    halves = ImitatedMoments(source=curves).run()
    copies = ImitatedMoments(source=curves, imitation=Resampled()).run()
    for name in ("mean", "variance", "skewness"):
        assert float(halves[name].mean()) > 3 * float(copies[name].mean())
    assert len(np.unique(halves["mean"])) > 5


def test_laws_of_any_number_of_fields_are_refused():
    with pytest.raises(ValueError, match="source: give curves in files, at least four, not None"):
        ImitatedMoments(source=Quadratic())
