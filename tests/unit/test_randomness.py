"""Streams of random numbers: named, independent, and the same however they are drawn."""

import itertools
import re

import numpy as np
import pytest

from fsdiff.provenance import PACKAGE
from fsdiff.randomness import generator, normals
from fsdiff.streams import Stream


def test_a_name_gives_the_same_numbers():
    assert np.array_equal(generator(3, 1, 4).random(5), generator(3, 1, 4).random(5))


def test_a_stream_is_sequential():
    """The first m numbers do not depend on how many are drawn, nor on how they are grouped."""
    long = generator(0, 7).standard_normal(1000)
    assert np.array_equal(generator(0, 7).standard_normal(10), long[:10])
    source = generator(0, 7)
    parts = np.concatenate([source.standard_normal(size) for size in (1, 400, 599)])
    assert np.array_equal(parts, long)


def test_names_that_differ_give_different_streams():
    names = [
        name for length in (1, 2, 3, 4, 5) for name in itertools.product((0, 1, 2), repeat=length)
    ]
    first = {name: tuple(generator(*name).integers(2**63, size=2)) for name in names}
    seen: dict = {}
    for name, numbers in first.items():
        assert numbers not in seen, f"streams {seen[numbers]} and {name} are one"
        seen[numbers] = name


def test_large_seeds_are_not_read_as_several_names():
    assert not np.array_equal(generator(2**32).random(4), generator(0, 1).random(4))
    assert not np.array_equal(generator(5 + 2**32, 7).random(4), generator(5, 1, 7).random(4))


def test_names_are_not_negative():
    with pytest.raises(ValueError, match=r"-1|negative|non-negative"):
        generator(0, -1)


def test_normals_depend_on_seed_and_index_only():
    together = normals(1, range(6), (2, 3), 5)
    assert together.shape == (6, 2, 3)
    assert together.dtype == np.float64
    assert np.array_equal(normals(1, [4, 2], (2, 3), 5), together[[4, 2]])
    assert not np.array_equal(normals(2, range(6), (2, 3), 5), together)
    assert not np.array_equal(normals(1, range(6), (2, 3), 6), together)


def test_normals_are_standard_and_uncorrelated_between_samples():
    values = normals(0, range(200), (500,), 1)
    count = values.size
    # Standard errors: 1/√count of the mean, √(2/count) of the variance, √(96/count) of the fourth
    # moment; 1/√500 of each of 199 correlations, whose mean square is 1/500 (1 ± √(2/199)).
    assert abs(values.mean()) < 5 / np.sqrt(count)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / count)
    correlations = (values[1:] * values[:-1]).mean(1)
    assert abs(500 * (correlations**2).mean() - 1) < 5 * np.sqrt(2 / 199)


PUBLISHED = {
    **{"NOISE": 1, "SAMPLER_STEP": 2},
    **{"INITIAL_WEIGHTS": 10, "ORDER": 11, "TRAINING_STEP": 12, "VALIDATION": 13},
    **{"SURROGATE": 21, "WHITE_NOISE": 22, "FLOOR": 23},
    **{"ENSEMBLE": 31, "TRUNCATED_PATH": 32, "SINGULARITY": 33},
    **{"FITTED_DATA": 34, "FITTED_LOSS": 35, "FITTED_WEIGHTS": 36},
    **{"SCORE_ERROR": 37, "PARAMETERISATION": 38},
    **{"INITIAL_STATE": 101, "FORCING": 102, "SHUFFLE": 121},
}
"""Results that are published were drawn with these."""


def test_every_purpose_has_its_own_number_for_ever():
    numbers = {stream.name: int(stream) for stream in Stream}
    assert PUBLISHED.items() <= numbers.items()
    assert len(set(numbers.values())) == len(Stream.__members__)
    assert np.array_equal(generator(3, Stream.ORDER, 1).random(4), generator(3, 11, 1).random(4))


def test_no_purpose_has_a_number_elsewhere():
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    elsewhere = re.compile(r"^\w*STREAM\w*(?:, \w+)* = \d", re.MULTILINE)
    assert not [path for path, text in sources.items() if elsewhere.search(text)]
    text = "".join(sources.values())
    assert not [stream.name for stream in Stream if f"Stream.{stream.name}" not in text]
