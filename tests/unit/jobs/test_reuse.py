"""Results of the same lineage under other names."""

import json
from pathlib import Path

import pytest

from fsdiff.jobs import reuse


@pytest.fixture
def outputs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "results" / "models" / "new" / "seed0"
    return [folder / "32.json", folder / "32.history.json"]


def write(outputs: list[Path], name: str, lineage: str) -> list[Path]:
    folder = outputs[0].parents[2] / name / "seed0"
    folder.mkdir(parents=True)
    found = [folder / path.name for path in outputs]
    for path in found:
        path.write_text(json.dumps({"fsdiff_lineage": lineage, "of": f"{name} {path.name}"}))
    return found


def test_all_files_of_another_name_are_found_if_each_is_of_the_lineage(outputs: list[Path]) -> None:
    write(outputs, "other", "b")
    write(outputs, "half", "a")[1].unlink()
    mixed = write(outputs, "mixed", "a")
    mixed[1].write_text(json.dumps({"fsdiff_lineage": "b"}))
    same = write(outputs, "old", "a")
    deeper = write(outputs, "search/old", "a")
    write(outputs, "new", "a")
    assert [*reuse.under_other_names(outputs, "a")] == [same, deeper]


def test_what_is_in_no_folder_of_results_has_no_other_name(tmp_path: Path) -> None:
    assert not [*reuse.under_other_names([tmp_path / "seed0" / "32.json"], "a")]


def test_copies_are_the_files(outputs: list[Path]) -> None:
    same = write(outputs, "old", "a")
    reuse.copy(same, outputs)
    assert [path.read_bytes() for path in outputs] == [path.read_bytes() for path in same]
