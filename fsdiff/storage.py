"""Fields in NetCDF files through xarray, JSON files, and the checks on reading them.

A NetCDF file of fields has one variable ``field`` with dimensions (sample, channel, y, x) or
(sample, time, channel, y, x), the coordinates that go with them, and global attributes that say
what made it. Everything is written with ``fsdiff.atomic``, so a file that exists is whole, and a
failed write leaves the previous one as it was.

Fields are stored contiguously and uncompressed: a sample is read alone, zlib would save a fifth on
float32 fields and make reading three to four times slower, and no byte depends on the order in
which threads finish their chunks.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr

from fsdiff.atomic import StorageError, atomic
from fsdiff.provenance import package_version

FIELD_DIMENSIONS = ("sample", "channel", "y", "x")
SERIES_DIMENSIONS = ("sample", "time", "channel", "y", "x")
CHUNK_BYTES = 2 * 2**20
"""Of a lazy chunk: little beside what the libraries take, much to do beside dask's bookkeeping."""

_CHUNKS_AT_A_TIME = 4
"""How many chunks are computed together and then written."""

JSON_BYTES = 64 * 2**20
"""The largest JSON file that is read."""

AGAIN = "delete it and run the workflow again"


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


def write(
    dataset: xr.Dataset, path: str | os.PathLike[str], *, title: str, provenance: Provenance
) -> None:
    """Write a data set as CF NetCDF-4, piece by piece where it is lazy.

    ``field`` is stored as float32 or, where it is float64, as that.

    Attributes that the data set has, such as ``fsdiff_basis``, are kept. Identical data give
    identical bytes, wherever lazy fields are computed: this process alone writes. Samples of
    ``field`` that are not finite are refused by index.
    """
    name = f"fsdiff {package_version()}"
    described = {"Conventions": "CF-1.11", "title": title, "source": name, "history": name}
    dataset = dataset.assign_attrs(described | provenance.attributes())
    with atomic(path) as temporary:
        try:
            _write_all_but_fields(dataset, temporary)
            if "field" in dataset:
                _write_fields(dataset["field"], temporary, f"{path} was not written")
        except RuntimeError as error:
            if not str(error).startswith("NetCDF:"):
                raise
            raise OSError(str(error)) from error


def read(
    path: str | os.PathLike[str],
    *,
    chunks: int | Literal["auto"] | None = None,
) -> xr.Dataset:
    """Open a file of fields or series after checking that it is a whole file of this package.

    Loaded into memory, or with ``chunks`` (samples per chunk, "auto" for ``samples_per_chunk``)
    lazily; then each chunk is checked for values that are not finite when it is read.
    Raises StorageError that names the file, what is wrong with it and the remedy.
    """
    dataset = _open(path)
    try:
        _check_header(dataset, path)
        if chunks is not None:
            size = samples_per_chunk(dataset["field"]) if chunks == "auto" else chunks
            field = dataset["field"].chunk(sample=size)
            lazy = dataset.assign(field=_guarded(field, path))
            lazy.set_close(dataset.close)
            return lazy
        with dataset:
            loaded = dataset.load()
    except (OSError, RuntimeError) as error:
        raise StorageError(f"{path} cannot be read ({error}); {AGAIN}") from error
    check_finite(loaded["field"], path)
    return loaded


def few_open_files() -> xr.set_options:
    """A context in which lazy data sets from many files take little more memory than from one.

    Otherwise up to 128 files stay open, each with one or two megabytes of HDF5's.
    """
    return xr.set_options(file_cache_maxsize=4)


def concatenate(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Samples of one data set from several files, lazy where they are, in the order given.

    All but the samples is that of the first file.
    """
    return xr.concat(
        datasets,
        "sample",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )


def samples_per_chunk(field: xr.DataArray) -> int:
    """How many samples make a chunk of about 2 MB as float32, at least one.

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


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write a mapping as JSON that people can read, atomically; ValueError for nan and inf.

    The key ``digest`` is added: the SHA-256 of the canonical JSON of all the rest. A table goes
    under a key of its own, such as ``rows``.
    """
    plain = json.loads(canonical_json(content))  # keys are text, as they will be when read
    text = json.dumps(plain | {"digest": _digest(plain)}, sort_keys=True, indent=2)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what ``write_json`` has written, the digest checked and left out.

    Raises StorageError that names a file that is missing, damaged or was edited.
    """
    try:
        content = json.loads(_text(path), parse_constant=_no_number)
        digest = content.pop("digest", None) if isinstance(content, dict) else None
        expected = None if digest is None else _digest(content)
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist; run the workflow to make it") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not whole JSON ({error}); {AGAIN}") from error
    if digest is None:
        raise StorageError(f"{path} was not written by fsdiff: it has no digest; {AGAIN}")
    if digest != expected:
        raise StorageError(f"{path} is damaged or was edited: its digest does not fit; {AGAIN}")
    return content


def _text(path: str | os.PathLike[str]) -> str:
    """The text of a file, unless it is larger than any that is written here."""
    with open(path, "rb") as file:
        content = file.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise ValueError(f"larger than {JSON_BYTES >> 20} MB")
    return content.decode()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _write_all_but_fields(dataset: xr.Dataset, path: Path) -> None:
    """Write what is small, through xarray."""
    small = dataset.drop_vars("field", errors="ignore")
    if "field" in dataset:
        small = small.reset_coords(_auxiliary(dataset["field"]))
    encoding = {
        str(variable): {"_FillValue": None, "contiguous": True}
        for variable, values in small.variables.items()
        if values.dtype.kind == "f"
    }
    for values in small.variables.values():
        values.encoding = {}  # that of the file it came from does not fit here
    small.to_netcdf(path, engine="netcdf4", encoding=encoding)


def _write_fields(field: xr.DataArray, path: Path, consequence: str) -> None:
    """Add the fields to a file that has their dimensions, a few chunks at a time."""
    step = _CHUNKS_AT_A_TIME * samples_per_chunk(field)
    kind = np.result_type(field.dtype, np.float32)
    with netCDF4.Dataset(path, "r+") as file:
        stored = file.createVariable("field", kind, field.dims, contiguous=True, fill_value=False)
        stored.setncatts(field.attrs)
        if auxiliary := _auxiliary(field):
            stored.coordinates = " ".join(auxiliary)
        for first in range(0, len(field), step):
            piece = field[first : first + step].astype(kind).compute()
            _refuse_non_finite(piece.values, piece["sample"].values, consequence)
            stored[first : first + step] = piece.values


def _auxiliary(field: xr.DataArray) -> list[str]:
    """Coordinates that are no dimensions, such as the split: CF has their names in an attribute."""
    return [str(name) for name in field.coords if name not in field.dims]


def _open(path: str | os.PathLike[str]) -> xr.Dataset:
    if not Path(path).is_file():
        raise StorageError(f"{path} does not exist; run the workflow to make it")
    try:
        return xr.open_dataset(path, engine="netcdf4", decode_times=False)
    except PermissionError as error:
        raise StorageError(f"{path} cannot be read: permission denied") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(f"{path} is truncated or not NetCDF ({error}); {AGAIN}") from error


def _check_header(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
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
    if field.dims not in (FIELD_DIMENSIONS, SERIES_DIMENSIONS):
        raise StorageError(
            f"{path}: 'field' has dimensions ({', '.join(map(str, field.dims))}), expected "
            f"({', '.join(FIELD_DIMENSIONS)}) or ({', '.join(SERIES_DIMENSIONS)}); {AGAIN}"
        )
    if field.dtype.kind != "f":
        raise StorageError(f"{path}: 'field' is {field.dtype}, expected floating point; {AGAIN}")
    absent = [name for name in field.dims if name not in dataset.coords]
    if absent or field.size == 0:
        what = f"no coordinate {', '.join(absent)}" if absent else "no values"
        raise StorageError(f"{path}: 'field' has {what}; {AGAIN}")


def _guarded(field: xr.DataArray, path: str | os.PathLike[str]) -> xr.DataArray:
    """The lazy field, each chunk of which is checked for values that are not finite when used."""
    samples = field["sample"].values

    def check(block: np.ndarray, block_info: dict[int, Any]) -> np.ndarray:
        held = samples[slice(*block_info[0]["array-location"][0])]
        _refuse_non_finite(block, held, f"{path} is damaged; {AGAIN}")
        return block

    checked = field.data.map_blocks(check, dtype=field.dtype, meta=field.data._meta)
    return field.copy(data=checked)


def _refuse_non_finite(values: np.ndarray, samples: np.ndarray, consequence: str) -> None:
    _refuse(samples[~np.isfinite(values).reshape(len(values), -1).all(1)], consequence)


def _refuse(samples: np.ndarray, consequence: str) -> None:
    if len(samples):
        named = ", ".join(str(index) for index in samples[:10])
        more = f" and {len(samples) - 10} more" if len(samples) > 10 else ""
        raise StorageError(
            f"values of 'field' are not finite in sample {named}{more}: {consequence}"
        )
