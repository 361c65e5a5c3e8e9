"""Files that are whole or absent: NetCDF through xarray, JSON, and the checks on reading them.

A NetCDF file of fields has one variable ``field`` with dimensions (sample, channel, y, x) or
(sample, time, channel, y, x), the coordinates that go with them, and global attributes that say
what made it. Everything is written to a temporary name beside the target, flushed and renamed, so
a file that exists is whole, and a failed write leaves the previous one as it was.

Fields are stored contiguously and uncompressed: zlib would save a fifth on float32 fields and make
reading three to four times slower, and in this layout no byte depends on the order in which threads
finish their chunks.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from fsdiff.provenance import package_version

FIELD_DIMENSIONS = ("sample", "channel", "y", "x")
CHUNK_BYTES = 8 * 2**20

AGAIN = "delete it and run the workflow again"


def _umask() -> int:
    """The permissions that new files of this process do not get; it can only be read by setting."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


class StorageError(ValueError):
    """A file that cannot be used or written; the message names it and the remedy."""


@dataclass(frozen=True)
class Provenance:
    """What a file was made from: a slice of configuration, a code fingerprint and a seed."""

    config: dict[str, Any]
    fingerprint: str
    seed: int

    def attributes(self) -> dict[str, str | int]:
        """The global attributes ``fsdiff_config``, ``_fingerprint``, ``_seed`` and ``_version``."""
        return {
            "fsdiff_config": canonical_json(self.config),
            "fsdiff_fingerprint": self.fingerprint,
            "fsdiff_seed": self.seed,
            "fsdiff_version": package_version(),
        }

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Provenance":
        """The provenance that a data set's attributes record; KeyError where they do not."""
        attributes = dataset.attrs
        config = json.loads(attributes["fsdiff_config"])
        return cls(config, attributes["fsdiff_fingerprint"], int(attributes["fsdiff_seed"]))


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix) that takes its place when the block succeeds.

    On any exception the temporary file is removed and what was at ``path`` stays. Errors of the
    operating system become a StorageError with the path, the reason and the remedy.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # some writers make private files
        _flush(temporary)
        os.replace(temporary, path)
        with suppress(OSError):  # some network file systems cannot flush a folder
            _flush(path.parent)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write(
    dataset: xr.Dataset, path: str | os.PathLike[str], *, title: str, provenance: Provenance
) -> None:
    """Write a data set as CF NetCDF-4, chunk by chunk where it is lazy, ``field`` as float32.

    Attributes that the data set has, such as ``fsdiff_basis``, are kept. Identical data give
    identical bytes. Samples of ``field`` that are not finite are refused by index.
    """
    name = f"fsdiff {package_version()}"
    described = {"Conventions": "CF-1.11", "title": title, "source": name, "history": name}
    dataset = dataset.assign_attrs(described | provenance.attributes())
    if "field" in dataset:
        field = dataset["field"].astype(np.float32)
        if field.chunks is None:  # the layout of a file depends on whether its field is lazy
            field = field.chunk(sample=samples_per_chunk(field))
        dataset["field"] = _guarded(field, f"{path} was not written")
    encoding = {
        str(variable): {"_FillValue": None, "contiguous": True}
        for variable, values in dataset.variables.items()
        if values.dtype.kind == "f"
    }
    for values in dataset.variables.values():
        values.encoding = {}  # that of the file it came from does not fit here
    with atomic(path) as temporary:
        try:
            dataset.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        except RuntimeError as error:
            if not str(error).startswith("NetCDF:"):
                raise
            raise OSError(str(error)) from error


def read(
    path: str | os.PathLike[str],
    *,
    dimensions: Sequence[str] = FIELD_DIMENSIONS,
    chunks: int | Literal["auto"] | None = None,
) -> xr.Dataset:
    """Open a file of fields after checking that it is a whole file of this package.

    Loaded into memory, or with ``chunks`` (samples per chunk, "auto" for ``samples_per_chunk``)
    lazily; then each chunk is checked for values that are not finite when it is read.
    Raises StorageError that names the file, what is wrong with it and the remedy.
    """
    dataset = _open(path)
    try:
        _check_header(dataset, path, tuple(dimensions))
        if chunks is not None:
            size = samples_per_chunk(dataset["field"]) if chunks == "auto" else chunks
            field = dataset["field"].chunk(sample=size)
            return dataset.assign(field=_guarded(field, f"{path} is damaged; {AGAIN}"))
        with dataset:
            loaded = dataset.load()
    except (OSError, RuntimeError) as error:
        raise StorageError(f"{path} cannot be read ({error}); {AGAIN}") from error
    check_finite(loaded["field"], path)
    return loaded


def samples_per_chunk(field: xr.DataArray) -> int:
    """How many samples make a chunk of about 8 MB as float32, at least one.

    Depends on the shape of a sample only, so that results which are summed over chunks do not
    depend on how many samples there are or on how they were sharded.
    """
    nodes = int(np.prod([size for name, size in field.sizes.items() if name != "sample"]))
    return max(1, CHUNK_BYTES // (4 * nodes))


def check_finite(field: xr.DataArray, path: str | os.PathLike[str]) -> None:
    """Refuse values that are not finite, naming the samples; streams through a lazy field."""
    others = [name for name in field.dims if name != "sample"]
    finite = np.isfinite(field).all(others).compute()
    _refuse(field["sample"].values[~finite.values], f"{path} is damaged; {AGAIN}")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for equal values; refuses nan and inf."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON that people can read, atomically; ValueError for nan and inf."""
    text = json.dumps(value, sort_keys=True, indent=2, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; StorageError where the file is missing, truncated or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist; run the workflow to make it") from error
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} is not whole JSON ({error}); {AGAIN}") from error


def _open(path: str | os.PathLike[str]) -> xr.Dataset:
    if not Path(path).is_file():
        raise StorageError(f"{path} does not exist; run the workflow to make it")
    try:
        return xr.open_dataset(path, engine="netcdf4")
    except PermissionError as error:
        raise StorageError(f"{path} cannot be read: permission denied") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(f"{path} is truncated or not NetCDF ({error}); {AGAIN}") from error


def _check_header(
    dataset: xr.Dataset, path: str | os.PathLike[str], dimensions: tuple[str, ...]
) -> None:
    """Check what can be checked without reading values."""
    expected = Provenance({}, "", 0).attributes()
    missing = [name for name in expected if name not in dataset.attrs]
    if missing:
        raise StorageError(
            f"{path} was not written by fsdiff, or was edited: it has no {', '.join(missing)}; "
            f"{AGAIN}"
        )
    if "field" not in dataset:
        raise StorageError(f"{path} has no variable 'field'; {AGAIN}")
    field = dataset["field"]
    if field.dims != dimensions:
        raise StorageError(
            f"{path}: 'field' has dimensions ({', '.join(map(str, field.dims))}), expected "
            f"({', '.join(dimensions)}); {AGAIN}"
        )
    if field.dtype.kind != "f":
        raise StorageError(f"{path}: 'field' is {field.dtype}, expected floating point; {AGAIN}")
    absent = [name for name in dimensions if name not in dataset.coords]
    if absent or field.size == 0:
        what = f"no coordinate {', '.join(absent)}" if absent else "no values"
        raise StorageError(f"{path}: 'field' has {what}; {AGAIN}")


def _guarded(field: xr.DataArray, consequence: str) -> xr.DataArray:
    """The lazy field, each chunk of which is checked for values that are not finite when used."""
    samples = field["sample"].values

    def check(block: np.ndarray, block_info: dict[int, Any]) -> np.ndarray:
        first, last = block_info[0]["array-location"][0]
        bad = ~np.isfinite(block).reshape(len(block), -1).all(1)
        _refuse(samples[first:last][bad], consequence)
        return block

    checked = field.data.map_blocks(check, dtype=field.dtype, meta=field.data._meta)
    return field.copy(data=checked)


def _refuse(samples: np.ndarray, consequence: str) -> None:
    if len(samples):
        named = ", ".join(str(index) for index in samples[:10])
        more = f" and {len(samples) - 10} more" if len(samples) > 10 else ""
        raise StorageError(
            f"values of 'field' are not finite in sample {named}{more}: {consequence}"
        )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_error(path: Path, error: OSError) -> StorageError:
    """What stopped a write, with what a person needs to know to make it possible."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = f"the folder {path.parent} is not writable: change its permissions or write "
        return StorageError(f"cannot write {path} ({error}); {remedy}elsewhere")
    folder = next((folder for folder in path.parents if folder.is_dir()), Path())
    free = shutil.disk_usage(folder).free / 2**20
    return StorageError(
        f"cannot write {path} ({error}); {free:.1f} MB are free there: make room, check quotas, "
        "or write elsewhere. A file that was there before is untouched"
    )
