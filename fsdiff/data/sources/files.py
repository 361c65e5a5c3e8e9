"""Fields that are read from files: one's own data, PDEBench's, those of neural operators."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, overload

import numpy as np
import torch
import xarray as xr
from pydantic import FiniteFloat, NonNegativeInt, PositiveFloat

from fsdiff.data.sources.arrays import Arrays, matrix, opened, picture, readable
from fsdiff.data.sources.axes import SPACE, Dimension, is_member
from fsdiff.data.sources.blocks import Block, Places
from fsdiff.data.sources.coordinates import Positions
from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.domain import Domain, basis_on, physical_nodes
from fsdiff.data.sources.doubts import Doubts
from fsdiff.data.sources.gaps import Gaps
from fsdiff.data.sources.headers import Header, Request, read_header
from fsdiff.data.sources.labels import label, listed, printable
from fsdiff.data.sources.paths import Paths, find_files
from fsdiff.data.sources.reading import read_fields
from fsdiff.data.sources.rounding import stored_type, warn_of_noise
from fsdiff.data.sources.source import Source, check_times
from fsdiff.data.sources.time_axis import CALLED, box_of, time_axis
from fsdiff.jobs.failures import StorageError
from fsdiff.randomness import generator
from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream

logger = logging.getLogger(__name__)

BLOCK = 2**25
"""Numbers that are read at a time."""


PROBES = (4, 16)
"""How many samples, far apart, are looked at for the precision that a data set needs.

At least and, where samples are small, at most.
"""

MOST_REMARKS = 20
"""Entries that are named when they are not read."""


@dataclass(frozen=True)
class Layout:
    """Names of arrays, and what their axes are, where a configuration does not say."""

    variables: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()


LAYOUTS = {
    "array": Layout(),
    "fno": Layout(("u",), ("sample", "y", "x", "time")),
    "pdebench": Layout(("data",), ("sample", "time", "y", "x", "channel")),
}


class _BasisOfFields:
    """What a configuration says of the basis goes in, the basis of the fields in files comes out.

    The latter needs the first file, which is opened when it is asked for.
    """

    @overload
    def __get__(self, source: None, owner: type) -> None: ...
    @overload
    def __get__(self, source: "FileData", owner: type) -> Basis: ...
    def __get__(self, source: "FileData | None", owner: type) -> Basis | None:
        return None if source is None else source._space

    def __set__(self, source: "FileData", given: Basis | None) -> None:
        vars(source)["_given"] = given


if TYPE_CHECKING:
    BasisOfFields = _BasisOfFields
else:  # what a configuration may say
    BasisOfFields = Basis | None


@dataclass(frozen=True)
class FileData(Source):
    """Fields read from a file, a folder or the files that match a pattern such as ``runs/*.nc``.

    ``path`` may be several of these, as a list; ``**`` stands for any number of folders, a relative
    path is one from the working directory, and ``package:NAME/…`` one in an installed package.
    Files count in the order of the list and of their names, samples in the order in which they
    stand there or, with ``shuffle``, in a random one that the data set's seed decides. Formats are
    told by the contents of files: NetCDF, HDF5, NumPy (``.npy``, ``.npz``), MATLAB, zarr,
    safetensors, and where there is nothing else pictures (PNG, JPEG) or matrices as text.

    ``layout`` says how fields are arranged: in arrays with the given ``dimensions``, in order,
    which a file may name itself (``array``); in arrays ``u`` of (sample, y, x, time), as in the
    MATLAB files of Li et al. (``fno``); or in a group for each sample, as in PDEBench's HDF5 files
    of two-dimensional systems (``pdebench``). ``dimensions`` are those of all ``variables``, which
    are the arrays to read, each a channel or several, or {variable: dimensions}. Several axes may
    be ``sample``, such as dates and members, or ``channel``, such as the two of a tensor: they
    count as one, dates before others, else in the order of the file. ``channels`` chooses among all
    channels and names them: {name: position}, counted from 0.

    ``time`` is one time, for fields, or several, for series; all if absent. Where files give no
    times, frames count from 0. With ``frames: samples`` each frame of each run is a sample of its
    own, run by run; with ``frames: axis`` fields are functions of time as of space, on times in
    equal steps, and time is their first axis, t.

    Fields are functions on squares, rectangles, intervals or boxes of three axes. On squares,
    ``basis`` is what they are expanded in; on others it is a box with axes of the same kind.
    ``axes`` says the kind of each axis instead, {name: periodic, neumann or dirichlet}, by its name
    in the file or as x, y and z. Longitudes and latitudes need neither: longitudes all around are
    periodic, other ones and latitudes have no normal derivative at their ends; nor have fields in
    time, unless it is said. Sides of boxes count in the longest one; that of time is one. Axes that
    are ``held``, such as heights, have the nodes of the data at every level.

    Nodes are where the file has its coordinates, or those of the basis on a domain whose longest
    side is ``length``, 1 if absent, or whose sides these are, {name: side}: cell centres between
    walls, left ends of cells along periodic axes. ``coordinates`` names the arrays with times and
    positions, {time, z, y, x: array}, where neither attributes nor names say it.

    Fields with missing values are refused. With ``gaps: mask`` they are filled harmonically if the
    same nodes have none in all samples; these have no part in the loss, in statistics and in
    metrics, and no values in samples.

    Data are read again when their files change: when their contents do or, if they are larger than
    256 MB together, when a size or a time of modification does. Where they are is of no account.
    """

    path: Paths
    basis: BasisOfFields = _BasisOfFields()
    axes: dict[str, AxisKind] = field(default_factory=dict)
    layout: Literal["array", "fno", "pdebench"] = "array"
    variables: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] | dict[str, tuple[Dimension, ...]] = ()
    coordinates: dict[str, str] = field(default_factory=dict)
    channels: dict[str, NonNegativeInt] = field(default_factory=dict)
    time: FiniteFloat | tuple[FiniteFloat, ...] | None = None
    frames: Literal["series", "samples", "axis"] = "series"
    held: tuple[str, ...] = ()
    shuffle: bool = False
    length: PositiveFloat | dict[str, PositiveFloat] | None = None
    units: str | None = None
    gaps: Literal["refuse", "mask"] = "refuse"
    kind: Literal["files"] = "files"
    locations: ClassVar[tuple[str, ...]] = ("path",)

    def __post_init__(self) -> None:
        self._domain.check()
        if isinstance(self.time, tuple):
            check_times(self.time)
        if others := self.coordinates.keys() - {"time", *SPACE}:
            raise ValueError(
                f"coordinates = {self.coordinates}: '{min(others)}' is none of time, "
                f"{', '.join(SPACE)}"
            )

    @cached_property
    def _found(self) -> tuple[tuple[Path, ...], dict[Path, str]]:
        """The files, and what is named besides with the reason why it is not read."""
        paths = (self.path,) if isinstance(self.path, str) else self.path
        return find_files(paths, _may_be_read, picture, matrix)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order of the paths and of their names."""
        return self._found[0]

    @cached_property
    def content(self) -> str:
        """A digest of names and contents, or names, sizes and times of modification."""
        return digest(self.files)

    @property
    def seeded(self) -> bool:
        """Whether the seed decides their order."""
        return self.shuffle

    @property
    def resolution(self) -> int:
        """Number of nodes along the longest axis that is refined."""
        return self.basis.resolution(torch.empty(self._grid, device="meta"))

    @property
    def values(self) -> int:
        """Channels, as often as there are frames."""
        series = self.frames == "series"
        return (len(self._places.frames[0]) if series else 1) * len(self._channels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels that are kept."""
        return tuple(self._channels)

    @property
    def available(self) -> int:
        """How many samples the files hold."""
        return self._places.ends[-1]

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What is not read, and what is read otherwise than it stands in the files."""
        skipped = self._found[1]
        reasons = [f"{path} is not read: {reason}" for path, reason in skipped.items()]
        more = [f"{len(reasons) - MOST_REMARKS} more entries are not read"]
        shown = reasons[:MOST_REMARKS] + (more if len(reasons) > MOST_REMARKS else [])
        return (*shown, *self._of_members, *self._header.remarks)

    @property
    def _of_members(self) -> Iterator[str]:
        """That members of one date are samples far from each other, where they are."""
        if not self._apart:
            return
        with self._opened(self.files[0]) as (arrays, header):
            for name, axes in header.axes.items():
                names = arrays[name].dimensions
                if names and "sample" in axes and is_member(names[axes.index("sample")]):
                    order = ["sample" if axis == "time" else axis or "channel" for axis in axes]
                    yield (
                        f"{arrays[name].where}: with frames: samples those of one member come "
                        "after those of another, so that members of one date may be in different "
                        f"parts; dimensions: [{', '.join(order)}] keeps them together"
                    )
                    return

    def check(self) -> None:
        """Raise ValueError where files, or what is to be read of them, are not as they should be.

        Reads no values. Files of single samples are compared with the first when they are read.
        """
        _ = self._places, self._channels, self.basis

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the files, in the order that ``seed`` decides if it is shuffled.

        Returns variable ``field`` (sample, channel, *axes) with a dimension ``time`` after
        ``sample`` for series; float32, or float64 for a data set of which rounding to float32
        would take too much. ``progress`` is called with the number of samples finished since the
        last call. Raises StorageError that names the file and the sample where values are missing.
        """
        header, channels = self._header, len(self._channels)
        times, most = self.values // channels, BLOCK // (prod(header.grid) * len(header.channels))
        fields = np.empty((len(indices), times, channels, *self._grid), self._type)
        placed, both_ends = header.placed, bool(header.both_ends)
        doubts = Doubts(self.basis, tuple(self._channels), placed=placed, both_ends=both_ends)
        positions = self._positions(indices, seed)
        order = np.argsort(positions)  # samples side by side are read together
        read = [indices[i] for i in order]
        blocks = self._places.blocks([positions[i] for i in order], most)
        for path, those in groupby(blocks, attrgetter("path")):
            with self._opened(path) as (arrays, own):
                kept = np.result_type(*own.types(arrays))
                for block in those:
                    part = self._filled(arrays, own, block, read[block.here])
                    with np.errstate(over="ignore"):  # what becomes infinite is refused
                        fields[block.here] = part
                    self._check_finite(fields[block.here], read[block.here], block)
                    doubts.see(part, kept, block)
                    if progress is not None:
                        progress(len(part))
        for doubt in doubts.told(header.resolution):
            logger.warning("%s: %s", self.path, doubt)
        in_order = read == list(indices)
        return self._label(fields if in_order else fields[np.argsort(order)], indices)

    def _check_finite(self, fields: np.ndarray, indices: Sequence[int], block: Block) -> None:
        """Refuse missing values, and those beyond float32's range, naming the sample."""
        usable = np.abs(fields) <= np.finfo(np.float32).max
        if worst := block.worst(~usable, indices):
            sample, missing = worst
            remedy = "fill them in, scale them or leave the sample out"
            if self.gaps == "refuse":
                remedy += ", or say gaps: mask where the same nodes have none in all samples"
            else:
                remedy += "; infinite values are no gaps, which are NaN"
            raise StorageError(
                f"{block.path}: {missing} values of {sample} are missing, not finite or beyond "
                f"{np.finfo(np.float32).max:.2g}: {remedy}"
            )

    def _fields(self, arrays: Arrays, header: Header, block: Block) -> np.ndarray:
        """Fields (sample, time, channel, *grid) of a file, as precise as they stand there."""
        fields = read_fields(arrays, header, block.runs, block.frames)
        fields = fields[:, :, list(self._channels.values())]
        if self.frames == "axis":
            return np.moveaxis(fields, 1, 2)[:, None]
        return fields.swapaxes(0, 1) if self._apart else fields

    def _filled(
        self, arrays: Arrays, header: Header, block: Block, indices: Sequence[int]
    ) -> np.ndarray:
        """The same with values at all nodes, where gaps are the same in all samples."""
        fields = self._fields(arrays, header, block)
        return fields if self._gaps is None else self._gaps.filled(fields, indices, block)

    @cached_property
    def _gaps(self) -> Gaps | None:
        """Those of the first sample, None where they are refused."""
        if self.gaps == "refuse":
            return None
        block = next(self._places.blocks([0], 1))
        with self._opened(block.path) as (arrays, header):
            (first,) = self._fields(arrays, header, block)
        empty = np.isnan(first).all(tuple(range(2, first.ndim))).any(0)
        if empty.any():
            names = ", ".join(np.array(self.names)[empty])
            raise StorageError(
                f"{block.path}: {block.place(0)} there has no values of channel {names}: leave "
                "out the sample, or the channel"
            )
        return Gaps(~np.isnan(first), self.basis)

    @cached_property
    def _type(self) -> np.dtype:
        """Of the fields of the data set, whatever samples are read: a few of them decide."""
        count = np.clip(BLOCK // (self.values * prod(self._grid)), *PROBES)
        positions = sorted(set(np.linspace(0, self.available - 1, count).astype(int).tolist()))
        blocks, probes = [*self._places.blocks(positions, 1)], []
        kinds = [self._types(path) for path in dict.fromkeys(block.path for block in blocks)]
        if all(kind == np.float32 for types in kinds for kind in types):
            return np.dtype(np.float32)  # values need not be read
        for path, those in groupby(blocks, attrgetter("path")):
            with self._opened(path) as (arrays, header):
                probes += [self._fields(arrays, header, block) for block in those]
        fields, names = np.concatenate(probes), tuple(self._channels)
        stored = stored_type(fields, names)
        coarsest = [min(types, key=_precision) for types in zip(*kinds, strict=True)]
        warn_of_noise(fields, names, coarsest, stored)
        return stored

    def _types(self, path: Path) -> list[np.dtype]:
        """The type in which a file keeps each of the channels that are kept."""
        with self._opened(path) as (arrays, header):
            own = header.types(arrays)
        return [own[position] for position in self._channels.values()]

    def _positions(self, indices: Sequence[int], seed: int) -> Sequence[int]:
        """Where samples stand among those of all files, after a check that there are such."""
        for index in indices:
            if not 0 <= index < self.available:
                raise ValueError(f"no sample {index}: '{self.path}' holds {self.available}")
        if not self.shuffle:
            return list(indices)
        order, _ = self._places.shuffled(generator(seed, Stream.SHUFFLE))
        return order[list(indices)].tolist()

    def boundaries(self, seed: int) -> tuple[int, ...]:
        """Numbers of samples at which those of one date end, where samples have several axes."""
        return (
            self._places.shuffled(generator(seed, Stream.SHUFFLE))[1]
            if self.shuffle
            else (self._places.boundaries)
        )

    @property
    def _apart(self) -> bool:
        """Whether frames are samples of their own."""
        return self.frames == "samples"

    @property
    def _grouped(self) -> tuple[str, ...]:
        """Arrays that stand in a group for each sample."""
        return self._variables if self.layout == "pdebench" else ()

    @property
    def _variables(self) -> tuple[str, ...]:
        return self.variables or LAYOUTS[self.layout].variables

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[Arrays, Header]]:
        """The arrays of a file and its header, which must be like that of the first file."""
        with opened(path, grouped=self._grouped) as arrays:
            header = self._header if path == self.files[0] else self._read_header(path, arrays)
            header.check_like(self._header, path, self.files[0], times=not self._apart)
            yield header.stacking.arrays(arrays), header

    @cached_property
    def _header(self) -> Header:
        """That of the first file."""
        with opened(self.files[0], grouped=self._grouped) as arrays:
            return self._read_header(self.files[0], arrays)

    def _read_header(self, path: Path, arrays: Arrays) -> Header:
        request = Request(
            domain=self._domain,
            variables=self._variables,
            dimensions=self.dimensions or LAYOUTS[self.layout].dimensions,
            coordinates=self.coordinates,
            units=self.units,
        )
        return read_header(path, arrays, request)

    @property
    def _domain(self) -> Domain:
        """What is said of the domain."""
        of_time = CALLED if self.frames == "axis" else ()
        axes = {name: kind for name, kind in self.axes.items() if name not in of_time}
        return Domain(vars(self)["_given"], axes, self.length)

    @cached_property
    def _frame_basis(self) -> Basis:
        """The basis of a frame."""
        return basis_on(tuple(self._header.lines.values()), self._domain, str(self.files[0]))

    @cached_property
    def _space(self) -> Basis:
        """The basis of the fields."""
        where = str(self.files[0])
        time = time_axis(self._times, self.axes, where) if self.frames == "axis" else None
        return box_of(self._frame_basis, self._header.lines, time, self.held, where)

    @property
    def _times(self) -> Positions | None:
        """The times that are kept of the first file."""
        times = self._header.times
        if times is None:
            return None
        kept = self._frames(self._header, self.files[0])
        return replace(times, values=tuple(times.values[frame] for frame in kept))

    @property
    def _grid(self) -> tuple[int, ...]:
        """The shape of a field."""
        times = (len(self._places.frames[0]),) if self.frames == "axis" else ()
        return *times, *self._header.grid

    @cached_property
    def _places(self) -> Places:
        """Where samples stand in the files, each of which is opened where they are counted."""
        first = self._frames(self._header, self.files[0])
        self._check_changing()
        runs, frames = [1] * len(self.files), [first] * len(self.files)
        together = [1] * len(self.files)
        if "sample" in self._header.dimensions or self._apart:
            for position, path in enumerate(self.files):
                with self._opened(path) as (_, header):
                    runs[position] = header.samples
                    frames[position] = self._frames(header, path) if self._apart else first
                    together[position] = header.stacking.block
        return Places(self.files, runs, frames, self._apart, together)

    def _check_changing(self) -> None:
        """Refuse what is the same at all times, and so in all samples, if these are frames."""
        header = self._header
        if not self._apart or "sample" in header.dimensions or len(self.files) > 1:
            return
        for name, axes in header.axes.items():
            if "time" not in axes:
                raise StorageError(
                    f"{self.files[0]}: '{name}' is the same at all times, and these are the "
                    "samples: there is nothing to learn about it; leave it out of the variables"
                )

    @cached_property
    def _channels(self) -> dict[str, int]:
        """Name and position of the channels that are kept, in the order of the positions."""
        known = self._header.channels
        if not self.channels and len(set(known)) < len(known):
            numbered = ", ".join(f"{name}_{i}: {i}" for i, name in enumerate(known[:3]))
            raise ValueError(
                f"channels of one name in {self.files[0]}, {listed(known)}: name them, "
                f"e.g. channels: {{{numbered}}}"
            )
        chosen = self.channels or {name: position for position, name in enumerate(known)}
        for name in chosen:
            what = (
                "channels: a name" if self.channels else f"{self.files[0]}: the name of a channel"
            )
            if printable(name, what) != name:
                raise ValueError(f"channels: {name!r} has control characters; leave them out")
        positions = sorted(chosen.values())
        if positions[-1] >= len(known) or len(set(positions)) < len(positions):
            raise ValueError(
                f"channels = {self.channels}: give positions from 0 to {len(known) - 1}, each "
                f"once; {self.files[0]} has {listed(known)}"
            )
        return dict(sorted(chosen.items(), key=lambda item: item[1]))

    def _frames(self, header: Header, path: Path) -> tuple[int, ...]:
        """Positions in a file of the times that are kept."""
        if header.times is None:
            if self.time is not None or self._apart:
                given = f"time = {self.time}" if self.time is not None else "frames = samples"
                raise ValueError(f"{given}: {path} has no dimension 'time'; leave it out")
            return (0,)
        if self.time is None:
            return tuple(range(len(header.times.values)))
        return tuple(_frame(time, header.times, path) for time in np.atleast_1d(self.time))

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Physical coordinates of the nodes along each axis, by its name."""
        lines = tuple(self._header.lines.values())
        nodes = physical_nodes(lines, self._frame_basis, self.length)
        if self.frames == "axis" and self._times is not None:
            nodes = [np.array(self._times.values), *nodes]
        return dict(zip([axis.name for axis in self.basis.axes], nodes, strict=True))

    @property
    def mask(self) -> Mask | None:
        """The nodes that have values, frames being channels; None where all have."""
        return None if self._gaps is None else self._gaps.mask

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        header, basis, nodes = self._header, self.basis, self.node_positions
        dimensions: list[Dimension] = [*header.lines]
        if self.frames == "axis" and self._times is not None:
            dimensions = ["time", *dimensions]
        units = dict(header.units)
        for dimension, name in zip(dimensions, nodes, strict=True):
            if dimension in header.units:
                units[name] = header.units[dimension]
        time: float | tuple[float, ...] | None = self.time
        if time is None and header.times is not None:
            time = header.times.values
        if self.frames != "series" and isinstance(time, tuple):
            time = None
        present = None if self._gaps is None or self._gaps.mask is None else self._gaps.present
        series = isinstance(time, tuple)
        return label(
            fields if series else fields[:, 0],
            indices,
            basis=basis,
            nodes=nodes,
            measured_from="origin",
            channels=tuple(self._channels),
            meaning=", ".join(header.axes),
            time=time,
            units=units,
            present=present if series or present is None else present[0],
        )


def _may_be_read(path: Path) -> bool:
    """Whether a file, or a folder that is one data set, is of a format that is read."""
    return (path.is_file() or path.is_dir()) and readable(path)


def _precision(kind: np.dtype) -> int:
    """Bytes of numbers in floating point; integers are exact."""
    return kind.itemsize if kind.kind == "f" else 16


def _frame(time: float, times: Positions, path: Path) -> int:
    """The position of a time, rounding aside."""
    values = np.array(times.values)
    nearest = int(np.abs(values - time).argmin())
    if abs(values[nearest] - time) > times.tolerance:
        shown = ", ".join(f"{value:g}" for value in values[:3])
        raise ValueError(
            f"time = {time:g}: no such time in {path}, which has {len(values)}, {shown} … "
            f"{values[-1]:g}; the nearest is {values[nearest]:g}"
        )
    return nearest
