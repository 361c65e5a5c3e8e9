"""Files that are cut off, foreign or edited by hand: refused by name, and nothing runs on them."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from study import COST, DATA, DATASET, SAMPLES, SHARD, SIDECAR, WEIGHTS, Folder, changed

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


def not_finite(path: Path) -> None:
    """Edit one value by hand."""
    with netCDF4.Dataset(path, "a") as file:
        file["field"][5, 0, 3, 3] = np.nan


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
    foreign: "was not written by fsdiff, or was edited: it has no fsdiff_config",
    not_finite: "values of 'field' are not finite in sample 5",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(("rule", "file"), READ)
def test_a_damaged_file_is_refused_by_name(
    folder: Folder, rule: str, file: str, damage: Callable[[Path], None]
) -> None:
    message = refused(folder, rule, file, damage)
    assert DAMAGES[damage] in message
    assert "delete it and run the workflow again" in message


@pytest.mark.parametrize("damage", [cut_off, empty], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(
    ("rule", "file"), [("sample", WEIGHTS), ("sample", SIDECAR), ("evaluate", COST)]
)
def test_a_damaged_model_is_refused_by_name(
    folder: Folder, rule: str, file: str, damage: Callable[[Path], None]
) -> None:
    assert "; delete it and " in refused(folder, rule, file, damage)


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
