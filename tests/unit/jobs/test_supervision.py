"""Jobs that outlive the Snakemake that started them know it; nothing else makes them think so."""

import os
import subprocess
import sys

import pytest

from fsdiff.jobs import supervision
from fsdiff.jobs.supervision import SUPERVISOR, announce, desertion

JOB = "from fsdiff.jobs.supervision import desertion; input(); print(desertion())"
SNAKEMAKE = """
import os, subprocess, sys
from fsdiff.jobs.supervision import announce
announce()
script = f"'{sys.executable}' -c '{sys.argv[1]}'; true"  # a shell stays between the two
subprocess.Popen(["sh", "-c", script], start_new_session=len(sys.argv) > 2)
print("started", flush=True)
os.close(1)
os.read(int(os.environ["ALIVE"]), 1)
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv(SUPERVISOR, raising=False)
    yield
    os.environ.pop(SUPERVISOR, None)


def test_without_a_supervisor_nobody_is_missed():
    assert desertion() is None


def test_a_process_that_runs_is_not_missed():
    announce()
    assert desertion() is None


@pytest.mark.parametrize("session", [[], ["its own"]])
@pytest.mark.parametrize("killed", [False, True])
def test_a_job_below_a_shell_misses_a_snakemake_that_was_killed(killed, session):
    reading, alive = os.pipe()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    snakemake = subprocess.Popen(
        [sys.executable, "-c", SNAKEMAKE, JOB, *session],
        **pipes,
        pass_fds=[reading],
        env={**os.environ, "ALIVE": str(reading)},
    )
    assert snakemake.stdout.readline() == "started\n"
    if killed:
        snakemake.kill()
        snakemake.wait()
    snakemake.stdin.write("\n")
    snakemake.stdin.close()
    told = snakemake.stdout.read().strip()
    if killed:
        assert told == f"the Snakemake that started this job (process {snakemake.pid}) has ended"
    else:
        assert told == "None"
    os.close(alive)
    os.close(reading)
    snakemake.wait()


def test_one_that_waits_to_be_buried_has_ended():
    dead = subprocess.Popen(["sleep", "60"])
    start = supervision._start_of(dead.pid)
    os.environ[SUPERVISOR] = f"{supervision.machine()} {dead.pid} {start}"
    assert desertion() is None
    dead.kill()
    while supervision._start_of(dead.pid) == start:
        pass
    assert "has ended" in desertion()
    dead.wait()


def test_another_process_of_the_same_number_is_not_taken_for_it(monkeypatch):
    monkeypatch.setenv(SUPERVISOR, f"{supervision.machine()} {os.getpid()} 1")
    assert "has ended" in desertion()


@pytest.mark.parametrize("machine", ["elsewhere-4026531836", ""])
def test_on_another_machine_or_in_another_container_nobody_can_say(monkeypatch, machine):
    monkeypatch.setenv(SUPERVISOR, f"{machine} 1 1")
    assert desertion() is None


@pytest.mark.parametrize("runs", [True, False])
def test_systems_without_proc_are_asked_by_signal(monkeypatch, runs):
    process = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(supervision, "Path", lambda path: Nowhere())
    start = supervision._start_of(process.pid)
    assert start == "runs"
    if not runs:
        process.kill()
        process.wait()
    assert supervision._start_of(process.pid) == ("runs" if runs else "ended")
    process.kill()
    process.wait()


class Nowhere:
    """A path below a folder that this system does not have."""

    def read_text(self):
        raise FileNotFoundError

    def exists(self):
        return False
