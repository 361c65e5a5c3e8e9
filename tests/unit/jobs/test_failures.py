"""Advice follows the cause: what the system refused, not what a library made of it."""

import errno
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch

from fsdiff.data import json_files, storage, tensors
from fsdiff.jobs import failures
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import DamagedError, StorageError

WRITING = {
    errno.ENOSPC: "MB are free there: make room, check quotas",
    errno.EDQUOT: "MB are free there: make room, check quotas",
    errno.EFBIG: "raise the limit (ulimit -f)",
    errno.EACCES: "change the permissions of the folder ",
    errno.EPERM: "change the permissions of the folder ",
    errno.EROFS: "is read-only: mount it for writing",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENFILE: "the machine has too many files open",
    errno.ENOMEM: "memory is short",
    errno.EIO: "the disk or the connection to it fails",
    errno.ESTALE: "the network file system does not answer",
    errno.ENAMETOOLONG: "choose shorter names",
    errno.ENOENT: "a folder on the way was removed",
    errno.ELOOP: "links lead in a circle",
    errno.EBUSY: "another program holds it",
}


@pytest.mark.parametrize("number", WRITING, ids=errno.errorcode.get)
def test_the_advice_of_a_failed_write_follows_the_cause(tmp_path, number):
    path = tmp_path / "a.nc"
    path.write_text("good")
    with pytest.raises(StorageError) as caught, atomic(path):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert message.startswith(f"cannot write {path} ([Errno {number}] {os.strerror(number)}); ")
    assert WRITING[number] in message
    assert ("make room" in message) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert message.endswith("A file that was there before is untouched")
    assert path.read_text() == "good"


def test_an_error_that_nobody_knows_gets_no_advice(tmp_path):
    with pytest.raises(StorageError) as caught, atomic(tmp_path / "a.nc"):
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    assert "make room" not in str(caught.value)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'a.nc'} ([Errno 18] Invalid")


def written(folder, name):
    """A good file of a kind, and how it is read."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
    import test_storage

    path = folder / name
    if name == "a.json":
        json_files.write(path, {"a": 1})
        return path, json_files.read
    if name == "a.safetensors":
        tensors.write(path, {"a": torch.zeros(2)}, {})
        return path, tensors.read
    if name == "results.nc":
        return test_storage.saved(path, test_storage.results()), storage.read_results
    return test_storage.saved(path), storage.read


def message(action):
    """What a StorageError of an action says; nothing if there is none."""
    try:
        action()
    except StorageError as error:
        return str(error)
    return ""


KINDS = ["a.json", "a.safetensors", "fields.nc", "results.nc"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_good_file_is_not_blamed_for_a_lack_of_descriptors(tmp_path, kind, left):
    path, read = written(tmp_path, kind)
    read(path)  # what is imported late is imported now
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open("/dev/null", os.O_RDONLY)]
    try:
        while opened[-1] < 400:
            opened.append(os.open("/dev/null", os.O_RDONLY))
        free = opened[-1] + 1 + left
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, former[1]))
        told = message(lambda: read(path))
        if told or not left:
            assert "this process has too many files open: raise the limit" in told
            assert "delete" not in told
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)
        for descriptor in opened:
            os.close(descriptor)
    read(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENFILE])
def test_a_good_file_is_not_blamed_for_what_is_around_it(tmp_path, monkeypatch, kind, number):
    path, read = written(tmp_path, kind)
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr(failures, "_obstacle_to_reading", lambda path: error)
    path.write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        read(path)
    assert not isinstance(caught.value, DamagedError)
    assert str(path) in str(caught.value)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_said_to_be_none(tmp_path, kind):
    path, read = written(tmp_path, kind)
    path.unlink()
    with pytest.raises(StorageError, match=f"{kind} does not exist; run the workflow to make it"):
        read(path)
    path.mkdir()
    with pytest.raises(StorageError, match=f"{kind} is not a file; move away what is there"):
        read(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(StorageError, match=f"{kind} is not a file; move away what is there"):
        read(path)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(StorageError, match="a link leads nowhere"):
        read(path)


def test_damage_is_told_with_the_remedy_and_survives_another_process():
    error = DamagedError("a.nc is damaged")
    assert str(error) == "a.nc is damaged; delete it and run the workflow again"
    assert pickle.loads(pickle.dumps(error)).reason == "a.nc is damaged"


def test_memory_that_is_short_is_no_damage(tmp_path):
    path, _ = written(tmp_path, "fields.nc")
    error = failures.read_failure(path, MemoryError(), "is truncated")
    assert str(error).startswith(f"cannot read {path} (not enough memory); memory is short")


@pytest.mark.parametrize("kind", ["fields.nc", "results.nc"])
def test_a_file_that_another_program_writes_to_is_not_blamed(tmp_path, kind):
    path, read = written(tmp_path, kind)
    with h5py.File(path, "r+"), pytest.raises(StorageError) as caught:
        read(path)
    assert "another program writes to it: end that" in str(caught.value)
    assert "delete" not in str(caught.value)
    read(path)


def test_a_name_says_nothing_about_the_cause(tmp_path):
    path = tmp_path / "memory.json"
    path.write_text("{")
    with pytest.raises(DamagedError, match=r"memory\.json is not whole JSON"):
        json_files.read(path)


def test_a_limit_on_the_size_of_files_is_named(tmp_path):
    """Whatever the library made of it."""
    script = f"""
import resource, signal
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
try:
    with atomic({str(tmp_path / "a.nc")!r}) as temporary:
        temporary.write_bytes(bytes(4_500_000))
        raise OSError("NetCDF: HDF error")
except StorageError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "File too large); files may not become so large there: raise the limit" in run.stdout
