"""One job at a time for a result: others wait, or take its place, and nothing is left behind."""

import errno
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fsdiff.jobs import locks
from fsdiff.jobs.locks import Lock, is_held, lock_of

HOLDER = """
import sys
from pathlib import Path
from fsdiff.jobs.locks import Lock

with Lock(Path(sys.argv[1]), sys.argv[2]) as lock:
    print("holds", flush=True)
    for line in sys.stdin:
        print(lock.superseded() or "mine", flush=True)
"""


class Holder:
    """Another process that holds the lock of a result until it is let go."""

    def __init__(self, target, lineage):
        command = [sys.executable, "-c", HOLDER, str(target), lineage]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        assert self.process.stdout.readline() == "holds\n"

    def superseded(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.communicate()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.01)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "results" / "16.nc"


class Waiting(threading.Thread):
    """Takes the lock as soon as it is free."""

    def __init__(self, target, lineage):
        super().__init__(daemon=True)
        self.target, self.lineage, self.waited = target, lineage, None
        self.start()

    def run(self):
        with Lock(self.target, self.lineage) as lock:
            self.waited = lock.waited


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never happened")


def wanted(target):
    return json.loads(lock_of(target).read_text())["lineage"]


def test_a_lock_that_nobody_has_is_taken_at_once_and_leaves_nothing(target):
    with Lock(target, "a") as lock:
        assert not lock.waited
        assert lock.superseded() is None
        assert lock_of(target).exists()
    assert list(target.parent.iterdir()) == []


def test_a_second_job_for_the_same_result_waits_and_says_for_whom(target, caplog):
    holder = Holder(target, "a")
    second = Waiting(target, "a")
    wait_until(lambda: caplog.records)
    assert f"waiting for process {holder.process.pid} on " in caplog.messages[0]
    assert f"which makes {target}" in caplog.messages[0]
    assert holder.superseded() == "mine"
    assert second.is_alive()
    holder.end()
    second.join(10)
    assert second.waited
    assert caplog.records[0].levelno == logging.WARNING
    assert len(caplog.records) == 1
    assert list(target.parent.iterdir()) == []


def test_a_job_for_another_result_of_that_name_takes_its_place(target):
    holder = Holder(target, "old")
    second = Waiting(target, "new")
    wait_until(lambda: wanted(target) == "new")
    assert holder.superseded() == (
        f"process {os.getpid()} on {locks.machine()} (since "
        f"{json.loads(lock_of(target).read_text())['since']}) makes {target} from another "
        "configuration or other code"
    )
    holder.end()
    second.join(10)
    assert second.waited


def test_the_lock_of_a_killed_process_is_free(target):
    holder = Holder(target, "a")
    assert is_held(lock_of(target))
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait()
    assert not is_held(lock_of(target))
    with Lock(target, "b") as lock:
        assert not lock.waited
        assert lock.superseded() is None
    assert list(target.parent.iterdir()) == []


def test_many_jobs_have_it_one_after_the_other(target):
    inside, most = [], []

    def work():
        with Lock(target, "a"):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.002)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 12
    assert list(target.parent.iterdir()) == []


def test_a_lock_that_was_removed_is_lost(target):
    with Lock(target, "a") as lock:
        lock_of(target).unlink()
        assert "was removed" in lock.superseded()


def test_where_there_are_no_locks_the_latest_job_may_write(target, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with Lock(target, "old") as old, Lock(target, "new") as new:
        assert not new.waited
        assert new.superseded() is None
        assert "from another configuration" in old.superseded()
    assert list(target.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_the_concern_of_who_writes_there(tmp_path):
    (tmp_path / "results").write_text("a file")
    with Lock(Path(tmp_path / "results" / "16.nc"), "a") as lock:
        assert lock.superseded() is None
