"""The study of digits by five processes, and the same on Fashion-MNIST."""

from pathlib import Path
from typing import Any

import pytest
from checkout import REPOSITORY
from empty_images import COUNTS, of_empty_images

from fsdiff.study import Configuration, load

CONFIGS = REPOSITORY / "configs" / "hdm"
EVALUATIONS = (10, 20, 50, 100, 200)
PROCESSES = ("vp", "bessel", "heat", "blurring", "dissipation")


@pytest.fixture
def fashion(tmp_path: Path) -> Configuration:
    """The study with all of Fashion-MNIST, from empty files of its size."""
    names = ("digits.yaml", "digits/fashion.yaml")
    return of_empty_images([CONFIGS / name for name in names], "small_digits", tmp_path)


@pytest.mark.parametrize("size", ["laptop", "fashion"])
def test_processes_differ_in_nothing_else(size: str, request: Any) -> None:
    study = (
        request.getfixturevalue("fashion") if size == "fashion" else load(CONFIGS / "digits.yaml")
    )
    same = ("network", "time_sampling", "prediction", "training", "levels", "samples")
    for count in EVALUATIONS:
        items = [study.experiments[f"digits_{name}_at_{count}"] for name in PROCESSES]
        assert {item.sampler.part.steps for item in items} == {count}
        assert len({item.seeds for item in items}) == 1
        for item in items:
            assert all(getattr(item, part) == getattr(items[0], part) for part in same)
    # A process is trained once for all numbers of evaluations.
    owners = {
        study.trained_as(name, item.levels[-1].resolution)
        for name, item in study.experiments.items()
        if item.trained
    }
    expected = {f"digits_{name}_at_10" for name in PROCESSES} | {"digits_heat_index"}
    assert owners == expected


def test_fashion_asks_the_same_of_more_data_at_one_resolution(fashion: Configuration) -> None:
    laptop = load(CONFIGS / "digits.yaml")
    (resolution,) = fashion.datasets["small_digits"].resolutions
    assert fashion.datasets["small_digits"].samples == sum(COUNTS)
    assert fashion.experiments.keys() == laptop.experiments.keys()
    assert fashion.claims.keys() == laptop.claims.keys()
    assert {claim.resolution for claim in fashion.claims.values()} == {resolution}
    for name, item in fashion.experiments.items():
        assert item.samples.resolutions == (resolution,), name
        if item.trained:
            assert item.levels[0].resolution == item.prior.part.reference_resolution == resolution
    # What is measured in pixels is measured in those of these images.
    for name in ("digits_heat_at_10", "digits_heat_index"):
        assert fashion.experiments[name].process.part.length == pytest.approx(1 / 28, rel=2e-3)
        assert laptop.experiments[name].process.part.length == pytest.approx(1 / 14, rel=2e-3)


def test_noise_between_heat_and_dissipation_is_all_that_varies() -> None:
    study = load(CONFIGS / "noise_scale.yaml")
    processes = {item.process.part for item in study.experiments.values()}
    noise = sorted(process.noise for process in processes)
    assert noise == [0.03, 0.1, 0.3, 1.0]
    assert len({(process.length, process.shift) for process in processes}) == 1
    published = load(CONFIGS / "digits.yaml").experiments["digits_heat_at_50"]
    assert published.process.part in processes
