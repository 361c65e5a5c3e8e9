"""Fields at one time, series at several, or functions of time: solutions of evolution equations."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.planes import with_time
from fsdiff.data.sources.source import Source, check_times
from fsdiff.pde.integrators import IntegrationError
from fsdiff.pde.rectangle import Length, sides
from fsdiff.spaces.basis import Basis


class Evolution(Source):
    """Samples of a time-dependent system from random initial states.

    A single ``time`` gives fields, several (increasing) give series, whose frames are channels.
    With ``time_nodes`` samples are functions of (t, …) instead: on the interval ``time``, from 0 if
    only its end is given, at that many times (j + ½) T/n after its start. There the cosines in time
    are orthonormal, as those in space are on the centres of cells. The time axis has these nodes at
    every level; with ``time_refined`` their number goes with that of the nodes in space.
    """

    time: float | tuple[float, ...]
    time_nodes: int | None
    time_refined: bool
    length: Length

    meaning: ClassVar[str]
    """Long name of the fields."""

    measured_from: ClassVar[str]
    """The origin of the coordinates: "corner" or "centre"."""

    if TYPE_CHECKING:  # a field of some, the same for all samples of others

        @property
        @abstractmethod
        def channels(self) -> tuple[str, ...]:
            """Their names."""

    def __post_init__(self) -> None:
        check_times(self.frames)
        if self.time_nodes is None:
            if self.time_refined:
                raise ValueError("time_refined = true: there is no time axis; give time_nodes")
        elif len(self.frames) > 2:
            raise ValueError(
                f"time = {self.frames} with time_nodes = {self.time_nodes}: give the end of the "
                "time axis, or its start and its end"
            )
        elif self.time_refined and self.time_nodes > self.resolution:
            raise ValueError(
                f"time_nodes = {self.time_nodes}: a time axis that is refined has at most as many "
                f"nodes as space, {self.resolution}; use fewer, or leave time_refined out"
            )
        _ = self.basis  # refuses sides that leave no nodes

    @property
    @abstractmethod
    def space(self) -> Basis:
        """What states at one time are expanded in."""

    @property
    def basis(self) -> Basis:
        """What samples are expanded in."""
        if self.time_nodes is None:
            return self.space
        held = not self.time_refined
        return with_time(self.space, self.resolution, self.time_nodes, held=held)

    @property
    def frames(self) -> tuple[float, ...]:
        """``time`` as a tuple."""
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def times(self) -> tuple[float, ...]:
        """The times that are kept."""
        if self.time_nodes is None:
            return self.frames
        start, end = (0.0, *self.frames)[-2:]
        centres = (np.arange(self.time_nodes) + 0.5) / self.time_nodes
        return tuple((start + (end - start) * centres).tolist())

    @property
    def values(self) -> int:
        """Channels, as often as there are frames."""
        return len(self.channels) * (1 if self.time_nodes else len(self.frames))

    @abstractmethod
    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, *grid of space) on ``resolution`` nodes, on ``device``."""

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with a dimension ``time`` after
        ``sample`` if there are several times, or ``t`` after ``channel`` if time is an axis.
        ``progress`` is called with the number of samples finished since the last call. Raises
        ``IntegrationError`` with the sample's index.
        """
        grid = self.space.grid(self.resolution)
        shape = (len(indices), len(self.times), len(self.channels), *grid)
        fields = np.empty(shape, np.float32)
        for position, index in enumerate(indices):
            try:
                series = self.solve(index, seed)
            except IntegrationError as error:
                message = f"sample {index} of seed {seed}: {error}"
                raise IntegrationError(message, error.time) from error
            fields[position] = series.to("cpu", torch.float32).numpy()
            if progress is not None:
                progress(1)
        return self._label(fields, indices)

    def initial_states(self, indices: Sequence[int], seed: int) -> xr.DataArray | None:
        """The fields (sample, channel, *grid) that solutions start from.

        None where samples are functions of time: no spectrum of these compares with theirs.
        """
        if self.time_nodes is not None:
            return None
        start: Any = replace(cast(Any, self), time=0.0)
        return start.generate(indices, seed)["field"]

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        time: float | tuple[float, ...] | None = self.time
        if self.time_nodes is not None:
            fields, time = fields.swapaxes(1, 2), None
        elif not isinstance(time, tuple):
            fields = fields[:, 0]
        return label(
            fields,
            indices,
            basis=self.basis,
            nodes=self.node_positions,
            measured_from=self.measured_from,
            channels=self.channels,
            meaning=self.meaning,
            time=time,
        )

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Times, along an axis of time, and coordinates of space in the unit of ``length``."""
        times = {} if self.time_nodes is None else {"t": np.array(self.times)}
        space, ends = self.space, sides(self.length)[-self.space.dimension :]
        axes = zip(space.axes, space.grid(self.resolution), ends, strict=True)
        shift = (self.measured_from == "centre") / 2
        nodes = {axis.name: (axis.positions(n) - shift) * side for axis, n, side in axes}
        return times | nodes
