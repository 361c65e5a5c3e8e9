"""Curves that grow, and where they grow fastest."""

import pytest
import torch

from fsdiff.metrics.increments import Increments
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(1), 20
PLACES = (torch.arange(N).double() + 0.5) / N


def steps(*places):
    """Curves that rise within a node of a place, and slowly elsewhere."""
    rise = torch.sigmoid(200 * (PLACES - torch.tensor(places)[:, None]))
    return (rise + 0.1 * PLACES)[:, None]


def test_the_place_of_the_steepest_rise_is_compared_as_a_law():
    row = Increments()(steps(0.4, 0.6), steps(0.2, 0.4), BASIS)
    assert row["steepest_w1"] == pytest.approx(0.2)
    assert row["decreasing"] == row["decreasing_reference"] == 0


def test_curves_that_decrease_anywhere_are_counted():
    bent = steps(0.2, 0.5, 0.7, 0.8)
    bent[1, 0, 3] += 0.1
    row = Increments()(bent, steps(0.5), BASIS)
    assert (row["decreasing"], row["decreasing_reference"]) == (0.25, 0)


def test_fields_on_a_square_are_refused():
    with pytest.raises(ValueError, match="is about curves, and fields have 2 axes"):
        Increments().check_grid(CosineBasis(2), 8)
