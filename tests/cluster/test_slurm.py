"""A small study on a real Slurm, one of whose jobs is cancelled half way."""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm
from checkout import Checkout

pytestmark = pytest.mark.cluster

WEIGHTS = "results/models/multilevel/seed0/16.safetensors"
SUMMARY = "results/summary.csv"
LOG = "logs/train/multilevel/seed0/16.log"
PROFILE = "profiles/slurm/profile.yaml"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm for the tests of this file."""
    reason = slurm.missing()
    if reason:
        pytest.skip(f"no Slurm can be started: {reason}")
    with slurm.running(tmp_path_factory.mktemp("slurm")):
        yield


def one_model(configuration: dict) -> None:
    """One model on one grid, whose training takes long enough to be cancelled."""
    waves = configuration["datasets"]["waves"]
    waves["source"]["resolution"] = 16
    waves |= {"shards": 1, "resolutions": [16]}
    configuration["defaults"]["samples"] = {"count": 8, "resolutions": [16]}
    configuration["defaults"]["training"]["validate_at"] = [16]
    model = configuration["experiments"]["multilevel"]
    model["levels"] = [{"resolution": 16, "epochs": 300, "batch_size": 16, "learning_rate": 1e-3}]
    configuration["experiments"] = {"multilevel": model}


def cancel_training(checkout: Checkout, run: subprocess.Popen, output: Path) -> None:
    """Cancel the Slurm job that trains, as soon as it does."""
    log = checkout.root / LOG
    while not (log.exists() and "epoch 1:" in log.read_text()):
        assert run.poll() is None, f"it ended before training began: {output.read_text()}"
        time.sleep(0.2)
    jobs = slurm.output("squeue", "-h", "--format=%i %k").splitlines()
    job = next(line.split()[0] for line in jobs if "rule_train" in line)
    assert subprocess.run(["scancel", job], check=False).returncode == 0


def submitted(output: str) -> dict[str, int]:
    """How many Slurm jobs were of one rule, and how many of a group of them, by their logs."""
    return dict(Counter(re.findall(r"submitted with SLURM jobid.*/slurm_logs/([a-z]+)_", output)))


def test_a_study_with_a_cancelled_job_ends_with_the_weights_of_an_undisturbed_one(
    cluster: None, tmp_path: Path
) -> None:
    checkout, undisturbed = (Checkout.create(tmp_path / name) for name in ("slurm", "local"))
    quick = ["--slurm-init-seconds-before-status-checks", "2"]
    quick += ["--max-status-checks-per-second", "1"]
    output = tmp_path / "output"
    with (
        checkout.configured(one_model),
        checkout.edited(PROFILE, "ACCOUNT", "test"),
        checkout.edited(PROFILE, "PARTITION", "main"),
        undisturbed.configured(one_model),
    ):
        with output.open("w") as file:
            run = subprocess.Popen(
                **checkout.command(SUMMARY, "--workflow-profile", "profiles/slurm", *quick),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            cancel_training(checkout, run, output)
            undisturbed.snakemake("--cores", "1", WEIGHTS)
            assert run.wait() == 0, output.read_text()
        finally:
            run.kill()
        assert checkout.planned("--", SUMMARY) == {}
    assert re.search(r"SLURM status is: '(CANCELLED|FAILED)'", output.read_text())
    assert submitted(output.read_text()) == {"rule": 4, "group": 3}
    assert "resumed at step" in (checkout.root / LOG).read_text()
    assert (checkout.root / WEIGHTS).read_bytes() == (undisturbed.root / WEIGHTS).read_bytes()
    assert (checkout.root / SUMMARY).exists()
