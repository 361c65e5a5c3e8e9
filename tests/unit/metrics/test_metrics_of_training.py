"""Memory is told by distances to training fields, beside those of fields that nobody was shown."""

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.metrics.memorisation import Memorisation, nearest
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge

BASIS, N = CosineBasis(1), 12


def normal(count, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, 2, N), generator=random)


TRAINING, HELD_OUT = normal(300, 0), normal(4000, 1)


def test_distances_are_those_of_functions_and_exactly_zero_for_copies():
    assert float(nearest(TRAINING[7:9], TRAINING).max()) == 0
    moved = TRAINING[:1] + torch.tensor([[3.0], [4.0]])
    assert float(nearest(moved, TRAINING[:1])[0]) == pytest.approx(5.0)


def test_copies_are_remembered_and_new_fields_of_the_law_are_not():
    def found(samples):
        return Memorisation().beside(TRAINING, samples, HELD_OUT, BASIS)

    copies = found(TRAINING)
    assert (copies["training_over_test"], copies["memorised"]) == (0.0, 1.0)
    new = found(normal(3000, 2))
    assert new["training_over_test"] == pytest.approx(1.0, abs=0.02)
    assert new["memorised"] == pytest.approx(0.05, abs=0.015)
    assert new["nearest_training"] == pytest.approx(new["nearest_training_reference"], rel=0.02)


def test_one_copy_among_ten_is_seen_in_the_share_and_hardly_in_the_median():
    some = torch.cat([TRAINING[:300], normal(2700, 3)])
    row = Memorisation().beside(TRAINING, some, HELD_OUT, BASIS)
    assert row["memorised"] == pytest.approx(0.1 + 0.9 * 0.05, abs=0.015)
    assert row["training_over_test"] > 0.95


def circle(count, seed, *, noise=0.0):
    """Functions with two coefficients on a circle, and white noise."""
    random = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(count, generator=random)
    plane = torch.zeros(count, 2, N)
    plane[:, 0, 0], plane[:, 1, 0] = angle.cos(), angle.sin()
    return plane + noise * torch.randn((count, 2, N), generator=random)


@pytest.mark.parametrize("training", [1000, 8000])
def test_the_law_of_the_data_has_one_whatever_the_numbers_on_a_thin_manifold(training):
    """Eight times as many training fields are eight times as near on a curve."""
    found = Memorisation().beside(circle(training, 0), circle(1000, 1), circle(1000, 2), BASIS)
    assert found["training_over_test"] == pytest.approx(1.0, abs=0.15)


def test_samples_off_a_thin_manifold_are_not_told_for_new():
    """They are as far from training as from test fields; a ratio of medians has hundreds."""
    far = circle(400, 1, noise=0.3)
    found = Memorisation().beside(circle(400, 0), far, circle(400, 2), BASIS)
    assert found["training_over_test"] == pytest.approx(1.0, abs=0.15)
    assert found["nearest_training"] > 50 * found["nearest_training_reference"]


def test_each_sample_is_compared_with_what_is_near_it():
    """Copies of training fields in a sparse region, where test fields are also far."""
    sparse = 10 * normal(200, 4)
    training = torch.cat([normal(300, 0), sparse])
    nearly = sparse + 0.5 * normal(200, 5)
    found = Memorisation().beside(training, nearly, HELD_OUT[:500], BASIS)
    assert found["training_over_test"] < 0.3 < 1 / 3 < found["nearest_training"]


def test_a_field_of_both_sets_is_as_near_to_either_and_none_is_its_own_neighbour():
    both = normal(50, 6)
    assert Memorisation().beside(both, both, both, BASIS)["training_over_test"] != 0
    alone = nearest(both, both, others=True)
    assert float(alone.min()) > 0
    first = (both[0] - both[1:]).double().flatten(1).square().sum(1).min() / N
    assert float(alone[0]) == pytest.approx(float(first) ** 0.5)


def test_two_sets_of_fields_alone_are_refused():
    with pytest.raises(ValueError, match="is about training fields, and there are none here"):
        Memorisation()(HELD_OUT, HELD_OUT, BASIS)


def test_the_judge_gives_normalised_training_fields():
    """A channel of a thousandth of the other's size counts as much."""
    split = np.repeat(["train", "validation", "test"], [300, 2, 10])
    fields = torch.cat([TRAINING, TRAINING[:2], HELD_OUT[:10]]).double()
    fields = fields * torch.tensor([[1.0], [1e-3]]) + 5
    scale = fields[:300].transpose(0, 1).flatten(1).std(1, correction=0)
    data = xr.Dataset(
        {
            "field": (("sample", "channel", "x"), fields.numpy()),
            "mean": ("channel", fields[:300].mean((0, 2)).numpy()),
            "scale": ("channel", scale.numpy()),
            "spectrum": (("channel", "mode_x"), np.ones((2, N))),
        },
        {"channel": ["u", "v"]},
    ).assign_coords(split=("sample", split))
    config = {"metrics": {"memory": {"kind": "memorisation"}}, "basis": BASIS_BLOCK}
    judge = Judge.of(config, data)
    row = judge(judge.normalise(fields[:50]), judge.normalise(fields[-10:]))
    assert row["training_over_test"] == 0
    shifted = judge.normalise(fields[:50]) + torch.tensor([[0.0], [0.1]])
    assert judge(shifted, shifted)["nearest_training"] == pytest.approx(0.1, rel=1e-3)
    assert "training_over_test[u]" not in row


BASIS_BLOCK = {"kind": "cosine", "dimension": 1}
