"""Curves: functions of one variable, known at points that need be neither equidistant nor alike."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.rounding import stored_type
from fsdiff.data.sources.source import Source
from fsdiff.jobs.failures import StorageError
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

CLOSE = 1e-6
"""Points nearer to nodes than this share of the interval are these nodes."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Values (curve, channel, point) at ``positions``, (point,) for all or (curve, point).

    Positions are shares of the interval, from 0 to 1, and increase; NaN in values, or positions,
    stands for points that a curve does not have. Curves of one of the ``groups`` (curve,), such as
    a date or a subject, belong together; ``classes`` (curve,) say of what class each is.
    """

    values: np.ndarray
    positions: np.ndarray
    groups: np.ndarray | None = None
    classes: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse positions out of order."""
        steps = np.diff(self.positions, axis=-1)
        if (steps <= 0).any() or np.nanmin(self.positions) < 0 or np.nanmax(self.positions) > 1:
            raise ValueError("positions of points have to increase, from 0 to 1 of the interval")

    @property
    def known(self) -> np.ndarray:
        """Whether a curve has a value at a point, (curve, channel, point)."""
        places = np.broadcast_to(self._places[:, None], self.values.shape)
        return np.isfinite(self.values) & np.isfinite(places)

    @property
    def complete(self) -> np.ndarray:
        """Whether a curve has all its values, (curve,)."""
        return np.logical_and.reduce(self.known, axis=(1, 2))

    def of(self, chosen: np.ndarray) -> "Curves":
        """Some of the curves."""
        positions = self.positions if self.positions.ndim == 1 else self.positions[chosen]
        groups, classes = (None if of is None else of[chosen] for of in (self.groups, self.classes))
        return Curves(self.values[chosen], positions, groups, classes)

    def at(self, nodes: np.ndarray, *, periodic: bool = False) -> np.ndarray:
        """Values (curve, channel, node) at nodes in [0, 1].

        Those of the curves where they have these points; else linear between neighbouring points,
        the last and the first being neighbours if they are ``periodic``. Otherwise curves are
        constant beyond these.
        """
        shared = self.positions.ndim == 1 and self.positions.shape == nodes.shape
        if shared and np.abs(self.positions - nodes).max() < CLOSE and self.complete.all():
            return self.values
        found = np.empty((*self.values.shape[:2], len(nodes)))
        period = 1.0 if periodic else None
        for row, places, values, known in zip(
            found, self._places, self.values, self.known, strict=True
        ):
            for channel, value, there in zip(row, values, known, strict=True):
                channel[:] = np.interp(nodes, places[there], value[there], period=period)
        return found

    @property
    def closed(self) -> bool:
        """Whether all that have points at both 0 and 1 have the same values there."""
        places = self._places
        last = np.nanargmax(places, axis=1)
        both = (places[:, 0] < CLOSE) & (np.nanmax(places, axis=1) > 1 - CLOSE)
        steps = self.values[np.arange(len(last)), :, last] - self.values[:, :, 0]
        return not (np.abs(steps[both]) > CLOSE * np.nanmax(np.abs(self.values))).any()

    def order(self, seed: int) -> tuple[np.ndarray, tuple[int, ...]]:
        """The curves in random order, and how many there are up to the end of each group.

        Those of a group stay together; without groups each curve is one.
        """
        random = generator(seed, Stream.SHUFFLE)
        if self.groups is None:
            return random.permutation(len(self.values)), ()
        _, group = np.unique(self.groups, return_inverse=True)
        place = random.permutation(int(group.max()) + 1)[group]
        return np.argsort(place, kind="stable"), tuple(np.cumsum(np.bincount(place)).tolist())

    @property
    def _places(self) -> np.ndarray:
        """Positions (curve, point)."""
        return np.broadcast_to(self.positions, (len(self.values), self.values.shape[-1]))


@dataclass(frozen=True)
class CurveSource(Source):
    """Curves that are all known: sample i is the i-th of a random order, which the seed decides.

    Curves of one group follow each other, so that splits can keep groups whole.
    """

    @property
    @abstractmethod
    def curves(self) -> Curves:
        """All curves, read once."""

    @property
    @abstractmethod
    def interval(self) -> tuple[float, float]:
        """The ends of the interval, in the unit of the variable."""

    @property
    def units(self) -> Mapping[str, str]:
        """Units of the values, as "field", and of the variable, by the name of the axis."""
        return {}

    @property
    def meaning(self) -> str:
        """What the values are."""
        return "curve"

    @property
    def available(self) -> int:
        """How many curves there are."""
        return len(self.curves.values)

    @property
    def values(self) -> int:
        """One number at each node for each channel."""
        return self.curves.values.shape[1]

    def boundaries(self, seed: int) -> tuple[int, ...]:
        """Numbers of curves at which one group ends and the next begins."""
        return self.curves.order(seed)[1]

    @cached_property
    def places(self) -> np.ndarray:
        """Nodes of the basis as shares of the interval."""
        return places_of(self.basis, self.resolution)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Curves ``indices`` of the data set ``seed``, see ``Source.generate``."""
        chosen = self.curves.order(seed)[0][list(indices)]
        (axis,), (start, end) = self.basis.axes, self.interval
        curves = self.curves.of(chosen)
        fields = curves.at(self.places, periodic=axis.kind == "periodic")
        if progress is not None:
            progress(len(indices))
        every = self.curves.values[:, None, :, None, :]
        names = self.names or (self.meaning,)
        found = label(
            fields.astype(stored_type(every, names)),
            indices,
            basis=self.basis,
            nodes={axis.name: start + (end - start) * self.places},
            measured_from="start",
            channels=names,
            meaning=self.meaning,
            units=self.units,
        )
        if self.label is None or curves.classes is None:
            return found
        about = {"long_name": "what the curve is"}
        return found.assign_coords({self.label: ("sample", curves.classes, about)})


def places_of(basis: Basis, count: int) -> np.ndarray:
    """Where as many nodes of a basis are, as shares of the interval."""
    (nodes,), (axis,) = basis.axis_nodes(count), basis.axes
    return np.asarray(nodes) / axis.side


def check_interval(basis: Basis) -> None:
    """Refuse what is no basis of functions on an interval or a circle."""
    if basis.dimension != 1:
        raise ValueError(
            f"basis.dimension = {basis.dimension}: curves are functions of one variable; use 1"
        )


def without_gaps(curves: Curves, missing: str, where: str) -> Curves:
    """What is to be done with curves that lack values: ``refuse``, ``drop``, ``interpolate``."""
    if (np.abs(curves.values) > np.finfo(np.float32).max).any():
        raise StorageError(f"{where}: values beyond 3.4e+38: scale them, or mend the file")
    complete = curves.complete
    if complete.all():
        return curves
    if missing == "interpolate":
        if len(nowhere := np.argwhere(~curves.known.any(-1))):
            raise StorageError(f"{where}: curve {nowhere[0, 0]} has no values: say missing: drop")
        return curves
    lacking = int((~complete).sum())
    if missing == "refuse":
        raise StorageError(
            f"{where}: {lacking} of {len(complete)} curves lack values, the first is curve "
            f"{int(np.argmin(complete))}: say missing: drop, or interpolate"
        )
    if not complete.any():
        raise StorageError(f"{where}: no curve has all its values: say missing: interpolate")
    return curves.of(np.flatnonzero(complete))
