"""Disks that are full and folders that may not be written to: said so, and no file is lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from study import RULES, Folder

pytestmark = pytest.mark.faults

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


def mount(*arguments: str | Path) -> None:
    """Run mount, or skip the test where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")


@pytest.fixture
def disk(finished: Folder, tmp_path: Path) -> Iterator[Folder]:
    """A finished study whose results are on a small disk of their own."""
    results = tmp_path / "study" / "results"
    results.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", results)
    try:
        yield finished.copy(tmp_path / "study")
    finally:
        subprocess.run(["umount", results], check=True)


def fill(folder: Path) -> Path:
    """Take all room that there is; the file to delete for having it back."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return path


def without_room(folder: Folder, rule: str, **how: int) -> str:
    """The message of a job that cannot write, after which all files are what they were."""
    before = folder.digests()
    job = folder.run(rule, **how)
    assert job.status == 1, job.screen
    assert folder.digests() == before
    assert not [path for path in folder.remains() if path.name.startswith(".")]
    return job.message


def check_full(message: str) -> None:
    """What a person must know: the file, the reason, the room there is, and what to do."""
    assert message.startswith("cannot write results/")
    assert "MB are free there: make room, check quotas, or write elsewhere" in message
    assert "A file that was there before is untouched" in message


@needs_root
@pytest.mark.parametrize("rule", RULES)
def test_a_full_disk(disk: Folder, rule: str) -> None:
    filler = fill(disk.path("results"))
    message = without_room(disk, rule)
    check_full(message)
    assert "No space left on device" in message
    assert "; 0.0 MB are free" in message
    filler.unlink()
    disk.finish(rule)


@pytest.mark.parametrize("rule", ["simulate", "dataset", "hierarchy", "sample"])
def test_a_file_that_may_not_grow(folder: Folder, rule: str) -> None:
    """A limit that needs no rights to set. The other jobs write files that are smaller."""
    message = without_room(folder, rule, largest_file=16384)
    assert message.startswith("cannot write results/")
    assert "File too large); files may not become so large there: raise the limit" in message
    assert "make room" not in message
    assert "A file that was there before is untouched" in message


@needs_root
@pytest.mark.parametrize("rule", RULES)
def test_a_disk_that_is_read_only(disk: Folder, rule: str) -> None:
    results = disk.path("results")
    mount("-o", "remount,ro", results)
    message = without_room(disk, rule)
    mount("-o", "remount,rw", results)
    assert message.startswith("cannot write results/")
    assert "is read-only: mount it for writing, or write elsewhere" in message
    disk.finish(rule)
