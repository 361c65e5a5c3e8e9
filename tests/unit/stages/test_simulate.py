"""A shard made in parts: the same file, in the memory of a part, continued where it stopped."""

import tracemalloc

import dask
import netCDF4
import numpy as np
import pytest

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.files import FileData
from fsdiff.data.storage import Provenance
from fsdiff.stages.simulate import PART, simulate

SOURCE = {"kind": "darcy", "resolution": 8, "channels": ["permeability"]}
JOB = {"config": {"source": SOURCE, "seed": 3}, "code": "0123456789abcdef"}
INDICES = range(5, 5 + 3 * PART + 2)


def shard(folder, job=JOB, indices=INDICES):
    simulate(job, indices, output=folder / "shard.nc", state=folder / "state", title="a shard")
    return folder / "shard.nc"


@pytest.fixture
def drawn(monkeypatch):
    """Records which samples are generated; ``drawn.limit`` of them, then generation fails."""

    class Drawn(list):
        limit = np.inf

    calls, generate = Drawn(), DarcyData.generate

    def recorded(self, indices, seed, progress=None):
        if len(calls) + len(indices) > calls.limit:
            raise ArithmeticError("blown up")
        calls.extend(indices)
        return generate(self, indices, seed, progress)

    monkeypatch.setattr(DarcyData, "generate", recorded)
    return calls


def interrupted(folder, drawn, job=JOB):
    """Let a run fail after two parts."""
    drawn.limit = 2 * PART
    with pytest.raises(ArithmeticError):
        shard(folder, job)
    drawn.limit = np.inf
    drawn.clear()


def test_parts_make_the_same_file_as_the_whole(tmp_path):
    whole = parts.build("source", SOURCE).generate(INDICES, 3)
    made = Provenance(JOB["config"], JOB["code"], 3)
    storage.write(whole, tmp_path / "whole.nc", title="a shard", provenance=made)
    assert shard(tmp_path).read_bytes() == (tmp_path / "whole.nc").read_bytes()
    assert not (tmp_path / "state").exists()


def test_an_interrupted_run_is_continued(tmp_path, drawn):
    expected = shard(tmp_path).read_bytes()
    (tmp_path / "shard.nc").unlink()
    drawn.clear()
    interrupted(tmp_path, drawn)
    assert not (tmp_path / "shard.nc").exists()
    assert shard(tmp_path).read_bytes() == expected
    assert drawn == list(INDICES[2 * PART :])


@pytest.mark.parametrize(
    "other",
    [
        {**JOB, "code": "f" * 16},
        {**JOB, "config": {**JOB["config"], "seed": 4}},
        {**JOB, "config": {**JOB["config"], "source": {**SOURCE, "resolution": 10}}},
    ],
    ids=["code", "seed", "source"],
)
def test_parts_of_another_run_are_not_used(tmp_path, drawn, other):
    interrupted(tmp_path, drawn, other)
    shard(tmp_path)
    assert drawn == list(INDICES)


def test_damaged_parts_are_made_again(tmp_path, drawn):
    interrupted(tmp_path, drawn)
    first, second = sorted((tmp_path / "state").glob("*.nc"))
    first.write_bytes(first.read_bytes()[:500])
    with netCDF4.Dataset(second, "a") as file:
        file["field"][-1] = np.nan
    shard(tmp_path)
    assert drawn == list(INDICES)


def test_memory_is_that_of_a_part(tmp_path, monkeypatch):
    job = {**JOB, "config": {**JOB["config"], "source": {**SOURCE, "resolution": 64}}}
    sample = 4 * 64**2
    monkeypatch.setattr(storage, "CHUNK_BYTES", PART * sample)

    def peak(count):
        tracemalloc.start()
        shard(tmp_path, job, range(count))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    with dask.config.set(scheduler="synchronous"):
        shard(tmp_path, job, range(PART))  # imports what it needs
        few, many = peak(8 * PART), peak(16 * PART)
    assert many - few < 0.25 * 8 * PART * sample


def of_files(path):
    source = {"kind": "files", "path": str(path), "basis": {"kind": "cosine"}}
    config = {"source": source | {"dimensions": ["sample", "y", "x"]}, "seed": 0}
    content = parts.build("source", config["source"]).content
    return {"config": {**config, "content": content}, "code": "0123456789abcdef"}


def test_files_that_changed_since_the_job_was_planned_are_refused(tmp_path, monkeypatch, caplog):
    data = tmp_path / "data"
    data.mkdir()
    (data / "notes.txt").touch()
    np.save(data / "a.npy", np.zeros((40, 4, 4)))
    job, read = of_files(data), FileData.generate
    shard(tmp_path, job, range(40))
    assert f"{data}/notes.txt is not read" in caplog.text
    np.save(data / "b.npy", np.ones((40, 4, 4)))
    with pytest.raises(ValueError, match=r"data have changed since the workflow was planned; run"):
        shard(tmp_path, job, range(40))

    def edited(self, indices, seed, progress=None):
        np.save(data / "a.npy", np.full((40, 4, 4), indices[0]))
        return read(self, indices, seed, progress)

    monkeypatch.setattr(FileData, "generate", edited)
    job = of_files(data)
    with pytest.raises(ValueError, match="have changed since"):
        shard(tmp_path, job, range(40))
    assert not (tmp_path / "state").exists()
