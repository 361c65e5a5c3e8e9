"""Benchmarks run from beginning to end at their smallest sizes; the numbers mean nothing."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from fsdiff.data import storage
from fsdiff.data.hierarchy import statistics
from fsdiff.spaces.bases import CosineBasis

pytestmark = pytest.mark.benchmarks

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

SMALLEST = {
    "compiling": ("--steps", "1", "--backend", "eager"),
    "convergence": ("--quick",),
    "guidance": ("--nodes", "32", "--sensors", "5", "--rounds", "1"),
    "mcmc": ("--quick", "--only", "linear", "darcy"),
    "memory": ("--samples", "20", "--channels", "1"),
    "metrics": ("--fields", "40", "--nodes", "16", "--repeats", "1"),
    "networks": ("--quick", "--threads", "1", "--only", "fsdiff, U-NO", "published"),
    "pde": ("--quick", "--only", "burgers", "darcy"),
    "refinement": ("--samples", "2", "--resolutions", "8", "16"),
    "streaming": ("--gigabytes", "0.002", "--steps", "2", "--rounds", "1"),
}


def run(name: str, *arguments: str) -> str:
    """What a benchmark prints."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_page(name: str, folder: Path) -> str:
    """The only page of a folder, which says what it was made by and has a table."""
    (page,) = folder.glob("*.md")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"benchmarks/{name}.py" in text
    assert "|---" in text.replace(" ", "")
    return text


@pytest.mark.parametrize("name", SMALLEST)
def test_it_writes_its_page(name, tmp_path):
    run(name, *SMALLEST[name], "--folder", str(tmp_path))
    check_page(name, tmp_path)


def test_networks_learn_from_a_file_of_data(tmp_path):
    basis, n = CosineBasis(2), 24
    random = np.random.default_rng(0)
    fields = random.normal(size=(24, 1, n, n)).astype(np.float32)
    split = np.repeat(["train", "validation"], [16, 8])
    data = xr.Dataset(
        {"field": (("sample", "channel", "y", "x"), fields)},
        {"sample": range(24), "channel": ["u"], "y": basis.nodes(n), "x": basis.nodes(n)},
    ).assign_coords(split=("sample", split))
    path, folder = tmp_path / "waves" / "24.nc", tmp_path / "page"
    made = storage.Provenance({}, "", 0)
    storage.write(data.merge(statistics(data, basis)), path, title="waves", provenance=made)
    arguments = ("--epochs", "1", "--only", "published", "--folder", str(folder))
    run("learning", "--data", str(path), *arguments)
    text = check_page("learning", folder)
    assert text.count("| published |") == 1


def test_planning_counts_the_jobs_of_a_study():
    text = run("planning", "--experiments", "2", "--seeds", "1", "results/summary.csv")
    assert re.search(r"^train +2$", text, re.MULTILINE)
    assert re.search(r"[\d.]+ (processor )?s", text)
