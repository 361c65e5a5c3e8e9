"""What jobs inherit: nothing that makes them wait for others, fail late or compute otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsdiff.jobs.environment import prepare
from fsdiff.jobs.launching import first, run_in_processes, together
from fsdiff.training.processes import ALONE, joined

LEFT_OVER = {"TORCHELASTIC_RUN_ID": "yesterday", "LOCAL_RANK": "7", "RANK": "1"}
HARMFUL = {
    **LEFT_OVER,
    "MASTER_ADDR": "elsewhere",
    "OMP_NUM_THREADS": "garbage",
    "MKL_NUM_THREADS": "0",
    "DASK_ARRAY__CHUNK_SIZE": "garbage",
    "DASK_NUM_WORKERS": "garbage",
    "DASK_SCHEDULER": "garbage",
}
KEPT = {
    "OMP_NUM_THREADS": "4,2",
    "DASK_SCHEDULER_ADDRESS": "tcp://node12:8786",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
    "LANG": "xx_YY",
    "PATH": "/bin",
}


def test_what_harms_jobs_is_taken_out_and_nothing_else():
    found = {**HARMFUL, "MPLBACKEND": "nonsense"}
    prepare(found)
    assert {"MPLBACKEND": "Agg"}.items() <= found.items()
    assert not found.keys() & HARMFUL.keys()
    kept = dict(KEPT)
    prepare(kept)
    assert KEPT.items() <= kept.items()


def test_figures_are_saved_whatever_backend_was_chosen(tmp_path):
    script = (
        "import os; from fsdiff.jobs.environment import prepare; prepare(os.environ)\n"
        "from matplotlib.figure import Figure; Figure().savefig('figure.svg')"
    )
    environment = {**os.environ, "MPLBACKEND": "nonsense", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "figure.svg").exists()


def test_one_variable_of_torchrun_is_no_company(monkeypatch):
    """Else a job would wait for processes that nobody has started."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "left over")
    assert first()
    assert not together()
    run_in_processes(Path("never started"))
    with joined("cpu") as processes:
        assert processes is ALONE
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.setenv(name, "1")
    assert together()
    assert not first()


def nobody(script, **environment):
    """Output of a script that runs as a user whom the system does not know."""
    command = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if os.name != "posix" or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("unshare cannot make a user without a name here")
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command += [sys.executable, "-c", script]
    return subprocess.run(command, env=bare, capture_output=True, text=True, check=True).stdout


def test_a_user_without_a_name_gets_one():
    script = (
        "import getpass, os; from fsdiff.jobs.environment import prepare; prepare(os.environ)\n"
        "print(getpass.getuser())"
    )
    assert nobody(script).strip() == "user54321"
    assert nobody(script, USER="somebody").strip() == "somebody"
