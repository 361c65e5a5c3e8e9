"""Files that are cut off, foreign or edited by hand: refused by name, and nothing runs on them."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import pytest
from study import (
    COST,
    DATA,
    DATASET,
    HISTORY,
    RULES,
    SAME_BYTES,
    SAMPLES,
    SHARD,
    SIDECAR,
    WEIGHTS,
    Folder,
    changed,
)

pytestmark = pytest.mark.faults


def cut_off(path: Path) -> None:
    """Leave the first half, as a copy does that was stopped."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    """A file of another program under the same name."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 4)
        file.createVariable("temperature", "f4", ("x",))[:] = 0


def edited(path: Path) -> None:
    """Edit one value by hand."""
    with netCDF4.Dataset(path, "a") as file:
        file["field"][5, 0, 3, 3] = 0.5


def bit_flipped(path: Path) -> None:
    """What a bad disk, cable or memory does, in the middle of the values of a sample."""
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        place = file["field"].id.get_offset() + 5 * file["field"][0].nbytes + 100
    content[place] ^= 1
    path.write_bytes(content)


def foreign_coordinates(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file["x"][0] = 0.0


READ = [
    ("dataset", SHARD),
    ("hierarchy", DATASET),
    ("train", DATA),
    ("evaluate", DATA),
    ("evaluate", SAMPLES),
]
DAMAGES = {
    cut_off: "is truncated or not NetCDF",
    empty: "is truncated or not NetCDF",
    foreign: "was not written by fsdiff, or was edited: it has no fsdiff_",
    edited: "is damaged or was edited: the checksum of 'field' does not fit in sample 5",
    bit_flipped: "is damaged or was edited: the checksum of 'field' does not fit in sample 5",
    foreign_coordinates: "is damaged or was edited: its digest does not fit its coordinates",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(("rule", "file"), READ)
def test_a_damaged_file_is_refused_by_name(
    folder: Folder, rule: str, file: str, damage: Callable[[Path], None]
) -> None:
    message = refused(folder, rule, file, damage)
    assert DAMAGES[damage] in message
    assert "delete it and run the workflow again" in message


def last_bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # Another last digit may be the same number, another name is another one.
    content[content.rfind(b'"') - 1 if path.suffix == ".json" else -4] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", [cut_off, empty, last_bit_flipped], ids=lambda damage: damage.__name__
)
@pytest.mark.parametrize(
    ("rule", "file"),
    [("sample", WEIGHTS), ("sample", SIDECAR), ("evaluate", COST), ("evaluate", HISTORY)],
)
def test_a_damaged_model_is_refused_by_name(
    folder: Folder, rule: str, file: str, damage: Callable[[Path], None]
) -> None:
    assert "; delete it and " in refused(folder, rule, file, damage)


def test_weights_of_another_seed_are_not_taken_for_those_that_are_described(folder: Folder) -> None:
    whole = folder.path(WEIGHTS).read_bytes()
    folder.configuration["experiments"]["small"]["prior"] = {"kind": "standard"}
    folder.finish("train")
    folder.path(WEIGHTS).write_bytes(whole)
    job = folder.run("sample")
    assert job.status == 1, job.screen
    assert f"{WEIGHTS} and {SIDECAR} do not belong together" in job.message
    assert "delete both and run the workflow again" in job.message


@pytest.mark.parametrize(
    "damage", [cut_off, empty, last_bit_flipped], ids=lambda damage: damage.__name__
)
@pytest.mark.parametrize("rule", SAME_BYTES)
def test_a_damaged_state_is_discarded_with_a_warning_and_the_job_starts_afresh(
    folder: Folder, rule: str, damage: Callable[[Path], None]
) -> None:
    before = folder.digests()
    for output in RULES[rule].output.values():
        folder.path(output).unlink()
    stopped = folder.start(rule, save_often=True)
    while not (states := folder.states()):
        assert stopped.status is None, stopped.screen
        time.sleep(0.01)
    stopped.stop(signal.SIGKILL)
    stopped.wait()
    damage(states[0])
    job = folder.run(rule)
    assert job.status == 0, job.screen
    assert job.screen.count("WARNING: what an interrupted attempt has left is discarded") == 1
    assert str(states[0].relative_to(folder.root)) in job.screen
    others = set(RULES[rule].output.values()) - {SAME_BYTES[rule]}  # these hold times
    assert changed(before, folder.digests(), but=others) == set()
    assert folder.remains() == []


def refused(folder: Folder, rule: str, file: str, damage: Callable[[Path], None]) -> str:
    """The message of a job that reads a damaged file; it writes nothing, and works once it can."""
    before, whole = folder.digests(), folder.path(file).read_bytes()
    damage(folder.path(file))
    job = folder.run(rule)
    assert job.status == 1, job.screen
    assert changed(before, folder.digests(), but=[file]) == set()
    assert file in job.message
    folder.path(file).write_bytes(whole)
    return job.message
