"""Where the samples of a data set stand in its files: runs as they are, or each of their frames."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Block:
    """Frames of runs that stand side by side in a file, and where their samples go."""

    path: Path
    here: slice
    runs: slice
    frames: tuple[int, ...]
    apart: bool

    def place(self, position: int) -> str:
        """Where one of the samples of the block stands in the file, for messages."""
        if self.apart:
            return f"frame {self.frames[position]} of sample {self.runs.start}"
        return f"sample {self.runs.start + position}"

    def worst(self, wrong: np.ndarray, indices: Sequence[int]) -> tuple[str, int] | None:
        """Which sample has most entries of ``wrong`` (sample, …) true, in words, and how many.

        ``indices`` are those of the samples in the data set; None if no entry is true.
        """
        counts = np.count_nonzero(wrong, axis=tuple(range(1, wrong.ndim)))
        if not counts.any():
            return None
        position = int(counts.argmax())
        place = f"{self.place(position)} there (sample {indices[position]} of the data set)"
        return place, int(counts[position])


@dataclass(frozen=True)
class Places:
    """The samples in files: ``runs`` counts those in each, ``frames`` are what is read of them.

    Samples are runs or, if frames are taken ``apart``, the frames of all runs, one run after the
    other. So many runs of each file, one after the other, belong ``together``, such as the members
    of one date.
    """

    files: Sequence[Path]
    runs: Sequence[int]
    frames: Sequence[tuple[int, ...]]
    apart: bool
    together: Sequence[int]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Number of samples in each file and those before it."""
        each = map(len, self.frames) if self.apart else [1] * len(self.runs)
        return tuple(accumulate(runs * count for runs, count in zip(self.runs, each, strict=True)))

    @cached_property
    def boundaries(self) -> tuple[int, ...]:
        """Numbers of samples at which those end that belong together; none where each is alone."""
        if max(self.together) == 1:
            return ()
        files = zip(self.runs, self.frames, self.together, strict=True)
        sizes = (
            [block * (len(frames) if self.apart else 1)] * (runs // block)
            for runs, frames, block in files
        )
        return tuple(accumulate(chain.from_iterable(sizes)))

    def shuffled(self, random: np.random.Generator) -> tuple[np.ndarray, tuple[int, ...]]:
        """Samples in random order, those that belong together as one, and the boundaries then."""
        count = self.ends[-1]
        if not self.boundaries:
            return random.permutation(count), ()
        blocks = np.split(np.arange(count), self.boundaries[:-1])
        chosen = [blocks[place] for place in random.permutation(len(blocks))]
        return np.concatenate(chosen), tuple(accumulate(map(len, chosen)))

    def of(self, index: int) -> tuple[int, int, int]:
        """Number of the file that holds a sample, of the run in it and of the frame of this."""
        file = bisect_right(self.ends, index)
        position = index - (self.ends[file - 1] if file else 0)
        return file, *divmod(position, len(self.frames[file]) if self.apart else 1)

    def blocks(self, indices: Sequence[int], numbers: int) -> Iterator[Block]:
        """Samples that stand side by side, in blocks of a bounded number of frames."""
        start, places = 0, [self.of(index) for index in indices]
        for stop in range(1, len(places) + 1):
            file, run, frame = places[start]
            count, frames = stop - start, self.frames[file]
            beside = (file, run, frame + count) if self.apart else (file, run + count, frame)
            most = max(1, numbers // (1 if self.apart else len(frames)))
            if stop < len(places) and count < most and places[stop] == beside:
                continue
            last = run + 1 if self.apart else run + count
            kept = frames[frame : frame + count] if self.apart else frames
            yield Block(self.files[file], slice(start, stop), slice(run, last), kept, self.apart)
            start = stop
