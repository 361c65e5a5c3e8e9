"""What an observation shows of each channel: values at points, or an image with blank parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.frames import Frames
from fsdiff.inverse.observations.gridded import Gridded
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import Sensors
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.observations.some import Some
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, eq=False)
class Dots:
    """Data at ``places`` (points, axes), physical coordinates of the box.

    ``values`` (points,) are those of the field, or with ``foreign`` of another quantity;
    ``deviation`` (points,) are those of the noise.
    """

    places: np.ndarray
    values: np.ndarray
    deviation: np.ndarray | None = None
    foreign: bool = False


@dataclass(frozen=True, eq=False)
class Image:
    """Data on a grid of their own, NaN where nothing is seen."""

    values: np.ndarray
    deviation: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Data of another quantity that have no place among the nodes."""

    values: np.ndarray
    deviation: np.ndarray | None = None


Shown: TypeAlias = Dots | Image | Elsewhere


def seen(
    operator: Observation, basis: Basis, channels: int, data: np.ndarray, n: int
) -> dict[int, list[Shown]]:
    """What the data (size,) of an observation show, by the number of the channel.

    Channels of which nothing is seen are absent. ``n`` is the level of the fields beside it.
    """
    found: dict[int, list[Shown]] = {}
    for channel, shown in _parts(operator, basis, channels, data, n):
        found.setdefault(channel, []).append(shown)
    return found


def frames_seen(operator: Observation) -> Frames | None:
    """The frames that an observation shows, if it shows frames: then it asks for a forecast."""
    if isinstance(operator, Frames):
        return operator
    if isinstance(operator, Channel):
        return frames_seen(operator.observation)
    parts = operator.observation if isinstance(operator, Several) else ()
    return next((frames for part in parts if (frames := frames_seen(part))), None)


def _parts(
    operator: Observation, basis: Basis, channels: int, data: np.ndarray, n: int
) -> Iterator[tuple[int, Shown]]:
    if isinstance(operator, Several):
        for part in operator.observation:
            count = len(part.deviations(basis, channels))
            yield from _parts(part, basis, channels, data[:count], n)
            data = data[count:]
        return
    if isinstance(operator, Channel):
        number = operator.channel
        assert isinstance(number, int)  # names of channels are for configurations
        for _, shown in _parts(operator.observation, basis.select((number,)), 1, data, n):
            yield number, shown
        return
    if isinstance(operator, Some):
        whole = np.full(len(operator.observation.deviations(basis, channels)), np.nan)
        whole[list(operator.data)] = data
        for channel, shown in _parts(operator.observation, basis, channels, whole, n):
            yield channel, _there(shown)
        return
    if isinstance(operator, Mapped):
        yield from _mapped(operator, basis, data)
    if not isinstance(operator, Gridded | Modes | Sensors):
        return
    if isinstance(operator, Modes):
        yield from enumerate(_functions(operator, basis, channels, data, n))
        return
    deviations = operator.deviations(basis, channels).numpy().reshape(channels, -1)
    for channel, values in enumerate(data.reshape(channels, -1)):
        if isinstance(operator, Gridded) and basis.dimension > 1:
            yield channel, Image(_image(operator, basis, values), deviations[channel])
        else:
            known = operator.coordinates(basis)
            assert known is not None
            yield channel, Dots(known, values, deviations[channel])


def _there(shown: Shown) -> Shown:
    """What is shown without points of which nothing is seen."""
    if not isinstance(shown, Dots):
        return shown
    there = np.isfinite(shown.values)
    deviation = None if shown.deviation is None else shown.deviation[there]
    return Dots(shown.places[there], shown.values[there], deviation, shown.foreign)


def _mapped(operator: Mapped, basis: Basis, data: np.ndarray) -> Iterator[tuple[int, Shown]]:
    """What a map gives, beside the first channel: at its sensors where it has some."""
    sensors = getattr(operator.map, "sensors", None)
    deviation = np.full(len(data), operator.noise)
    if isinstance(sensors, Sensors):
        yield 0, Dots(sensors.coordinates(basis), data, deviation, foreign=True)
    else:
        yield 0, Elsewhere(data, deviation)


def _image(operator: Gridded, basis: Basis, values: np.ndarray) -> np.ndarray:
    """Data on the observation's own grid."""
    grid, kept = basis.grid(operator.resolution), operator.kept(basis)
    image = np.full(int(np.prod(grid)), np.nan)
    image[slice(None) if kept is None else kept] = values
    return image.reshape(grid)


def _functions(
    operator: Modes, basis: Basis, channels: int, data: np.ndarray, n: int
) -> list[Image]:
    """The functions that have these coefficients, and no others: modes are orthonormal."""
    observed = operator.on(basis, channels, n)
    fields = observed.adjoint(torch.from_numpy(np.asarray(data, np.float64)))
    return [Image(values) for values in fields.numpy()]
