"""Data sets of many chunks and files: what is wrong is found wherever it is, and little is read."""

import os
from pathlib import Path

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr

from fsdiff.data import storage
from fsdiff.data.hierarchy import merge, statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis

PROVENANCE = Provenance({"source": {"kind": "test"}, "seed": 5}, "0123456789abcdef", 5)
N = 32
SAMPLE = 4 * N**2
SHARD = 20
SPLIT = {"train": 50, "validation": 5, "test": 5}


def fields(first, count):
    generators = [np.random.default_rng(i) for i in range(first, first + count)]
    values = np.stack([rng.standard_normal((1, N, N), np.float32) for rng in generators])
    nodes = CosineBasis().nodes(N)
    coordinates = {"sample": range(first, first + count), "channel": ["u"], "y": nodes, "x": nodes}
    return xr.Dataset({"field": (("sample", "channel", "y", "x"), values)}, coordinates)


def saved(path, first, count, provenance=PROVENANCE):
    storage.write(fields(first, count), path, title="a shard", provenance=provenance)
    return path


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Three shards of seven chunks each, which fit neither the shards nor the split."""
    monkeypatch.setattr(storage, "CHUNK_BYTES", 3 * SAMPLE)
    return [saved(tmp_path / f"{i}.nc", i * SHARD, SHARD) for i in range(3)]


def refused(shards):
    with pytest.raises(StorageError, match="the shards cannot be merged") as caught:
        merge(shards, split=SPLIT, expected=PROVENANCE)
    return str(caught.value).splitlines()[1:]


# Damage


def change_last_value(path):
    with netCDF4.Dataset(path, "a") as file:
        file["field"][-1, 0, -1, -1] = 0


def rewrite(path):
    other = Provenance(PROVENANCE.config, PROVENANCE.fingerprint, seed=6)
    storage.write(fields(SHARD, SHARD), path, title="a shard", provenance=other)


def cut(path):
    os.truncate(path, path.stat().st_size - SAMPLE)


DAMAGE = {
    "missing": (Path.unlink, "{path} does not exist"),
    "edited in the last chunk": (
        change_last_value,
        "{path} is damaged or was edited: the checksum of 'field' does not fit in sample 39",
    ),
    "cut within the last sample": (cut, "{path} is truncated or not NetCDF"),
    "empty": (lambda path: path.write_bytes(b""), "{path} is truncated or not NetCDF"),
    "not NetCDF": (lambda path: path.write_text("u,v\n"), "{path} is truncated or not NetCDF"),
    "another seed": (rewrite, "{path} holds samples 20-39 of another data set: fsdiff_seed is 6"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_named_with_the_samples_that_are_missed(shards, damage, message):
    damage(shards[1])
    problem, missed = refused(shards)
    assert message.format(path=shards[1]) in problem
    assert missed.strip() == "no usable shard holds samples 20-39; run the workflow to make them"


def test_a_shard_that_is_there_twice_is_named(shards):
    copy = shards[0].with_name("copy.nc")
    copy.write_bytes(shards[0].read_bytes())
    (problem,) = refused([*shards, copy])
    assert problem.strip() == f"{copy} holds samples 0-19, and so does {shards[0]}"


def test_damage_after_the_merge_is_named_when_it_is_met(shards, tmp_path):
    merged = merge(shards, split=SPLIT, expected=PROVENANCE)
    change_last_value(shards[2])
    with pytest.raises(StorageError, match=rf"{shards[2]} is damaged .* in sample 59"):
        storage.write(merged, tmp_path / "dataset.nc", title="all", provenance=PROVENANCE)
    assert not (tmp_path / "dataset.nc").exists()


# Memory and files


def open_files(folder):
    """How many files in a folder this process holds open."""
    handles = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return sum(str(folder) in handle for handle in handles)


needs_proc = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux")


@needs_proc
def test_lazy_files_are_not_kept_open(tmp_path):
    dataset = storage.read(saved(tmp_path / "0.nc", 0, 3), chunks=1)
    assert open_files(tmp_path) == 0
    dataset["field"].load()
    assert open_files(tmp_path) == 0


@needs_proc
def test_many_files_are_merged_with_none_of_them_open(tmp_path):
    paths = [saved(tmp_path / f"{i}.nc", 3 * i, 3) for i in range(20)]
    with dask.config.set(scheduler="threads", num_workers=2):
        merged = merge(paths, split=SPLIT, expected=PROVENANCE)
        storage.write(merged, tmp_path / "dataset.nc", title="all", provenance=PROVENANCE)
        assert open_files(tmp_path) == 0
    np.testing.assert_array_equal(
        xr.load_dataset(tmp_path / "dataset.nc")["field"], fields(0, 60)["field"]
    )


def bytes_read():
    """What this process has read so far."""
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["rchar"])


@needs_proc
def test_a_minibatch_is_read_without_the_rest(tmp_path):
    path = saved(tmp_path / "dataset.nc", 0, 1000)
    with xr.open_dataset(path) as dataset:
        field = dataset["field"]
        field[0].load()  # opens the file
        for chosen in ([500], [7, 123, 400, 401, 998]):
            before = bytes_read()
            values = field[chosen].values
            assert bytes_read() - before < len(chosen) * (SAMPLE + 2**16)  # HDF5's buffer
            np.testing.assert_array_equal(values[0], fields(chosen[0], 1)["field"][0])


def test_a_data_set_opens_naturally(shards, tmp_path):
    merged = merge(shards, split=SPLIT, expected=PROVENANCE)
    whole = merged.assign(statistics(merged, CosineBasis()))
    storage.write(whole, tmp_path / "dataset.nc", title="all", provenance=PROVENANCE)
    with netCDF4.Dataset(tmp_path / "dataset.nc") as file:
        field = file["field"]
        assert field.chunking() == "contiguous"
        assert field.dtype == np.float32
        assert field.coordinates == "split"
        assert "_FillValue" not in field.ncattrs()
    with xr.open_dataset(tmp_path / "dataset.nc") as dataset:
        assert set(dataset.coords) >= {"sample", "channel", "y", "x", "split"}
        assert set(dataset.data_vars) == {"field", "checksum", "mean", "scale", "spectrum"}
        assert dataset["field"].sel(sample=7).shape == (1, N, N)
        assert dataset["field"][dataset["split"] == "test"].shape == (5, 1, N, N)
