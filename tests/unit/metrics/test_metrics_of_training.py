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
    assert (copies["memorisation"], copies["memorised"]) == (0.0, 1.0)
    new = found(normal(3000, 2))
    assert new["memorisation"] == pytest.approx(1.0, abs=0.02)
    assert new["memorised"] == pytest.approx(0.05, abs=0.015)
    assert new["nearest_training"] == pytest.approx(new["nearest_training_reference"], rel=0.02)


def test_one_copy_among_ten_is_seen_in_the_share_and_hardly_in_the_median():
    some = torch.cat([TRAINING[:300], normal(2700, 3)])
    row = Memorisation().beside(TRAINING, some, HELD_OUT, BASIS)
    assert row["memorised"] == pytest.approx(0.1 + 0.9 * 0.05, abs=0.015)
    assert row["memorisation"] > 0.95


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
    assert row["memorisation"] == 0
    shifted = judge.normalise(fields[:50]) + torch.tensor([[0.0], [0.1]])
    assert judge(shifted, shifted)["nearest_training"] == pytest.approx(0.1, rel=1e-3)
    assert "memorisation[u]" not in row


BASIS_BLOCK = {"kind": "cosine", "dimension": 1}
