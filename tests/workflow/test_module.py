"""The workflow as a module of another one, in its own place and with a prefix."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY
from dry_runs import dry_run

pytestmark = pytest.mark.workflow

OTHER = """
import yaml

config["study"] = yaml.safe_load(open("study.yaml"))
config["numbers"] = {{1: "keys of another workflow need not be text"}}


rule all:
    default_target: True
    input:
        "{prefix}results/samples/single_level/seed0/32.nc",


module fsdiff:
    snakefile: "{snakefile}"
    config: config["study"]
    {option}


use rule * from fsdiff as fsdiff_*
"""


@pytest.fixture(params=["", "flows"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The folder of another workflow, and where it wants the results: here or in a folder."""
    prefix = f"{request.param}/" if request.param else ""
    option = f'prefix: "{request.param}"' if request.param else ""
    text = OTHER.format(prefix=prefix, option=option, snakefile=REPOSITORY / "Snakefile")
    (tmp_path / "Snakefile").write_text(text)
    tiny = (REPOSITORY / "tests" / "workflow" / "tiny.yaml").read_text()
    (tmp_path / "study.yaml").write_text(tiny.replace("shards: 2", "shards: 1"))
    return tmp_path, prefix


def snakemake(folder: Path, *arguments: str) -> str:
    """Output of Snakemake in a folder; a failure fails the test and shows the output."""
    if arguments[:1] == ("--dry-run",):
        code, output = dry_run(REPOSITORY, *arguments[1:], folder=folder)
        assert code == 0, output
        return output
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_another_workflow_uses_the_rules(other: tuple[Path, str]) -> None:
    folder, prefix = other
    planned = snakemake(folder, "--dry-run")
    assert "fsdiff_train" in planned
    assert f"{prefix}results/data/waves/dataset.nc" in planned
    assert "fsdiff_summary" not in planned  # what is to be made is for the other workflow to say
    coarse = f"{prefix}results/data/waves/16.nc"
    snakemake(folder, coarse)
    data = folder / f"{prefix}results/data/waves"
    assert sorted(path.name for path in data.iterdir()) == ["16.nc", "dataset.nc"]
    # The state of the job has been beside the results, and nothing is anywhere else.
    assert (folder / f"{prefix}results/state").is_dir()
    assert bool(prefix) != (folder / "results").exists()
    # Its records of results lost, Snakemake is told of edits.
    shutil.rmtree(folder / ".snakemake")
    assert "Nothing to be done" in snakemake(folder, "--dry-run", coarse)
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("seed: 3", "seed: 4"))
    told = f"{prefix}results/data/waves/dataset.nc was made with another configuration: simulate.se"
    assert told in snakemake(folder, "--dry-run", coarse)
