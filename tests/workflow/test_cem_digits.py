"""The study of what to predict of digits, on Fashion-MNIST and at its published size."""

from pathlib import Path
from typing import Any

import pytest
from checkout import REPOSITORY
from empty_images import COUNTS, of_empty_images

from fsdiff.study import Configuration, load

CONFIGS = REPOSITORY / "configs"


@pytest.fixture(params=["evening", "mnist"])
def loaded(request: Any, tmp_path: Path) -> Configuration:
    """The study with all of a data set, from empty files of its size."""
    names = ("cem_digits.yaml", f"cem_digits/{request.param}.yaml")
    return of_empty_images([CONFIGS / name for name in names], "images", tmp_path)


def test_larger_versions_ask_the_same_of_more_data(loaded: Configuration) -> None:
    laptop = load(CONFIGS / "cem_digits.yaml")
    (resolution,) = loaded.datasets["images"].resolutions
    assert loaded.datasets["images"].samples == sum(COUNTS)
    assert loaded.experiments.keys() >= laptop.experiments.keys()
    assert loaded.claims.keys() >= laptop.claims.keys()
    assert {claim.resolution for claim in loaded.claims.values()} == {resolution}
    assert {item.samples.count for item in loaded.experiments.values()} == {2000}
    for name, item in loaded.experiments.items():
        assert not item.trained or item.levels[0].resolution == resolution, name
    # Comparing predictions, all else is the same.
    for name in ("data_20", "velocity_20", "wiener_20"):
        item, other = loaded.experiments[name], loaded.experiments["noise_20"]
        same = ("network", "time_sampling", "training", "levels", "sampler", "seeds")
        assert all(getattr(item, part) == getattr(other, part) for part in same), name
