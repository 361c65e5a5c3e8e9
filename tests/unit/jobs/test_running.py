"""What shows that a study is being run, and what to do about it."""

import pytest

from fsdiff.jobs.locks import Lock
from fsdiff.study.__main__ import main
from fsdiff.study.results import running


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_that_was_killed_is_told_how_to_be_unlocked(folder, monkeypatch, capsys):
    assert running() is None
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setattr("fsdiff.study.results.plans_of", lambda study: [])
    assert main(["clean", "--delete", "config.yaml"]) == 1
    told = capsys.readouterr().err
    assert "a run is active here: there is .snakemake/locks/0.output.lock" in told
    assert "if it was killed, run 'snakemake --unlock'" in told


def test_a_job_that_outlives_its_run_is_waited_for(folder):
    with Lock(folder / "results" / "models" / "16.safetensors", "a lineage"):
        assert running() == "a job holds results/models/.16.safetensors.lock; wait for its end"
    assert running() is None
