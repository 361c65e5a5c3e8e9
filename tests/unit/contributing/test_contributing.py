"""A new part is one file: those in CONTRIBUTING.md, each put where the page says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USES = Path(__file__).with_name("uses.py")
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture
def extended(tmp_path, package_with) -> Path:
    """A folder with a copy of the package that has all of the parts."""
    return package_with(tmp_path)


def test_every_part_in_the_page_is_used(examples):
    kinds = {re.search(r'kind: Literal\["(\w+)"\]', text)[1] for text in examples.values()}
    used = re.search(r"PARTS = \{(.*?)\}", USES.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert kinds == set(re.findall(r': "(\w+)"', used))


def test_parts_in_one_file_each_work(extended):
    shutil.copy(USES, extended / "test_uses.py")
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--color=no", "--config-file", "/dev/null", "test_uses.py"],
        cwd=extended,
        env={"PYTHONPATH": str(extended), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_as_the_house_formats_them(extended, examples):
    files = [str(extended / path) for path in examples]
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--config", str(PYPROJECT), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
