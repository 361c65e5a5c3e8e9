"""Benchmarks run from beginning to end at their smallest sizes; the numbers mean nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data import storage
from fsdiff.data.hierarchy import statistics
from fsdiff.spaces.bases import CosineBasis

pytestmark = pytest.mark.benchmarks

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

SMALLEST = {
    "compiling": ("--steps", "1", "--backend", "eager"),
    "convergence": ("--quick",),
    "guidance": ("--nodes", "16", "--sensors", "5", "--rounds", "1", "--steps", "2", "3"),
    "layers": ("--quick",),
    "mcmc": ("--quick", "--only", "linear", "darcy"),
    "memory": ("--samples", "20", "--channels", "1"),
    "metrics": ("--fields", "40", "--nodes", "16", "--repeats", "1"),
    "networks": ("--quick", "--threads", "1", "--only", "fsdiff, U-NO", "published"),
    "pde": ("--quick", "--only", "burgers", "darcy"),
    "refinement": ("--samples", "2", "--resolutions", "8", "16"),
    "streaming": ("--gigabytes", "0.002", "--steps", "2", "--rounds", "1"),
    "u_shaped": ("--quick",),
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


def test_what_is_measured_on_a_gpu_runs_on_a_processor(tmp_path):
    command = [str(BENCHMARKS / "gpu" / "run.sh"), "--device", "cpu", "--smallest"]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join((tmp_path / "gpu.md").read_text(encoding="utf-8").split())
    assert re.search(r"[1-9]\d* passed, 0 failed", text)
    for part in ("| 32² | fsdiff |", "| 32² | plain |", "| Darcy", "2 of 2 steps of training"):
        assert part in text


def test_arithmetic_and_bytes_are_those_of_a_product(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import roofline

    limits = roofline.Ceilings(bandwidth=1e3, arithmetic={"float32": 1e3, "float64": 1.0})
    a, b = torch.ones(4, 8), torch.ones(8, 16)
    work = roofline.counted(lambda: a @ b, limits)
    assert work.arithmetic == {"mm": 2 * 4 * 8 * 16}
    assert work.bytes == {"mm": 4 * (4 * 8 + 8 * 16 + 4 * 16)}
    assert work.attainable == pytest.approx(1.024)  # by arithmetic; memory would take 0.896 s
    numbers = torch.ones(2, 2, dtype=torch.complex64)
    complex_product = roofline.counted(lambda: numbers @ numbers, limits)
    assert complex_product.arithmetic["mm"] == 4 * 2 * 2 * 2 * 2
    repeated = torch.ones(8).expand(4, 8)
    assert roofline.counted(lambda: repeated + 1, limits).bytes == {"add": 4 * (8 + 4 * 8)}
    assert not roofline.counted(lambda: a.T, limits).bytes


def test_arithmetic_of_a_step_counts_to_the_part_that_does_it(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import layers
    import roofline
    from contenders import Contender

    limits = roofline.Ceilings(bandwidth=1.0, arithmetic={"float32": 1.0})
    n, width, depth, modes, batch = 32, 32, 4, 12, 16
    step = roofline.counted(
        Contender(layers.NETWORKS[layers.OURS], n).train, limits, layers.part_of
    ).arithmetic
    # Forward once, backward twice: real and imaginary parts by matrices of both.
    product = 2 * batch * width**2
    assert step["matrices of modes"] == 3 * depth * product * 4 * modes * (2 * modes - 1)
    # V and W, each forward once and backward twice.
    assert step["matrices at nodes"] == 3 * depth * product * 2 * n**2
    # Through 128 features to one, whose arguments are computed once more.
    assert step["projection"] == 2 * batch * n**2 * 128 * (4 * width + 3)
    assert not step[layers.ACTIVATION]


def test_planning_counts_the_jobs_of_a_study():
    text = run("planning", "--experiments", "2", "--seeds", "1", "results/summary.csv")
    assert re.search(r"^train +2$", text, re.MULTILINE)
    assert re.search(r"[\d.]+ (processor )?s", text)
