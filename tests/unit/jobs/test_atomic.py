"""Files are whole or absent, whatever happens to the process that writes them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from fsdiff.jobs import atomic as atomic_files
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import StorageError


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_leaves_the_previous_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("good")

    def interrupted():
        with atomic(path) as temporary:
            temporary.write_text("half of somethi")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "good"
    assert entries(tmp_path) == ["a.txt"]


def test_nothing_is_visible_before_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        assert temporary.name.startswith(".")
    assert path.read_text() == "all"


def test_a_folder_that_cannot_be_one_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match=r"cannot write .*file/a\.json") as caught,
        atomic(tmp_path / "file" / "a.json"),
    ):
        pass
    assert f"{tmp_path / 'file'} is in the way of a folder: move it away" in str(caught.value)


def test_a_folder_in_the_place_of_a_file_is_reported(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with (
        pytest.raises(StorageError, match="a folder is in the way of the file: move it away"),
        atomic(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("all")


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".txt")
    with atomic(path) as temporary:
        temporary.write_text("all")
    assert path.read_text() == "all"
    longer = path.with_stem(path.stem + "é")
    with (
        pytest.raises(StorageError, match="does not take names so long: choose shorter names"),
        atomic(longer) as temporary,
    ):
        temporary.write_text("all")
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


# What killed writers leave


def start_writer(path, end):
    """Start a process that writes half of a file, says where, and then does what ``end`` says."""
    script = f"""
import os, signal, sys
from fsdiff.jobs.atomic import atomic
with atomic({str(path)!r}) as temporary:
    temporary.write_text("half of somethi")
    print(temporary.name, flush=True)
    {end}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script], env=environment, **options)


def killed_writer(path):
    """Kill a process in the middle of a write; the name of what it leaves."""
    with start_writer(path, "os.kill(os.getpid(), signal.SIGKILL)") as writer:
        leftover = writer.stdout.readline().strip()
    assert writer.returncode == -signal.SIGKILL
    return leftover


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("good")
    leftover = killed_writer(path)
    assert entries(tmp_path) == [leftover, "a.txt"]
    assert path.read_text() == "good"
    with atomic(path) as temporary:
        assert entries(tmp_path) == ["a.txt"]
        temporary.write_text("better")
    assert path.read_text() == "better"
    assert entries(tmp_path) == ["a.txt"]


def test_what_was_left_for_a_file_that_is_never_written_again_is_removed(tmp_path):
    killed_writer(tmp_path / "a.txt")
    killed_writer(tmp_path / "a.b.safetensors")
    with atomic(tmp_path / "b.json") as temporary:
        temporary.write_text("whole")
    assert entries(tmp_path) == ["b.json"]


def test_what_was_left_in_a_folder_where_nothing_is_written_is_removed_when_a_run_starts(tmp_path):
    killed_writer(tmp_path / "results" / "models" / "a.safetensors")
    (tmp_path / "results" / "b.json").touch()
    atomic_files.sweep(tmp_path / "results")
    assert len(list(tmp_path.rglob(".*"))) == 1
    atomic_files.sweep(tmp_path / "results", below=True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.json"]
    atomic_files.sweep(tmp_path / "nowhere", below=True)


def test_hidden_files_of_other_programs_stay(tmp_path):
    names = [".a.txt.swp", ".gitignore", ".a.fsdiff-notes.txt", ".nfs000012"]
    for name in names:
        (tmp_path / name).touch()
    atomic_files.sweep(tmp_path)
    assert entries(tmp_path) == sorted(names)


def test_a_living_writer_keeps_its_file(tmp_path):
    path = tmp_path / "a.txt"
    with start_writer(path, "sys.stdin.read()") as writer:
        name = writer.stdout.readline().strip()
        with atomic(path) as temporary:
            temporary.write_text("mine")
        assert entries(tmp_path) == [name, "a.txt"]
        writer.communicate("")
    assert path.read_text() == "half of somethi"  # it ended as it wanted to
    assert entries(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("elsewhere", ["another machine", "another container"])
def test_nobody_elsewhere_loses_a_file_within_a_day(tmp_path, monkeypatch, elsewhere):
    leftover = killed_writer(tmp_path / "a.txt")
    here = atomic_files.machine()
    node, _, container = here.rpartition("-")
    there = f"x{node}-{container}" if elsewhere == "another machine" else f"{node}-{container}1"
    monkeypatch.setattr(atomic_files, "machine", lambda: there)
    with atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert leftover in entries(tmp_path)
    os.utime(tmp_path / leftover, (time.time() - 25 * 3600,) * 2)
    atomic_files.sweep(tmp_path)
    assert entries(tmp_path) == ["a.txt"]
