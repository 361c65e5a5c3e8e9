"""Checksums: what is promised of them, by the definition."""

import numpy as np
import pytest

from fsdiff.data import checksums


def weights(count):
    """SplitMix64 with seed 0, made odd, in exact integers."""
    for number in range(1, count + 1):
        x = number * 0x9E3779B97F4A7C15 % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        yield (x ^ (x >> 31)) | 1


def by_definition(sample):
    content = sample.tobytes()
    content += bytes(-len(content) % 4)
    words = [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), 4)]
    return sum(a * word for a, word in zip(weights(len(words)), words, strict=True)) % 2**64


def test_the_first_weight_is_that_of_splitmix():
    assert next(weights(1)) == 0xE220A8397B1DCDAF  # Steele, Lea & Flood, for seed 0


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<f2"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 5, 5), (3, 2, 7, 7), (1, 1, 1)])
def test_checksums_are_the_sum_that_they_are_said_to_be(kind, shape):
    values = np.random.default_rng(0).standard_normal((4, *shape)).astype(kind)
    found = checksums.of_samples(values)
    assert found.dtype == np.uint64
    assert found.tolist() == [by_definition(sample) for sample in values]
    backwards = np.asarray(values[::-1].swapaxes(-1, -2).copy().swapaxes(-1, -2))
    assert checksums.of_samples(backwards).tolist() == found[::-1].tolist()
    assert len(checksums.of_samples(values[:0])) == 0


def test_every_bit_counts_and_so_does_every_place():
    values = np.random.default_rng(0).standard_normal((1, 1, 3, 3)).astype(np.float32)
    whole = checksums.of_samples(values)
    for place in range(values.nbytes):
        for bit in range(8):
            changed = values.copy()
            changed.reshape(-1).view(np.uint8)[place] ^= 1 << bit
            assert checksums.of_samples(changed) != whole
    for i in range(9):
        for j in range(i):
            changed = values.copy().reshape(1, 9)
            changed[0, [i, j]] = changed[0, [j, i]]
            assert checksums.of_samples(changed) != whole


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(
    "edit",
    [np.negative, np.zeros_like, lambda x: -x[..., ::-1], lambda x: x.swapaxes(-1, -2)],
    ids=["other signs", "nothing", "reflected", "transposed"],
)
def test_edits_of_whole_samples_are_noticed(kind, edit):
    values = np.random.default_rng(0).standard_normal((5, 1, 16, 16)).astype(kind)
    assert (checksums.of_samples(edit(values)) != checksums.of_samples(values)).all()
