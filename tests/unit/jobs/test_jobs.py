"""What surrounds each job: it works with the planned code, on the planned files, while wanted."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fsdiff.data import json_files
from fsdiff.data.storage import Provenance
from fsdiff.jobs import job as jobs
from fsdiff.jobs import locks
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.interruption import Interrupted, interruptible
from fsdiff.jobs.job import PlanChangedError, job_of
from fsdiff.jobs.locks import lock_of
from fsdiff.provenance import fingerprint

CONFIG = {"prior": {"kind": "bessel"}, "seed": 3}
MODULES = ["fsdiff.measures.priors.convolution"]
SCRIPT = "import fsdiff.randomness\nprint('drawn')\n"
OWN, BEFORE = "1" * 16, "2" * 16
INPUT = {"config": {"seed": 3}, "code": "c" * 16, "lineage": BEFORE}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("fsdiff.jobs.logs.configure", lambda path: None)
    monkeypatch.setattr(locks, "PATIENCE", 0.01)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def given(tmp_path):
    """What Snakemake hands to a script, and the script."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    read = tmp_path / "read.json"
    json_files.write(read, Provenance.of_job(INPUT).attributes())
    code = fingerprint(script=script, modules=MODULES)
    snakemake = SimpleNamespace(
        params=SimpleNamespace(
            job={"config": CONFIG, "code": code},
            lineage={"own": OWN, "inputs": {str(read): INPUT}},
        ),
        output=[str(tmp_path / "a.json"), str(tmp_path / "b.json")],
        log=[str(tmp_path / "a.log")],
    )
    return SimpleNamespace(
        snakemake=snakemake, script=script, read=read, a=tmp_path / "a.json", b=tmp_path / "b.json"
    )


def write(path, job):
    json_files.write(path, Provenance.of_job(job).attributes())


def run(given):
    with job_of(given.snakemake, given.script) as job:
        write(given.a, job)
        write(given.b, job)


def test_a_job_knows_its_lineage_and_leaves_no_lock(given):
    with job_of(given.snakemake, given.script) as job:
        assert job == {**given.snakemake.params.job, "lineage": OWN}
        assert lock_of(given.a).exists()
        write(given.a, job)
    assert json.loads(given.a.read_text())["fsdiff_lineage"] == OWN
    assert not lock_of(given.a).exists()


@pytest.mark.parametrize("edited", ["script", "module", "copy"])
def test_a_job_does_not_work_with_other_code_than_was_planned_with(given, tmp_path, edited):
    if edited == "script":
        given.script.write_text(SCRIPT + "print('again')\n")
    elif edited == "module":
        given.script.write_text(SCRIPT.replace("randomness", "threads"))
    else:
        given.snakemake.params.job["code"] = "0" * 16
    with pytest.raises(PlanChangedError, match=r"edited after this job was planned.* run again"):
        run(given)
    assert not given.a.exists()


def test_a_job_that_was_planned_from_another_configuration_does_not_work(given):
    given.snakemake.params.lineage["asked"] = "4" * 16
    with pytest.raises(PlanChangedError, match="the configuration or the code was edited after"):
        run(given)
    assert not given.a.exists()


def test_a_comment_is_no_other_code(given):
    given.script.write_text(f"# a comment\n{SCRIPT}")
    run(given)


def test_all_code_is_loaded_before_it_is_compared(given, monkeypatch):
    monkeypatch.delitem(sys.modules, "fsdiff.measures.priors.convolution")
    with job_of(given.snakemake, given.script):
        assert "fsdiff.measures.priors.convolution" in sys.modules


def test_what_was_made_from_something_else_is_not_read(given):
    other = {**INPUT, "config": {"seed": 4}, "lineage": "3" * 16}
    json_files.write(given.read, Provenance.of_job(other).attributes())
    with pytest.raises(StorageError, match=r"read\.json was made with .*seed is 4, expected 3"):
        run(given)
    assert not given.a.exists()


def run_disturbed(given, disturb, work):
    """Run a job in which something happens before its work, which ends it."""
    with job_of(given.snakemake, given.script) as job:
        disturb()
        work(job)


def test_a_job_that_nobody_waits_for_writes_nothing(given, monkeypatch, caplog):
    def die():
        monkeypatch.setattr(jobs, "desertion", lambda: "Snakemake has ended")

    with pytest.raises(Interrupted):
        run_disturbed(given, die, lambda job: write(given.a, job))
    assert not given.a.exists()
    assert f"{given.a} is not written, because Snakemake has ended" in caplog.text
    assert sorted(path.name for path in given.a.parent.glob(".*")) == []


def test_states_are_written_all_the_same(given, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(jobs, "desertion", lambda: "Snakemake has ended")
    state, saved = tmp_path / "state", []

    def save():
        with atomic(state) as temporary:
            temporary.write_text("half")
        saved.append(1)

    def steps(job):
        with interruptible(save, every=1e9) as work:
            work.check("step 3 of 8")

    with pytest.raises(Interrupted) as stopped:
        run_disturbed(given, lambda: None, steps)
    assert stopped.value.code == 75
    assert state.read_text() == "half"
    assert caplog.messages == [
        "interrupted at step 3 of 8 because Snakemake has ended; state saved; the next attempt "
        "continues"
    ]


def test_a_job_whose_result_is_wanted_from_another_configuration_leaves(given, caplog):
    def another_comes():
        about = json.loads(lock_of(given.a).read_text())
        lock_of(given.a).write_text(json.dumps({**about, "lineage": "9" * 16}))

    with pytest.raises(Interrupted):
        run_disturbed(given, another_comes, lambda job: write(given.b, job))
    assert not given.b.exists()
    assert "b.json" not in [path.name for path in given.a.parent.iterdir()]
    assert "from another configuration or other code" in caplog.text


def test_what_another_job_has_made_meanwhile_is_not_made_again(given, monkeypatch):
    run(given)
    monkeypatch.setattr(locks.Lock, "__enter__", lambda lock: setattr(lock, "waited", True) or lock)
    before = given.a.read_bytes()
    with pytest.raises(SystemExit) as ended, job_of(given.snakemake, given.script):
        raise AssertionError("it works")
    assert ended.value.code == 0
    assert given.a.read_bytes() == before
    given.b.unlink()
    run(given)
    assert given.b.exists()


def test_processes_that_help_touch_nothing(given):
    with job_of(given.snakemake, given.script, first=False) as job:
        assert job["lineage"] == OWN
        assert not lock_of(given.a).exists()


def test_a_module_whose_extra_is_not_installed_is_left_to_its_user(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "fsdiff.pde.loops", raising=False)
    jobs._load("fsdiff.pde.loops")
    assert "fsdiff.pde.loops" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=r"fsdiff\.pde\.knots"):
        jobs._load("fsdiff.pde.knots")


WITHOUT_EXTRAS = """
import sys
from pathlib import Path

for name in "arviz distributed iris_sample_data llvmlite mlxtend neuralop numba zarr".split():
    sys.modules[name] = None

from fsdiff import parts
from fsdiff.jobs.job import check_code
from fsdiff.provenance import fingerprint
from fsdiff.study import strict_yaml

reached = parts.modules(strict_yaml.read("config.yaml"))
for script in sorted(Path("workflow/scripts").glob("*.py")):
    check_code(script, reached, fingerprint(script=script, modules=reached))
"""


def test_every_job_of_the_quickstart_starts_without_any_extra():
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", WITHOUT_EXTRAS]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
