"""The study of what to predict of digits, on Fashion-MNIST and at its published size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from checkout import REPOSITORY
from snakemake.utils import update_config

from fsdiff.study import Configuration, load

CONFIGS = REPOSITORY / "configs"
COUNTS = (60_000, 10_000)


def idx(shape: tuple[int, ...]) -> bytes:
    """An empty file of this shape in MNIST's format."""
    lengths = np.array(shape, ">u4").tobytes()
    return bytes([0, 0, 8, len(shape)]) + lengths + bytes(int(np.prod(shape)))


@pytest.fixture(params=["evening", "mnist"])
def loaded(request: Any, tmp_path: Path) -> Configuration:
    """The study with all of a data set, from empty files of its size."""
    study: dict[str, Any] = {}
    for path in (CONFIGS / "cem_digits.yaml", CONFIGS / "cem_digits" / f"{request.param}.yaml"):
        update_config(study, yaml.safe_load(path.read_text(encoding="utf-8")))
    source = study["datasets"]["images"]["source"]
    for key, shape in (("images", (2, 2)), ("labels", ())):
        paths = [tmp_path / Path(name).name for name in source[key]]
        for path, count in zip(paths, COUNTS, strict=True):
            path.write_bytes(idx((count, *shape)))
        source[key] = [str(path) for path in paths]
    return load(study)


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
