"""What a two-sample test is told: laws that are right, wrong, and wrong beyond its sight."""

import numpy as np
import pytest

from fsdiff.analyses.two_sample_calibration import Draws, TwoSampleCalibration
from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.poisson import PoissonData
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.measures.imitations import PrincipalComponents, Resampled, Shrunk

PARABOLAS = Quadratic(resolution=12)


def share(**changes):
    settings = {"source": PARABOLAS, "tests": 200, "permutations": 99, "curves": 500} | changes
    return TwoSampleCalibration(**settings).run()


def test_the_level_is_within_the_interval_of_equal_laws():
    result = share(sizes=(5, 10), tests=400)
    assert ((result.rejected_low <= 0.05) & (result.rejected_high >= 0.05)).all()
    assert result["size"].values.tolist() == [5, 10]


def test_channels_count_in_units_of_their_own_deviations():
    """Source and solution of an equation, of which the one is hundreds of times the other."""
    pairs = TwoSampleCalibration(
        source=PoissonData(resolution=8), against=PoissonData(resolution=8, length=2.0), tests=2
    )
    draws = Draws(pairs, np.random.default_rng(0))
    np.testing.assert_allclose(draws.fields.movedim(1, 0).flatten(1).std(1), 1.0)
    same, other = (draws._new(name, 500).movedim(1, 0).flatten(1).std(1) for name in draws._next)
    np.testing.assert_allclose(same, 1.0, rtol=0.1)
    assert abs(float(np.log(other[1] / same[1]))) > 1.0  # as metrics see solutions


def test_a_shift_of_all_curves_to_one_sign_is_seen_and_what_is_left_out_of_them_is_not():
    one_sign = share(against=Quadratic(resolution=12, positive=1.0))
    assert one_sign.rejected_low.item() > 0.5
    without = share(against=Quadratic(resolution=12, deviation=0.0))
    assert without.rejected_high.item() < 0.15


def test_the_surrogate_is_told_apart_by_squares_before_it_is_by_distances():
    shares = {
        kernel: share(imitation=PrincipalComponents(), kernel=kernel).rejected.item()
        for kernel in ("identity", "squares")
    }
    assert shares["identity"] < 0.3
    assert shares["squares"] > 0.8


def test_collapse_passes_the_published_protocol_alone():
    published = share(imitation=Shrunk(factor=0.2), sizes=(10,), real=2, protocol="published")
    assert published.rejected.item() <= 0.02
    assert published.reference.values.tolist() == [2]
    assert share(imitation=Shrunk(factor=0.2)).rejected.item() > 0.9


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(0)
    np.savetxt(tmp_path / "a.csv", random.standard_normal((40, 6)).cumsum(1), delimiter=",")
    return CurveFiles(str(tmp_path / "a.csv"))


def test_tests_of_data_in_files_take_no_curve_twice(table):
    analysis = TwoSampleCalibration(source=table, tests=5, sizes=(20,))
    first, second = Draws(analysis, np.random.default_rng(1)).groups(20, 20)
    for one, other in zip(first, second, strict=True):
        curves = {tuple(curve) for curve in np.concatenate([one, other])[:, 0].tolist()}
        assert len(curves) == 40


def test_a_memory_of_the_data_passes(table):
    result = share(source=table, imitation=Resampled(), sizes=(5,))
    assert result.rejected_low.item() < 0.05


def test_what_there_is_not_enough_of_is_refused(table):
    with pytest.raises(ValueError, match="a test takes 42 fields, and the source has 40"):
        TwoSampleCalibration(source=table, sizes=(21,))
    with pytest.raises(ValueError, match="give against or imitation, not both"):
        TwoSampleCalibration(source=table, against=PARABOLAS, imitation=Resampled())
