"""Fields that are read from files: one's own data, PDEBench's, those of neural operators."""

import glob
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveFloat

from fsdiff.atomic import StorageError
from fsdiff.bases import Basis
from fsdiff.datasets.arrays import SUFFIXES, Arrays, opened, readable
from fsdiff.datasets.digest import digest
from fsdiff.datasets.headers import Dimension, Header, read_fields, read_header
from fsdiff.datasets.labels import label
from fsdiff.datasets.rounding import stored_type
from fsdiff.datasets.source import Source, check_plane, check_times

BLOCK = 2**25
"""Numbers that are read at a time."""

PROBES = 4
"""How many samples, far apart, are looked at for the precision that a data set needs."""

ROUNDING = 1e-3
"""How far a time may be from that of a frame, as a share of the least interval of frames."""


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


@dataclass(frozen=True)
class FileData(Source):
    """Fields read from a file, a folder or the files that match a pattern such as ``runs/*.nc``.

    Suffixes tell formats: NetCDF (``.nc``, ``.nc4``), HDF5 (``.h5``, ``.hdf5``), NumPy (``.npy``,
    ``.npz``) and MATLAB (``.mat``). Files count in the order of their names, samples in the order
    in which they stand there; a relative ``path`` is one from the working directory.

    ``layout`` says how fields are arranged: in arrays with the given ``dimensions``, in order,
    which a NetCDF file may name itself (``array``); in arrays ``u`` of (sample, y, x, time), as in
    the MATLAB files of Li et al. (``fno``); or in a group for each sample, as in PDEBench's HDF5
    files of two-dimensional systems (``pdebench``). ``variables`` are the arrays to read, each a
    channel or several. ``channels`` chooses among all these and names them: {name: position},
    counted from 0. ``time`` is one time, for fields, or several, for series; all if absent. Where
    files give no times, frames count from 0.

    Nodes are where the file has its coordinates x and y, or those of ``basis`` on a square of side
    ``length``: cell centres in the cosine and sine bases, left ends of cells in the Fourier basis.

    Data are read again when their files change: when their contents do or, if they are larger than
    256 MB together, when a size or a time of modification does.
    """

    path: Annotated[str, Field(min_length=1)]
    basis: Basis
    layout: Literal["array", "fno", "pdebench"] = "array"
    variables: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    channels: dict[str, NonNegativeInt] = field(default_factory=dict)
    time: FiniteFloat | tuple[FiniteFloat, ...] | None = None
    length: PositiveFloat = 1.0
    units: str | None = None
    kind: Literal["files"] = "files"

    def __post_init__(self) -> None:
        check_plane(self.basis)
        if isinstance(self.time, tuple):
            check_times(self.time)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order of their names."""
        path = Path(self.path)
        inside = f"{glob.escape(self.path)}/*" if path.is_dir() else self.path
        found = [path] if path.is_file() else sorted(map(Path, glob.glob(inside)))
        known = [file for file in found if file.is_file() and readable(file)]
        if not known:
            what = f"none of {len(found)} entries has one" if found else "there is no such file"
            raise StorageError(
                f"path = '{self.path}': {what} (from {Path.cwd()}); expected a file, a folder or a "
                f"pattern of files with a suffix among {', '.join(SUFFIXES)}"
            )
        return tuple(known)

    @cached_property
    def content(self) -> str:
        """A digest of names and contents, or names, sizes and times of modification."""
        return digest(self.files)

    @property
    def resolution(self) -> int:
        """Number of nodes per axis."""
        return self._header.resolution

    @property
    def values(self) -> int:
        """Channels, as often as there are frames."""
        return len(self._frames) * len(self._channels)

    @property
    def available(self) -> int:
        """How many samples the files hold."""
        return self._ends[-1]

    def check(self) -> None:
        """Raise ValueError where files, or what is to be read of them, are not as they should be.

        Reads no values. Files of single samples are compared with the first when they are read.
        """
        _ = self._ends, self._frames, self._channels

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the files; ``seed`` changes nothing.

        Returns variable ``field`` (sample, channel, y, x) with a dimension ``time`` after
        ``sample`` for series; float32, or float64 for a data set of which rounding to float32
        would take too much. ``progress`` is called with the number of samples finished since the
        last call. Raises StorageError that names the file and the sample where values are missing.
        """
        n, frames, channels = self.resolution, self._frames, self._channels
        fields = np.empty((len(indices), len(frames), len(channels), n, n), self._type)
        for path, here, there in self._blocks(indices):
            with self._opened(path) as (arrays, header):
                part = self._fields(arrays, header, there)
            with np.errstate(over="ignore"):  # what becomes infinite is refused
                fields[here] = part
            _check_finite(fields[here], indices[here], path, there.start)
            if progress is not None:
                progress(len(part))
        return self._label(fields, indices)

    def _fields(self, arrays: Arrays, header: Header, samples: slice) -> np.ndarray:
        """Fields (sample, time, channel, y, x) of a file, as precise as they stand there."""
        fields = read_fields(arrays, header, samples, self._frames)
        return fields[:, :, list(self._channels.values())]

    @cached_property
    def _type(self) -> np.dtype:
        """Of the fields of the data set, whatever samples are read: a few of them decide."""
        positions = np.linspace(0, self.available - 1, PROBES).astype(int).tolist()
        places, probes = sorted({self._place(index) for index in positions}), []
        for file, samples in groupby(places, itemgetter(0)):
            with self._opened(self.files[file]) as (arrays, header):
                types = [np.dtype(arrays[name].values.dtype) for name in header.variables]
                # Values in single precision need not be read.
                if any(item.kind != "f" or item.itemsize > 4 for item in types):
                    probes += [self._fields(arrays, header, slice(i, i + 1)) for _, i in samples]
        if not probes:
            return np.dtype(np.float32)
        return stored_type(np.concatenate(probes), tuple(self._channels))

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[Arrays, Header]]:
        """The arrays of a file and its header, which must be like that of the first file."""
        with opened(path, grouped=self.layout == "pdebench") as arrays:
            header = self._header if path == self.files[0] else self._read_header(path, arrays)
            header.check_like(self._header, path, self.files[0])
            yield arrays, header

    @cached_property
    def _header(self) -> Header:
        """That of the first file."""
        with opened(self.files[0], grouped=self.layout == "pdebench") as arrays:
            return self._read_header(self.files[0], arrays)

    def _read_header(self, path: Path, arrays: Arrays) -> Header:
        usual = LAYOUTS[self.layout]
        return read_header(
            path,
            arrays,
            variables=self.variables or usual.variables,
            dimensions=self.dimensions or usual.dimensions,
            units=self.units,
        )

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        """Number of samples in each file and those before it."""
        if "sample" not in self._header.dimensions:
            return tuple(range(1, len(self.files) + 1))
        counts = []
        for path in self.files:
            with self._opened(path) as (_, header):
                counts.append(header.samples)
        return tuple(accumulate(counts))

    @cached_property
    def _channels(self) -> dict[str, int]:
        """Name and position of the channels that are kept, in the order of the positions."""
        known = self._header.channels
        chosen = self.channels or {name: position for position, name in enumerate(known)}
        positions = sorted(chosen.values())
        if positions[-1] >= len(known) or len(set(positions)) < len(positions):
            raise ValueError(
                f"channels = {self.channels}: give positions from 0 to {len(known) - 1}, each "
                f"once; {self.files[0]} has {', '.join(known)}"
            )
        return dict(sorted(chosen.items(), key=lambda item: item[1]))

    @cached_property
    def _frames(self) -> tuple[int, ...]:
        """Positions of the times that are kept."""
        times = self._header.times
        if times is None:
            if self.time is not None:
                raise ValueError(
                    f"time = {self.time}: {self.files[0]} has no dimension 'time'; leave it out"
                )
            return (0,)
        if self.time is None:
            return tuple(range(len(times)))
        return tuple(self._frame(time, np.array(times)) for time in np.atleast_1d(self.time))

    def _frame(self, time: float, times: np.ndarray) -> int:
        """The position of a time, rounding aside."""
        nearest = int(np.abs(times - time).argmin())
        spacing = np.diff(times).min() if len(times) > 1 else 1.0
        if abs(times[nearest] - time) > ROUNDING * spacing:
            shown = ", ".join(f"{value:g}" for value in times[:3])
            raise ValueError(
                f"time = {time:g}: no such time in {self.files[0]}, which has {len(times)}, "
                f"{shown} … {times[-1]:g}; the nearest is {times[nearest]:g}"
            )
        return nearest

    def _blocks(self, indices: Sequence[int]) -> Iterator[tuple[Path, slice, slice]]:
        """Samples that stand side by side in a file: where they go, and where they are there."""
        header, start = self._header, 0
        size = max(1, BLOCK // (header.resolution**2 * len(self._frames) * len(header.channels)))
        places = [self._place(index) for index in indices]
        for stop in range(1, len(places) + 1):
            file, first = places[start]
            beside = (file, first + stop - start)
            if stop < len(places) and stop - start < size and places[stop] == beside:
                continue
            yield self.files[file], slice(start, stop), slice(first, first + stop - start)
            start = stop

    def _place(self, index: int) -> tuple[int, int]:
        """Number of the file that holds a sample, and of the sample in it."""
        if not 0 <= index < self.available:
            raise ValueError(f"no sample {index}: '{self.path}' holds {self.available}")
        file = bisect_right(self._ends, index)
        return file, index - (self._ends[file - 1] if file else 0)

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        header, nodes = self._header, self.basis.nodes(self.resolution) * self.length
        time = header.times if self.time is None else self.time
        return label(
            fields if np.ndim(time) else fields[:, 0],
            indices,
            basis=self.basis,
            y=nodes if header.y is None else np.array(header.y),
            x=nodes if header.x is None else np.array(header.x),
            measured_from="origin",
            channels=tuple(self._channels),
            meaning=", ".join(header.variables),
            time=time,
            units=header.units,
        )


def _check_finite(fields: np.ndarray, indices: Sequence[int], path: Path, first: int) -> None:
    """Refuse missing values, and those beyond float32's range, naming the sample."""
    usable = np.abs(fields) <= np.finfo(np.float32).max
    missing = np.count_nonzero(~usable, axis=(1, 2, 3, 4))
    if missing.any():
        position = int(missing.argmax())
        raise StorageError(
            f"{path}: {missing[position]} values of sample {first + position} there (sample "
            f"{indices[position]} of the data set) are missing or not finite: fill them in or "
            "leave the sample out"
        )
