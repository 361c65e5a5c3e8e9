"""Training fields, batch after batch: all in memory, or streamed and shuffled by blocks.

The order of an epoch depends on its random numbers alone, so a run that starts in the middle has
the same batches as one from the beginning. Streamed, the blocks of samples that lie together in a
file are put into random order, some of them are read, and their samples are shuffled; meanwhile the
next ones are read.
"""

import itertools
import logging
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Randomness = Callable[[int], np.random.Generator]
"""The random numbers that decide the order of an epoch."""


class StoredFields(Protocol):
    """Normalised fields, float32, that are read some samples at a time, by one thread."""

    shape: tuple[int, ...]
    """(samples, channel, *grid)."""
    block: int
    """How many samples are read together."""

    def read(self, samples: range) -> Tensor:
        """Consecutive samples (samples, channel, *grid)."""

    def whole(self) -> Tensor:
        """All of them, in one array."""


class TrainingFields(ABC):
    """Normalised fields to train on."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def batches(self, size: int, steps: range, random: Randomness) -> Generator[Tensor]:
        """The batches (size, channel, *grid) of these steps.

        An epoch is len // size steps, with every sample once, but for those that make no batch.
        """


class InMemory(TrainingFields):
    """Fields (samples, channel, *grid) in memory, in an order that is random in every epoch."""

    def __init__(self, fields: Tensor) -> None:
        self.fields = fields

    def __len__(self) -> int:
        return len(self.fields)

    def batches(self, size: int, steps: range, random: Randomness) -> Generator[Tensor]:
        """The batches of these steps."""
        for epoch, positions in _epochs(steps, len(self) // size):
            order = torch.from_numpy(random(epoch).permutation(len(self)))
            for position in positions:
                yield self.fields[order[position * size :][:size]]


class Streamed(TrainingFields):
    """Stored fields, of which ``memory`` bytes are in memory: those in use and those read ahead.

    At least two blocks are.
    """

    def __init__(self, stored: StoredFields, memory: float) -> None:
        self.stored = stored
        block = stored.block * _bytes(stored.shape[1:])
        self.blocks = max(1, int(memory / 2 // block))

    def __len__(self) -> int:
        return self.stored.shape[0]

    def batches(self, size: int, steps: range, random: Randomness) -> Generator[Tensor]:
        """The batches of these steps; nothing is read that no step needs."""
        pieces: list[Tensor] = []
        missing = size
        with closing(self._loaded(self._windows(size, steps, random))) as windows:
            for fields, order in windows:
                while len(order):
                    chosen, order = order[:missing], order[missing:]
                    pieces.append(fields[chosen])
                    missing -= len(chosen)
                    if missing == 0:
                        yield torch.cat(pieces)
                        pieces, missing = [], size

    def _windows(
        self, size: int, steps: range, random: Randomness
    ) -> Iterator[tuple[list[range], Tensor]]:
        """The blocks that are in memory together, and the order of their samples that are used."""
        count, block = len(self), self.stored.block
        for epoch, positions in _epochs(steps, count // size):
            numbers = random(epoch)
            order = numbers.permutation(-(-count // block))
            first = 0
            for chosen in np.split(order, range(self.blocks, len(order), self.blocks)):
                starts = np.sort(chosen) * block  # as they lie in the file
                blocks = [range(start, min(start + block, count)) for start in starts]
                held = sum(map(len, blocks))
                after = max(0, positions.stop * size - first)
                places = numbers.permutation(held)[max(0, positions.start * size - first) : after]
                if len(places):
                    yield blocks, torch.from_numpy(places)
                first += held

    def _loaded(
        self, windows: Iterator[tuple[list[range], Tensor]]
    ) -> Generator[tuple[Tensor, Tensor]]:
        """The samples of each window and their order, while the next window is read."""
        shape = (min(self.blocks * self.stored.block, len(self)), *self.stored.shape[1:])
        memory = itertools.cycle([torch.empty(shape), torch.empty(shape)])
        closed, ahead = threading.Event(), None
        with ThreadPoolExecutor(1, "read ahead") as reader:
            try:
                for blocks, order in windows:
                    reading = reader.submit(self._read, next(memory), blocks, closed)
                    if ahead is not None:
                        yield ahead[0].result(), ahead[1]
                    ahead = reading, order
                if ahead is not None:
                    yield ahead[0].result(), ahead[1]
            finally:
                closed.set()

    def _read(self, memory: Tensor, blocks: list[range], closed: threading.Event) -> Tensor:
        """Samples of the blocks, one block after the other, in memory that is there."""
        first = 0
        for samples in blocks:
            if closed.is_set():
                break
            memory[first : first + len(samples)] = self.stored.read(samples)
            first += len(samples)
        return memory[:first]


def training_fields(stored: StoredFields, megabytes: float) -> TrainingFields:
    """All fields in memory where they fit into so much of it, streamed where they do not."""
    size = _bytes(stored.shape) / 1e6
    if size <= megabytes:
        return InMemory(stored.whole())
    logger.info("training fields are %.0f MB: streamed through %g MB", size, megabytes)
    return Streamed(stored, megabytes * 1e6)


def _epochs(steps: range, length: int) -> Iterator[tuple[int, range]]:
    """Each epoch with the positions in it of these steps."""
    first = steps.start
    while first < steps.stop:
        epoch, position = divmod(first, length)
        count = min(steps.stop - first, length - position)
        yield epoch, range(position, position + count)
        first += count


def _bytes(shape: tuple[int, ...]) -> int:
    """Of float32 numbers."""
    return 4 * math.prod(shape)
