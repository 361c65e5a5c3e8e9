"""A finished small study."""

from pathlib import Path

import pytest
from study import Folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder in which all jobs of the study have run; tests work in copies of it."""
    folder = Folder(tmp_path_factory.mktemp("finished"))
    folder.finish("simulate")
    folder.finish("dataset")
    for resolution in (8, 16):
        folder.finish("hierarchy", resolution)
    for rule in ("train", "sample", "evaluate"):
        folder.finish(rule)
    return folder


@pytest.fixture
def folder(finished: Folder, tmp_path: Path) -> Folder:
    """A finished study of one's own."""
    return finished.copy(tmp_path / "study")
