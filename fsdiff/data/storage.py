"""Fields in NetCDF files through xarray, and the checks on reading them.

A NetCDF file of fields has one variable ``field`` with dimensions (sample, channel, y, x) or, of
series, (sample, time, channel, y, x), with the names of the data's one to three axes in place of y
and x, the coordinates that go with them, and global attributes that say what made it. Where fields
are functions of time, as of space, time is one of their axes. Everything is written with
``fsdiff.jobs.atomic``, so a file that exists is whole, and a failed write leaves the previous one
as it was. What is read is what was written: the variable ``checksum`` is that of each sample's
bytes, the attribute ``fsdiff_digest`` the SHA-256 of all but the fields. Where nodes have no values
the variable ``present`` says so, see ``fsdiff.data.masking``, and fields may be NaN there.

Fields are stored contiguously and uncompressed: a sample is read alone, zlib would save a fifth on
float32 fields and make reading three to four times slower, and no byte depends on the order in
which threads finish their chunks.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr

from fsdiff.data import checksums, json_files
from fsdiff.data.stored_fields import StoredFields
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import DamagedError, StorageError, check_file, read_failure
from fsdiff.jobs.versions import environment
from fsdiff.provenance import package_version

FIELD_DIMENSIONS = ("sample", "channel", "y", "x")
SERIES_DIMENSIONS = ("sample", "time", "channel", "y", "x")
CHUNK_BYTES = 2 * 2**20
"""Of a lazy chunk: little beside what the libraries take, much to do beside dask's bookkeeping."""

_CHUNKS_AT_A_TIME = 4
"""How many chunks are computed together and then written."""

Fields = xr.DataArray | xr.Variable
"""The variable ``field`` of a data set."""


def field_dimensions(axes: Sequence[str], *, series: bool = False) -> tuple[str, ...]:
    """Dimensions of fields on a grid with these axes, or of series of such."""
    return ("sample", *(["time"] if series else []), "channel", *axes)


def is_series(field: Fields) -> bool:
    """Whether there are several frames of each sample, rather than functions of time."""
    return field.dims[1] == "time"


def frames(field: Fields) -> int:
    """How many frames there are of each sample: one unless there are series."""
    return field.sizes["time"] if is_series(field) else 1


def grid_axes(field: Fields) -> tuple[str, ...]:
    """Names of the axes of the grid that fields are on."""
    return tuple(map(str, field.dims[field.dims.index("channel") + 1 :]))


@dataclass(frozen=True)
class Provenance:
    """What a file was made from: a slice of configuration, a code fingerprint and a seed.

    ``lineage`` tells it from files made of other inputs, see ``fsdiff.jobs.lineage``; it is empty
    where no workflow has planned the file.
    """

    config: dict[str, Any]
    fingerprint: str
    seed: int
    lineage: str = ""

    def attributes(self) -> dict[str, str | int]:
        """What files record, as global attributes or keys of JSON; names begin with ``fsdiff_``."""
        return {
            "fsdiff_config": json_files.canonical(self.config),
            "fsdiff_fingerprint": self.fingerprint,
            "fsdiff_seed": self.seed,
            "fsdiff_lineage": self.lineage,
            "fsdiff_version": package_version(),
        }

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Provenance":
        """The provenance that a data set's attributes record; KeyError where they do not."""
        attributes = dataset.attrs
        return cls(
            json.loads(attributes["fsdiff_config"]),
            attributes["fsdiff_fingerprint"],
            int(attributes["fsdiff_seed"]),
            attributes["fsdiff_lineage"],
        )

    @classmethod
    def of_job(cls, job: Mapping[str, Any], seed: int | None = None) -> "Provenance":
        """What a file of a job says of its making; the seed is by default the configuration's."""
        config = job["config"]
        seed = config.get("seed", 0) if seed is None else seed
        return cls(config, job["code"], seed, job.get("lineage", ""))


def write(
    dataset: xr.Dataset, path: str | os.PathLike[str], *, title: str, provenance: Provenance
) -> None:
    """Write a data set as CF NetCDF-4, piece by piece where it is lazy.

    ``field`` is stored as float32 or, where it is float64, as that.

    Attributes that the data set has, such as ``fsdiff_basis``, are kept. Identical data give
    identical bytes, wherever lazy fields are computed: this process alone writes. Samples of
    ``field`` that are not finite are refused by index, but for NaN where the variable ``present``
    says that a node has no value.
    """
    name = f"fsdiff {package_version()}"
    described = {"Conventions": "CF-1.11", "title": title, "source": name, "history": name}
    made_with = {"fsdiff_environment": json_files.canonical(environment())}
    dataset = dataset.assign_attrs(described | provenance.attributes() | made_with)
    with atomic(path) as temporary:
        try:
            _write_all_but_fields(dataset, temporary)
            if "field" in dataset:
                _write_fields(dataset, temporary, f"{path} was not written")
            _seal(temporary)
        except RuntimeError as error:
            if not str(error).startswith("NetCDF:"):
                raise
            raise OSError(str(error)) from error


def read(
    path: str | os.PathLike[str],
    *,
    chunks: int | Literal["auto"] | None = None,
) -> xr.Dataset:
    """Read a file of fields or series after checking that it is a whole file of this package.

    The fields are in memory, or with ``chunks`` (samples per chunk, "auto" for
    ``samples_per_chunk``) lazy; then each sample is compared with its checksum when it is read. No
    file stays open. Raises StorageError that names the file, what is wrong with it and the remedy.
    """
    stored = _read_all_but_fields(path)
    _check_fields(stored, path)
    fields, header = StoredFields.of(path), stored.variables["field"]
    if chunks is None:
        values = fields.read(range(header.shape[0]))
    else:
        import dask.array  # a third of a second that only those pay who need it

        size = samples_per_chunk(stored["field"]) if chunks == "auto" else chunks
        pieces = (size, *header.shape[1:])
        meta = np.empty((0,) * header.ndim, fields.dtype)
        values = dask.array.from_array(fields, pieces, lock=False, fancy=False, meta=meta)
    attributes = {name: value for name, value in header.attrs.items() if name != "_FillValue"}
    field = xr.Variable(header.dims, values, attributes)
    return _decoded(stored.drop_vars("checksum").assign(field=field))


def read_results(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a file without fields, such as loss curves, into memory, checked like by ``read``."""
    return _decoded(_read_all_but_fields(path))


def environment_of(dataset: xr.Dataset) -> dict[str, str]:
    """The versions that a data set was written with; none where that is not recorded."""
    return json.loads(dataset.attrs.get("fsdiff_environment", "{}"))


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


def _write_fields(dataset: xr.Dataset, path: Path, consequence: str) -> None:
    """Add the fields to a file that has their dimensions, a few chunks at a time."""
    field, present = dataset["field"], dataset.get("present")
    step = _CHUNKS_AT_A_TIME * samples_per_chunk(field)
    kind = np.result_type(field.dtype, np.float32)
    how: dict[str, Any] = {"contiguous": True, "fill_value": False}
    missing: dict[str, Any] = {} if present is None else {"fill_value": kind.type(np.nan)}
    with netCDF4.Dataset(path, "r+") as file:
        stored = file.createVariable("field", kind, tuple(map(str, field.dims)), **how | missing)
        stored.setncatts(field.attrs)
        if auxiliary := _auxiliary(field):
            stored.coordinates = " ".join(auxiliary)
        sums = file.createVariable("checksum", "u8", "sample", **how)
        sums.long_name = "multilinear checksum of the bytes of the sample in 'field'"
        for first in range(0, len(field), step):
            piece = field[first : first + step].astype(kind).compute()
            _refuse_non_finite(piece, present, consequence)
            stored[first : first + step] = piece.values
            sums[first : first + step] = checksums.of_samples(piece.values)


def _seal(path: Path) -> None:
    """Add the digest of all but the fields to a file."""
    with xr.open_dataset(path, engine="netcdf4", decode_cf=False) as stored:
        digest = checksums.of_dataset(stored)
    with netCDF4.Dataset(path, "r+") as file:
        file.fsdiff_digest = digest


def _auxiliary(field: xr.DataArray) -> list[str]:
    """Coordinates that are no dimensions, such as the split: CF has their names in an attribute."""
    return [str(name) for name in field.coords if name not in field.dims]


def _read_all_but_fields(path: str | os.PathLike[str]) -> xr.Dataset:
    """What is in a file as it is stored, of ``field`` no values, compared with its digest."""
    check_file(path)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_cf=False) as stored:
            for name in stored.variables.keys() - {"field"}:
                stored.variables[name].load()
            digest = checksums.of_dataset(stored)
    except Exception as error:  # of damaged files the libraries say anything
        raise read_failure(path, error, "is truncated or not NetCDF") from error
    _check_attributes(stored, path)
    if stored.attrs.pop("fsdiff_digest") != digest:
        raise DamagedError(
            f"{path} is damaged or was edited: its digest does not fit its coordinates, numbers "
            "and attributes"
        )
    return stored


def _decoded(stored: xr.Dataset) -> xr.Dataset:
    return xr.decode_cf(stored, decode_times=False)


def _check_attributes(stored: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Refuse what this package has not written."""
    expected = [*Provenance({}, "", 0).attributes(), "fsdiff_digest"]
    missing = [name for name in expected if name not in stored.attrs]
    if missing:
        raise DamagedError(
            f"{path} was not written by fsdiff, or was edited: it has no {', '.join(missing)}"
        )


def _check_fields(stored: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Check what can be checked without reading the fields' values."""
    if "field" not in stored:
        raise DamagedError(f"{path} has no variable 'field'")
    field = stored.variables["field"]
    axes = grid_axes(field) if "channel" in field.dims else ()
    expected = [field_dimensions(axes, series=series) for series in (False, True)]
    if field.dims not in expected or not 1 <= len(axes) <= 3:
        raise DamagedError(
            f"{path}: 'field' has dimensions ({', '.join(map(str, field.dims))}), expected "
            f"({', '.join(FIELD_DIMENSIONS)}) or ({', '.join(SERIES_DIMENSIONS)}), or one to three "
            "other axes in place of y, x"
        )


def _refuse_non_finite(piece: xr.DataArray, present: xr.DataArray | None, consequence: str) -> None:
    """Refuse samples that are not finite at a node that has values, by index."""
    usable = np.isfinite(piece.values)
    if present is not None:
        usable |= np.isnan(piece.values) & (present.values == 0)
    wrong = ~usable.reshape(len(piece), -1).all(1)
    if samples := [str(index) for index in piece["sample"].values[wrong]]:
        more = f" and {len(samples) - 10} more" if len(samples) > 10 else ""
        raise StorageError(
            f"values of 'field' are not finite in sample {', '.join(samples[:10])}{more}: "
            f"{consequence}"
        )
