"""What a job says: one line on standard error, everything in its log."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(body: str, log: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that logs to ``log``."""
    start = f"import logging, warnings\nfrom fsdiff.jobs import logs\nlogs.configure({str(log)!r})"
    command = [sys.executable, "-c", f"{start}\n{body}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "train" / "32.log"


def test_uncaught_error_is_one_line_on_the_screen_and_a_traceback_in_the_log(log: Path) -> None:
    done = run("def solve():\n    raise ValueError('sample 3: lower the step')\nsolve()", log)
    assert done.returncode == 1
    assert done.stderr == f"CRITICAL: sample 3: lower the step (traceback in {log})\n"
    assert "Traceback" in log.read_text()
    assert "in solve" in log.read_text()


def test_errors_that_are_no_messages_to_the_user_are_named(log: Path) -> None:
    done = run("{}['width']", log)
    assert done.stderr.startswith("CRITICAL: KeyError: 'width'")


def test_progress_goes_to_the_log_and_warnings_to_both(log: Path) -> None:
    done = run("logging.info('epoch 1')\nwarnings.warn('odd grid')", log)
    assert done.returncode == 0
    assert "odd grid" in done.stderr
    assert "epoch 1" not in done.stderr
    assert "epoch 1" in log.read_text()
    assert "odd grid" in log.read_text()


def test_no_text_looks_like_a_record_or_steers_a_terminal(log: Path) -> None:
    done = run(r"logging.warning('file %s', 'a\n2026-01-01 INFO forged\r\x1b[2J\ud800')", log)
    made_with, first, *others = log.read_text(encoding="utf-8").splitlines()
    assert "made with fsdiff" in made_with
    assert first.endswith("WARNING root: file a")
    assert others == ["    2026-01-01 INFO forged", r"    \x1b[2J\ud800"]
    assert done.stderr == "WARNING: file a 2026-01-01 INFO forged " + r"\x1b[2J\ud800" + "\n"


def test_exit_status_of_a_script_is_kept(log: Path) -> None:
    assert run("raise SystemExit(75)", log).returncode == 75


def test_crash_outside_python_leaves_its_stack_in_the_log(log: Path) -> None:
    run("import os\nos.abort()", log)
    assert "Fatal Python error: Aborted" in log.read_text()
