"""Training fields, batch after batch: all in memory, or streamed and shuffled by blocks.

The order of an epoch depends on its random numbers alone, so a run that starts in the middle has
the same batches as one from the beginning. Streamed, the blocks of samples that lie together in a
file are put into random order, some of them are read, and their samples are shuffled; meanwhile the
next ones are read.

Processes that train together hold a part of all fields each, or of those that are in memory
together. The order does not depend on how many they are; what a part of a batch is made of comes
from those that hold it.
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

from fsdiff.training.processes import ALONE, Processes

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

    def whole(self, part: slice = slice(None)) -> Tensor:
        """All of them, or a part, in one array."""


class TrainingFields(ABC):
    """Normalised fields to train on, for ``processes`` that do so together."""

    processes: Processes

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def batches(
        self, size: int, steps: range, random: Randomness, *, whole: bool = False
    ) -> Generator[Tensor]:
        """The batches (size, channel, *grid) of these steps.

        An epoch is len // size steps, with every sample once, but for those that make no batch.
        A process that is not alone gets the fields of its part of each batch, and zeros in place
        of the others, unless it asks for the ``whole``, as all have to.
        """

    def _wanted(self, size: int, whole: bool) -> list[slice]:
        """The places in a batch that each process is to fill."""
        return [slice(0, size)] * self.processes.count if whole else self.processes.parts(size)


class InMemory(TrainingFields):
    """Fields in memory, in an order that is random in every epoch.

    ``fields`` are the part of the ``count`` samples that this process holds, (samples, channel,
    *grid); all of them by default.
    """

    def __init__(
        self, fields: Tensor, count: int | None = None, processes: Processes = ALONE
    ) -> None:
        self.fields, self.processes = fields, processes
        self.count = len(fields) if count is None else count

    def __len__(self) -> int:
        return self.count

    def batches(
        self, size: int, steps: range, random: Randomness, *, whole: bool = False
    ) -> Generator[Tensor]:
        """The batches of these steps."""
        places = self._wanted(size, whole)
        for epoch, positions in _epochs(steps, len(self) // size):
            order = torch.from_numpy(random(epoch).permutation(len(self)))
            for position in positions:
                chosen = order[position * size :][:size]
                wanted = [chosen[place] for place in places]
                fields = self.processes.exchanged(self.fields, len(self), wanted)
                yield _among_zeros(fields, places[self.processes.rank], size)


class Streamed(TrainingFields):
    """Stored fields, of which ``memory`` bytes are in memory: those in use and those read ahead.

    At least two blocks are. Each of the processes reads and holds its part of them.
    """

    def __init__(self, stored: StoredFields, memory: float, processes: Processes = ALONE) -> None:
        self.stored, self.processes = stored, processes
        block = stored.block * _bytes(stored.shape[1:])
        self.blocks = max(1, int(memory / 2 // block))

    def __len__(self) -> int:
        return self.stored.shape[0]

    def batches(
        self, size: int, steps: range, random: Randomness, *, whole: bool = False
    ) -> Generator[Tensor]:
        """The batches of these steps; nothing is read that no step needs."""
        places, pieces, filled = self._wanted(size, whole), [], 0
        with closing(self._loaded(self._windows(size, steps, random))) as windows:
            for fields, held, order in windows:
                while len(order):
                    chosen, order = order[: size - filled], order[size - filled :]
                    wanted = [chosen[_shifted(place, filled)] for place in places]
                    pieces.append(self.processes.exchanged(fields, held, wanted))
                    filled += len(chosen)
                    if filled == size:
                        place = places[self.processes.rank]
                        yield _among_zeros(torch.cat(pieces), place, size)
                        pieces, filled = [], 0

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
    ) -> Generator[tuple[Tensor, int, Tensor]]:
        """The samples held here of each window, how many it has, and their order.

        Meanwhile the next window is read.
        """
        most = min(self.blocks * self.stored.block, len(self))
        shape = (-(-most // self.processes.count), *self.stored.shape[1:])
        memory = itertools.cycle([torch.empty(shape), torch.empty(shape)])
        closed, ahead = threading.Event(), None
        with ThreadPoolExecutor(1, "read ahead") as reader:
            try:
                for blocks, order in windows:
                    reading = reader.submit(self._read, next(memory), blocks, closed)
                    if ahead is not None:
                        yield ahead[0].result(), *ahead[1:]
                    ahead = reading, sum(map(len, blocks)), order
                if ahead is not None:
                    yield ahead[0].result(), *ahead[1:]
            finally:
                closed.set()

    def _read(self, memory: Tensor, blocks: list[range], closed: threading.Event) -> Tensor:
        """This process's part of the blocks' samples, one after the other, in memory."""
        part, first, filled = self.processes.part(sum(map(len, blocks))), 0, 0
        for samples in blocks:
            held = samples[_shifted(part, first)]
            if closed.is_set():
                break
            if held:
                memory[filled : filled + len(held)] = self.stored.read(held)
            first, filled = first + len(samples), filled + len(held)
        return memory[:filled]


def training_fields(
    stored: StoredFields, megabytes: float, processes: Processes = ALONE
) -> TrainingFields:
    """All fields in memory where they fit into so much of it, streamed where they do not.

    The memory is that of all processes together.
    """
    size, count = _bytes(stored.shape) / 1e6, stored.shape[0]
    if size <= megabytes:
        return InMemory(stored.whole(processes.part(count)), count, processes)
    logger.info("training fields are %.0f MB: streamed through %g MB", size, megabytes)
    return Streamed(stored, megabytes * 1e6, processes)


def _shifted(place: slice, by: int) -> slice:
    """The places counted from another one; none where they end before it."""
    return slice(max(place.start - by, 0), max(place.stop - by, 0))


def _among_zeros(fields: Tensor, place: slice, size: int) -> Tensor:
    """A batch with these fields at a place."""
    if len(fields) == size:
        return fields
    batch = fields.new_zeros(size, *fields.shape[1:])
    batch[place] = fields
    return batch


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
