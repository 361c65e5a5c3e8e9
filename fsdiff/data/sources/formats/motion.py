"""Motions of skeletons as motion capture writes them: the Biovision hierarchy, ``.bvh``.

A joint turns by the angles of its channels, in degrees and in their order, about axes that its
parent has turned, and lies at its offset from the parent. Angles jump where they pass ±180° and are
no continuous function of time; the first two columns of a rotation matrix are one, and tell the
third (Zhou et al., CVPR 2019).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Whole
from fsdiff.jobs.failures import StorageError

AXES = ("x", "y", "z")
CHANNELS = {axis + kind for axis in AXES for kind in ("position", "rotation")}


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint: its name, the number of its parent, none of the root, its offset and its channels.

    ``first`` is the place of the first of the channels among those of a frame.
    """

    name: str
    parent: int | None
    offset: np.ndarray
    channels: tuple[str, ...]
    first: int

    @property
    def turns(self) -> bool:
        """Whether it has angles."""
        return any(channel.endswith("rotation") for channel in self.channels)

    def rotation(self, frames: np.ndarray) -> np.ndarray:
        """The matrices (frame, 3, 3) that it turns by, of all channels (frame, channel)."""
        found = np.broadcast_to(np.eye(3), (len(frames), 3, 3))
        for place, channel in enumerate(self.channels):
            if channel.endswith("rotation"):
                angle = np.deg2rad(frames[:, self.first + place])
                found = found @ about(AXES.index(channel[0]), angle)
        return found

    def translation(self, frames: np.ndarray) -> np.ndarray:
        """Where it lies (frame, 3) for its parent: the offset, and the channels of its position."""
        found = np.tile(self.offset, (len(frames), 1))
        for place, channel in enumerate(self.channels):
            if channel.endswith("position"):
                found[:, AXES.index(channel[0])] += frames[:, self.first + place]
        return found


@dataclass(frozen=True, eq=False)
class Motion:
    """The joints of a skeleton, each after its parent, and the channels (frame, channel).

    ``step`` is the time between frames, in seconds.
    """

    joints: tuple[Joint, ...]
    frames: np.ndarray
    step: float

    @property
    def rotations(self) -> np.ndarray:
        """Two columns of each joint's own rotation, (frame, 6 × joints that turn)."""
        turned = [joint.rotation(self.frames) for joint in self.joints if joint.turns]
        columns = [matrix[:, :, :2].transpose(0, 2, 1).reshape(-1, 6) for matrix in turned]
        return np.concatenate(columns, axis=1)

    @property
    def positions(self) -> np.ndarray:
        """Where all joints are, in space, (frame, 3 × joints)."""
        places: list[np.ndarray] = []
        turned: list[np.ndarray] = []
        for joint in self.joints:
            own, place = joint.rotation(self.frames), joint.translation(self.frames)
            if joint.parent is not None:
                place = places[joint.parent] + (turned[joint.parent] @ place[:, :, None])[..., 0]
                own = turned[joint.parent] @ own
            places.append(place)
            turned.append(own)
        return np.concatenate(places, axis=1)


def about(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (…, 3, 3) by angles in radians about an axis."""
    found = np.zeros((*angle.shape, 3, 3))
    found[..., axis, axis] = 1
    one, other = (axis + 1) % 3, (axis + 2) % 3
    found[..., one, one] = found[..., other, other] = np.cos(angle)
    found[..., other, one] = np.sin(angle)
    found[..., one, other] = -np.sin(angle)
    return found


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """``rotations``, ``positions`` and ``root`` (curve, point, channel) of one curve of frames.

    See ``Motion``; ``root`` is where the root is, three channels, and ``time`` (curve, point) when
    that was, from the first frame on, in seconds.
    """
    motion = read_motion(path)
    functions: dict[str, Callable[[], np.ndarray]] = {
        "rotations": lambda: motion.rotations,
        "positions": lambda: motion.positions,
        "root": lambda: motion.joints[0].translation(motion.frames),
    }
    turning = sum(joint.turns for joint in motion.joints)
    widths = {"rotations": 6 * turning, "positions": 3 * len(motion.joints), "root": 3}
    count = len(motion.frames)
    found: Arrays = {
        name: Stored(
            Whole((1, count, widths[name]), np.dtype(float), partial(_curve, load)),
            dimensions=("curve", "point", "channel"),
        )
        for name, load in functions.items()
        if widths[name]
    }
    times = partial(_curve, lambda: motion.step * np.arange(count))
    time = Stored(Whole((1, count), np.dtype(float), times), dimensions=("curve", "point"))
    return {**found, "time": time}


def _curve(load: Callable[[], np.ndarray]) -> np.ndarray:
    return load()[None]


def read_motion(path: Path) -> Motion:
    """The motion in a file; StorageError where it is no such file, or is cut off."""
    words = _words(path.read_text(encoding="utf-8-sig", errors="replace"))
    try:
        _expect(words, "HIERARCHY")
        joints = tuple(_joints(words, None, []))
        _expect(words, "Frames:")
        count = int(next(words))
        _expect(words, "Frame")
        _expect(words, "Time:")
        step = float(next(words))
        numbers = np.array(list(words), float)
    except (StopIteration, ValueError) as error:
        raise StorageError(
            f"{path} is no motion of a skeleton ({error}): fetch it again"
        ) from error
    channels = sum(len(joint.channels) for joint in joints)
    if len(numbers) != count * channels:
        raise StorageError(
            f"{path} has {len(numbers)} numbers, and {count} frames of {channels} channels need "
            f"{count * channels}: it is cut off; fetch it again"
        )
    if not step > 0:
        raise StorageError(f"{path}: frames are {step:g} s apart: mend the line Frame Time")
    return Motion(joints, numbers.reshape(count, channels), step)


def _words(text: str) -> Iterator[str]:
    """Words of a file; the name of a joint is one, to the end of its line, and may have blanks."""
    for line in text.splitlines():
        first, *rest = line.split(maxsplit=1) or [""]
        if first in ("ROOT", "JOINT") and rest:
            name, brace, after = rest[0].partition("{")
            yield from (first, name.strip(), *brace, *after.split())
        else:
            yield from line.split()


def _joints(words: Iterator[str], parent: int | None, found: list[Joint]) -> list[Joint]:
    """All joints up to the end of a block, in the order of the file; those of one that begins."""
    for word in words:
        if word in ("}", "MOTION"):
            break
        if word == "End":  # the site where a limb ends, of which nothing but an offset is known
            list(islice(words, 7))
        elif word in ("ROOT", "JOINT"):
            found.append(_joint(words, parent, found))
            _joints(words, len(found) - 1, found)
        else:
            raise ValueError(f"'{word}' is out of place")
    return found


def _joint(words: Iterator[str], parent: int | None, before: list[Joint]) -> Joint:
    name = next(words)
    _expect(words, "{")
    _expect(words, "OFFSET")
    offset = np.array([float(next(words)) for _ in range(3)])
    _expect(words, "CHANNELS")
    channels = tuple(word.lower() for word in islice(words, int(next(words))))
    if unknown := set(channels) - CHANNELS:
        raise ValueError(f"'{min(unknown)}' is no channel of a joint")
    first = sum(len(joint.channels) for joint in before)
    return Joint(name, parent, offset, channels, first)


def _expect(words: Iterator[str], expected: str) -> None:
    if (word := next(words, "its end")) != expected:
        raise ValueError(f"'{word}' stands where {expected} should")
