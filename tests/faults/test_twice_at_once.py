"""Two jobs at one result: the same one twice, and one of a configuration that is no longer."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from study import DATA, HISTORY, RULES, SAMPLES, SHARD, SIDECAR, WEIGHTS, Folder, Job, changed

from fsdiff.data import json_files
from fsdiff.jobs.lineage import recorded
from fsdiff.methods import models

pytestmark = pytest.mark.faults


def wait_for(job: Job, condition: Callable[[], object]) -> None:
    while not condition():
        assert job.status is None, job.screen
        time.sleep(0.01)


def started_beside(folder: Folder, first: Job, rule: str) -> Job:
    """Another job of the rule, which waits for the first; that stands still until it does."""
    wait_for(first, folder.remains)
    first.stop(signal.SIGSTOP)
    second = folder.start(rule, name="second")
    wait_for(second, lambda: second.log.exists() and "waiting for process" in second.screen)
    first.stop(signal.SIGCONT)
    return second


@pytest.mark.parametrize(
    ("rule", "file"), [("simulate", SHARD), ("train", WEIGHTS), ("sample", SAMPLES)]
)
def test_the_second_of_two_equal_jobs_waits_and_takes_what_the_first_has_made(
    folder: Folder, rule: str, file: str
) -> None:
    before = folder.digests()
    for output in RULES[rule].output.values():
        folder.path(output).unlink()
    first = folder.start(rule, save_often=True)
    second = started_beside(folder, first, rule)
    assert first.wait() == 0, first.screen
    assert second.wait() == 0, second.screen
    assert "another job has made" in second.log.read_text()
    others = set(RULES[rule].output.values()) - {file}  # these hold times
    assert changed(before, folder.digests(), but=others) == set()
    assert folder.remains() == []


def test_training_of_an_old_configuration_leaves_and_never_replaces_the_new_weights(
    folder: Folder,
) -> None:
    for output in RULES["train"].output.values():
        folder.path(output).unlink()
    level = folder.configuration["experiments"]["small"]["levels"][0]
    level["epochs"] = 200
    old = folder.start("train", save_often=True)
    wait_for(old, folder.remains)
    level["epochs"] = 3
    new = started_beside(folder, old, "train")
    assert old.wait() == os.EX_TEMPFAIL, old.screen
    assert "from another configuration or other code; state saved" in old.screen
    assert new.wait() == 0, new.screen
    description = models.describe(folder.path(WEIGHTS))
    assert description["config"]["level"]["epochs"] == 3
    made = {recorded(folder.path(name))["fsdiff_lineage"] for name in (WEIGHTS, SIDECAR, HISTORY)}
    assert made == {description["fsdiff_lineage"]}


def test_data_of_another_seed_are_refused_by_name(folder: Folder) -> None:
    folder.configuration["datasets"]["rocks"]["seed"] = 4
    before = folder.digests()
    job = folder.run("train")
    assert job.status == 1
    assert f"{DATA} was made from other files" in job.message
    job = folder.run("hierarchy")
    assert "dataset.nc was made with another configuration: simulate.seed is 0, expected 4" in (
        job.message
    )
    assert folder.digests() == before


def test_metrics_say_what_they_were_made_from(folder: Folder) -> None:
    metrics = json_files.read(folder.path(RULES["evaluate"].output["metrics"]))
    assert len(metrics["fsdiff_lineage"]) == 16
