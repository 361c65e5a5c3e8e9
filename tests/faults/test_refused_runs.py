"""Runs that cannot begin: what is wrong is said before any job, with the way out.

That fifty kinds of mistakes in a configuration are explained is tested in unit/test_config.py, that
a study killed in its middle goes on in workflow/test_run.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from checkout import REPOSITORY, Checkout

pytestmark = pytest.mark.faults

LOCKED = "results/data/waves/shards/0-27.nc"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which make finds everything installed: the programs of this environment."""
    checkout = Checkout.create(tmp_path_factory.mktemp("made") / "checkout")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (checkout.root / name).write_bytes((REPOSITORY / name).read_bytes())
    programs = checkout.root / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in {"python": "", "snakemake": "-m snakemake"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    (checkout.root / ".venv" / "installed").touch()
    return checkout


@pytest.fixture
def locked(installed: Checkout) -> Checkout:
    """What a killed Snakemake leaves: the names of files that it was making."""
    locks = installed.root / ".snakemake" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text(f"{LOCKED}\n")
    return installed


def make(checkout: Checkout, *arguments: str) -> tuple[int, str]:
    """Exit status and output of make."""
    done = subprocess.run(
        ["make", *arguments],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(checkout.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_lock_of_a_killed_run_is_explained_and_removed_as_told(locked: Checkout) -> None:
    code, output = make(locked, "run", "CORES=1")
    assert code != 0
    assert "a killed run has left its lock" in output
    (command,) = [line for line in output.splitlines() if line.startswith("remove it with")]
    subprocess.run(command.split("'")[1], shell=True, cwd=locked.root, check=True)
    assert not list(locked.root.glob(".snakemake/locks/*"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("datasets: [1, 2\n", "line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        ("datasets:\n\twaves: {}\n", "line 2, column 1: found character '\\t'"),
        ("", "empty; expected datasets, experiments, evaluation"),
        ("datasets: {}\ndatasets: {}\n", "'datasets' was already given in line 1; keep one"),
    ],
)
def test_a_configuration_that_is_no_yaml_is_refused_with_the_line(
    installed: Checkout, text: str, told: str
) -> None:
    (installed.root / "study.yaml").write_text(text)
    code, output = make(installed, "run", "CORES=1", "CONFIG=study.yaml")
    assert code != 0
    assert told in output
    assert "study.yaml" in output
    assert "Traceback" not in output


def test_an_experiment_that_is_there_twice_is_not_lost_in_silence(installed: Checkout) -> None:
    text = installed.configuration.read_text()
    (installed.root / "twice.yaml").write_text(text.replace("single_level:", "multilevel:"))
    code, output = installed.attempt("--dry-run", "--configfile", "twice.yaml")
    assert code != 0
    assert "twice.yaml: line " in output
    assert "'multilevel' was already given in line 24; keep one" in output


def test_files_whose_names_have_spaces_and_several_files(installed: Checkout) -> None:
    """Both are refused here, each for what is in it: nothing runs, and no name is taken apart."""
    good = installed.configuration.read_text()
    name = "Anna's study.yaml"
    (installed.root / name).write_text("datasets: [1, 2\n")
    code, output = make(installed, "run", "CORES=1", f"CONFIG={name}")
    assert code != 0
    assert f"{name}: line 2, column 1" in output
    (installed.root / "first.yaml").write_text(good)
    (installed.root / "second.yaml").write_text("device: abacus\n")
    code, output = make(installed, "run", "CORES=1", "CONFIG=first.yaml second.yaml")
    assert code != 0
    assert 'first.yaml with second.yaml:\n  device = "abacus": expected one of' in output


def test_values_of_the_command_line_are_what_they_are_in_files(installed: Checkout) -> None:
    target = "results/samples/single_level/seed7/32.nc"
    given = 'defaults={"seeds": [7], "training": {"average_decay": 0.9, "compile": false}}'
    code, output = installed.attempt("--dry-run", target, "--config", given)
    assert code == 0, output
    assert target in output
    given = 'datasets={"waves": {"seed": 9223372036854775808}}'
    code, output = installed.attempt("--dry-run", "--config", given)
    assert code != 0
    assert "datasets.waves.seed = 9223372036854775808: too large" in output
