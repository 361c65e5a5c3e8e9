"""Fields at one time, or series at several, of the solutions of evolution equations."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source, check_times
from fsdiff.pde.integrators import IntegrationError


class Evolution(Source):
    """Samples of a time-dependent system from random initial states.

    A single ``time`` gives fields, several (increasing) give series.
    """

    time: float | tuple[float, ...]
    channels: tuple[str, ...]
    length: float

    meaning: ClassVar[str]
    """Long name of the fields."""

    measured_from: ClassVar[str]
    """The origin of the coordinates: "corner" or "centre"."""

    def __post_init__(self) -> None:
        check_times(self.times)

    @property
    def times(self) -> tuple[float, ...]:
        """The times that are kept."""
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def values(self) -> int:
        """Channels, as often as there are times."""
        return len(self.times) * len(self.channels)

    @abstractmethod
    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, y, x) on ``resolution`` nodes per axis."""

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with a dimension ``time`` after
        ``sample`` if there are several times. ``progress`` is called with the number of samples
        finished since the last call. Raises ``IntegrationError`` with the sample's index.
        """
        n = self.resolution
        shape = (len(indices), len(self.times), len(self.channels), n, n)
        fields = np.empty(shape, np.float32)
        for position, index in enumerate(indices):
            try:
                series = self.solve(index, seed)
            except IntegrationError as error:
                message = f"sample {index} of seed {seed}: {error}"
                raise IntegrationError(message, error.time) from error
            fields[position] = series.to(torch.float32).numpy()
            if progress is not None:
                progress(1)
        return self._label(fields, indices)

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        nodes = self.basis.nodes(self.resolution) - (self.measured_from == "centre") / 2
        return label(
            fields if isinstance(self.time, tuple) else fields[:, 0],
            indices,
            basis=self.basis,
            y=nodes * self.length,
            x=nodes * self.length,
            measured_from=self.measured_from,
            channels=self.channels,
            meaning=self.meaning,
            time=self.time,
        )
