"""What random parabolas are made of is found again, curve by curve."""

import numpy as np
import pytest
import torch

from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.metrics.parabolas import Parabolas
from fsdiff.spaces.bases import CosineBasis

LAW = Quadratic(resolution=20)
PLACES = (np.arange(20) + 0.5) / 20


def curves(drawn):
    return torch.from_numpy(LAW.at(PLACES, np.array(drawn)))[:, None]


def test_every_number_is_that_of_the_law():
    random = np.random.default_rng(0)
    drawn = np.stack([np.sign(random.random(4000) - 0.3), random.standard_normal(4000)], axis=1)
    row = Parabolas()(curves(drawn), curves(drawn[:2000]), CosineBasis(1))
    assert row["parabola_positive"] == pytest.approx((drawn[:, 0] > 0).mean())
    assert row["parabola_shift"] == pytest.approx(drawn[:, 1].std(ddof=1))
    assert row["parabola_shift_kolmogorov"] < 1.63 / 4000**0.5  # the 1 % level
    assert row["parabola_amplitude"] < 1e-12
    assert row["parabola_residual"] < 1e-12
    assert row["parabola_positive_reference"] == pytest.approx((drawn[:2000, 0] > 0).mean())


def test_what_is_no_parabola_is_left():
    """Odd functions are orthogonal to parabolas and constants."""
    odd = 0.3 * torch.from_numpy(2 * PLACES - 1)
    exact = curves([[1, 0.5], [-1, -0.5], [1, 1.5], [-1, 0.0]])
    row = Parabolas()(exact + odd, exact, CosineBasis(1))
    assert row["parabola_residual"] == pytest.approx(float(odd.square().mean().sqrt()))
    assert row["parabola_amplitude"] == pytest.approx(0, abs=1e-12)


def test_shifts_of_another_law_are_told():
    drawn = [[1, shift] for shift in np.linspace(-1, 1, 200)]
    row = Parabolas()(curves(drawn), curves(drawn), CosineBasis(1))
    assert row["parabola_shift_kolmogorov"] == pytest.approx(0.1587, abs=0.01)  # Φ(−1)


def test_fields_on_a_square_are_refused():
    with pytest.raises(ValueError, match="is about curves, and fields have 2 axes"):
        Parabolas().check_grid(CosineBasis(2), 8)
