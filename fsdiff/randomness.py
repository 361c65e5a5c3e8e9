"""Random numbers that depend on what they are for, never on the order in which they are drawn.

Every draw is named by integers: a seed, the index of the sample, and what it is used for. Each name
has its own counter-based stream (Philox), so sample i is the same whatever the batch, the shard,
the thread count or the number of resumes; and a stream is sequential, so that its first m numbers
are the same however many are drawn.
"""

from collections.abc import Iterable

import numpy as np


def generator(seed: int, *stream: int) -> np.random.Generator:
    """The random number generator of the stream named by non-negative integers."""
    # A spawn key, unlike more entropy, tells (1,) from (1, 0).
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=stream)))


def normals(seed: int, indices: Iterable[int], shape: tuple[int, ...], *stream: int) -> np.ndarray:
    """Independent N(0, 1) numbers for each sample index, shape (len(indices), *shape), float64."""
    drawn = [generator(seed, i, *stream).standard_normal(shape) for i in indices]
    if not drawn:
        raise ValueError("indices: give one for each sample, such as range(4)")
    return np.stack(drawn)
