"""What Snakemake itself does while jobs run."""

import runpy
import time
from pathlib import Path

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

RULES = Path(__file__).parents[3] / "workflow" / "rules"


@pytest.fixture
def schedule_once():
    return runpy.run_path(str(RULES / "snakemake_tuning.smk"), {"MAIN": False})["schedule_once"]


class Scheduler:
    """One that looks again after every look, and each time that a job ends."""

    def __init__(self):
        self.planned = []

    def _schedule_reevalutation(self, delay):
        self.planned.append((time.monotonic(), delay))

    def look(self):
        self._schedule_reevalutation(1)


def test_a_look_is_planned_once_however_many_jobs_end(schedule_once, monkeypatch):
    scheduler = Scheduler()
    schedule_once(scheduler)
    for now in (100.0, 100.1, 100.5, 100.9, 101.0, 101.2, 105.0, 105.5):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        scheduler.look()
    assert scheduler.planned == [(100.0, 1), (101.0, 1), (105.0, 1)]


def test_this_is_what_snakemake_calls():
    """Its method is not public; without it `schedule_once` would do nothing, and say nothing."""
    assert callable(JobScheduler._schedule_reevalutation)


def test_other_schedulers_are_left_alone(schedule_once):
    scheduler = object()
    schedule_once(scheduler)
