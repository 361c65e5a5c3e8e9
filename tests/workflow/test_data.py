"""Data of one's own, and data whose making was interrupted."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from checkout import Change, Checkout

pytestmark = pytest.mark.workflow

DATASET = "results/data/waves/dataset.nc"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout.create(tmp_path / "checkout")


def test_files_are_read_and_read_again_when_their_contents_change(checkout: Checkout) -> None:
    fields = np.random.default_rng(0).standard_normal((60, 32, 32)).astype(np.float32)
    path = checkout.root / "mine {experiment}" / "runs" / "a.npy"
    path.parent.mkdir(parents=True)
    np.save(path, fields)
    (path.parent / "notes.txt").touch()

    def read_files(configuration: dict[str, Any]) -> None:
        configuration["datasets"]["waves"]["source"] = {
            "kind": "files",
            "path": "mine {experiment}/**",
            "dimensions": ["sample", "y", "x"],
            "basis": {"kind": "fourier"},
        }

    with checkout.configured(read_files):
        output = checkout.snakemake("--cores", "2", DATASET)
        assert "mine {experiment}/runs/notes.txt is not read: it holds no arrays" in output
        stored = xr.load_dataset(checkout.root / DATASET)["field"]
        np.testing.assert_array_equal(stored[:, 0], fields[:56])

        os.utime(path)
        assert checkout.planned("--", DATASET) == {}
        fields[0, 0, 0] += 1
        np.save(path, fields)
        assert checkout.planned("--", DATASET) == {"simulate": 2, "dataset": 1}

        path.unlink()
        code, output = checkout.attempt("--cores", "2", DATASET)
        assert code != 0
        assert (
            "datasets.waves.source.path = 'mine {experiment}/**': none of 1 entries is data"
            in output
        )


def test_files_that_are_moved_are_not_read_again(checkout: Checkout) -> None:
    """Not as Snakemake sees it, nor by what files record; the next job reads what was made."""
    path = checkout.root / "here" / "a.npy"
    path.parent.mkdir()
    np.save(path, np.random.default_rng(0).standard_normal((60, 32, 32)).astype(np.float32))

    def reading(folder: str) -> Change:
        source = {"kind": "files", "dimensions": ["sample", "y", "x"], "basis": {"kind": "fourier"}}

        def change(configuration: dict[str, Any]) -> None:
            configuration["datasets"]["waves"]["source"] = {**source, "path": f"{folder}/*.npy"}

        return change

    with checkout.configured(reading("here")):
        checkout.snakemake("--cores", "2", DATASET)
    path.parent.rename(checkout.root / "there")
    with checkout.configured(reading("there")):
        assert checkout.planned("--", DATASET) == {}
        coarse = "results/data/waves/16.nc"
        assert checkout.planned("--", coarse) == {"hierarchy": 1}
        checkout.snakemake("--cores", "2", coarse)


def test_killed_simulation_starts_again_and_ends_with_the_same_data(
    checkout: Checkout, finished: Checkout
) -> None:
    # A delay in a module that is no part of the fingerprint: the data stay those of this code.
    start = "def configure("
    delay = "import time\n\ntime.sleep(60)\n\n\n"
    with checkout.edited("fsdiff/jobs/logs.py", start, delay + start):
        run = subprocess.Popen(
            **checkout.command("--cores", "2", DATASET),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not list(checkout.root.glob(".snakemake/incomplete/*")) and run.poll() is None:
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    checkout.snakemake("--unlock")
    checkout.snakemake("--cores", "2", DATASET)
    assert (checkout.root / DATASET).read_bytes() == (finished.root / DATASET).read_bytes()
    assert not list(checkout.root.glob("results/data/waves/shards/*"))
