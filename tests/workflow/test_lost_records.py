"""What files were made from, where Snakemake does not know: its records lost, files copied."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout

from fsdiff.data import json_files
from fsdiff.jobs.lineage import recorded

pytestmark = pytest.mark.workflow

DATASET = "results/data/waves/dataset.nc"
METRICS = "results/metrics/multilevel/seed0/16.json"
DRAWN_AGAIN = {
    **{"data_pages": 1, "balances": 1, "fields": 2, "resolutions": 2, "table": 1, "verdict": 1}
}


@pytest.fixture
def unrecorded(finished: Checkout, tmp_path: Path) -> Checkout:
    """Finished results, as of old as they are, without what Snakemake knows of them."""
    checkout = finished.copy(tmp_path / "checkout")
    shutil.rmtree(checkout.root / ".snakemake")
    return checkout


@pytest.fixture
def copied(unrecorded: Checkout) -> Checkout:
    """The same, all files as young as a copy in any order makes them."""
    now = time.time()
    for i, path in enumerate(sorted(unrecorded.root.glob("results/**/*"), reverse=True)):
        os.utime(path, (now + i, now + i))
    return unrecorded


def results(checkout: Checkout, *arguments: str) -> str:
    """The output of ``python -m fsdiff.study``."""
    done = subprocess.run(
        [sys.executable, "-m", "fsdiff.study", *arguments],
        cwd=checkout.root,
        env=checkout.command()["env"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def another_seed(configuration: dict[str, Any]) -> None:
    configuration["datasets"]["waves"]["seed"] = 4


def test_records_that_are_lost_hide_no_edit(unrecorded: Checkout) -> None:
    assert unrecorded.planned("--", METRICS) == {}
    data = unrecorded.root / "results" / "data"
    elsewhere = data.rename(unrecorded.root / "another disk")
    data.symlink_to(elsewhere)
    with unrecorded.configured(another_seed):
        output = unrecorded.snakemake("--dry-run", "--", DATASET)
        told = f"{DATASET} was made with another configuration: simulate.seed is 3, expected 4"
        assert told in output
        assert unrecorded.planned("--", DATASET) == {"simulate": 2, "dataset": 1}
        assert "Nothing to be done" not in unrecorded.snakemake("--dry-run")


def test_files_that_do_not_fit_are_not_taken_for_current(unrecorded: Checkout) -> None:
    with unrecorded.configured(another_seed):
        code, output = unrecorded.attempt("--cores", "1", "--touch")
    assert code != 0
    assert "python -m fsdiff.study adopt" in output


def test_an_edit_is_not_touched_away(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    with checkout.configured(another_seed):
        code, output = checkout.attempt("--cores", "1", "--touch", "--", DATASET)
    assert code != 0
    assert f"{DATASET} was made with another configuration: simulate.seed is 3" in output
    assert checkout.planned("--", METRICS) == {}


def test_a_result_that_is_replaced_by_that_of_another_study_is_made_again(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    metrics = checkout.root / METRICS
    status, content = metrics.stat(), json_files.read(metrics)
    content |= {"fsdiff_config": "{}", "fsdiff_lineage": "0" * 16}
    json_files.write(metrics, content)
    os.utime(metrics, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert f"{METRICS} was made with another config" in checkout.snakemake("--dry-run", METRICS)
    assert checkout.planned("--", METRICS) == {"evaluate": 1}


def test_copied_results_that_fit_are_kept_when_asked_and_tables_are_made_again(
    copied: Checkout,
) -> None:
    assert "train" in copied.planned()
    assert "files are kept, 0 do not fit" in results(copied, "adopt", "config.yaml")
    assert copied.planned("--", METRICS) == {}
    assert copied.planned() == {
        **DRAWN_AGAIN,
        "summary": 1,
        "data_summary": 1,
        "comparison": 1,
        "all": 1,
    }


def test_of_copied_results_those_that_do_not_fit_are_named(copied: Checkout) -> None:
    sidecar = copied.root / "results/models/multilevel/seed0/16.json"
    sidecar.write_text(sidecar.read_text().replace('"seed": 0', '"seed": 1'))

    def other_power(configuration: dict[str, Any]) -> None:
        configuration["experiments"]["single_level"]["levels"][0]["epochs"] = 7

    with copied.configured(other_power):
        told = results(copied, "adopt", "config.yaml")
        assert "single_level/seed0/32.json was made with another configuration: level.epo" in told
        assert "multilevel/seed0/16.json is damaged" in told
        planned = copied.planned("--", "results/metrics/single_level/seed0/16.json")
    assert planned == {"train": 1, "sample": 1, "evaluate": 1}


def test_what_no_study_needs_is_listed_and_removed_when_asked(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    lineage = recorded(checkout.root / "results/models/multilevel/seed0/16.json")["fsdiff_lineage"]
    state = checkout.root / "results" / "state"
    state.mkdir(exist_ok=True)
    needed = state / f"train-16-{lineage}-{'0' * 16}.safetensors"
    abandoned = state / f"train-16-{'0' * 16}-{'0' * 16}.safetensors"
    needed.write_bytes(b"a state")
    abandoned.write_bytes(bytes(2**20))

    def alone(configuration: dict[str, Any]) -> None:
        del configuration["experiments"]["single_level"]

    (checkout.root / "alone.yaml").write_text(checkout.configuration.read_text())
    with checkout.configured(alone):
        told = results(checkout, "clean", "config.yaml", "alone.yaml")
        assert "in 1 files that no study names" in told
        told = results(checkout, "clean", "--delete", "config.yaml")
        assert "single_level/seed0/32.safetensors" in told
        assert "multilevel/seed0/32.safetensors" not in told
    assert needed.exists()
    assert not abandoned.exists()
    assert not (checkout.root / "results/models/single_level").exists()
    assert checkout.planned("--", METRICS) == {}


def test_code_that_is_edited_while_another_job_runs_makes_no_result(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    log = checkout.root / "logs/sample/multilevel/seed0/16.log"
    log.unlink()
    run = subprocess.Popen(
        **checkout.command("--cores", "1", "--forcerun", "sample", "--", METRICS),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not log.exists():
        assert run.poll() is None
        time.sleep(0.05)
    with checkout.edited("fsdiff/metrics/sliced.py", "return {", "return {} | {"):
        output, _ = run.communicate()
    assert run.returncode != 0
    assert "the code was edited after this job was planned" in output
    assert not (checkout.root / METRICS).exists()
    checkout.snakemake("--cores", "1", METRICS)
