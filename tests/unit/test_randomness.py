"""Streams of random numbers: named, independent, and the same however they are drawn."""

import itertools

import numpy as np
import pytest

from fsdiff.randomness import generator, normals


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
