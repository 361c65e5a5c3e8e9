"""The tutorial does what it says, with fewer samples and steps than it has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY, Checkout

import fsdiff as fs

pytestmark = pytest.mark.workflow

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
SMALLER = {
    "range(400)": "range(24)",
    "epochs=20": "epochs=2",
    "epochs: 20": "epochs: 2",
    "{train: 320, validation: 32, test: 96}": "{train: 16, validation: 4, test: 16}",
    "count: 48": "count: 8",
    "viscosity: 0.01,": "viscosity: 0.1,",
    "--cores all": "--cores 2",
}


def blocks(language: str) -> list[str]:
    """The blocks of code of a language, made smaller."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    for old, new in SMALLER.items():
        assert old in PAGE
        found = [block.replace(old, new) for block in found]
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """A copy of the repository with the study of the page."""
    made = Checkout.create(tmp_path_factory.mktemp("tutorial") / "checkout")
    (study,) = blocks("yaml")
    (made.root / "tutorial.yaml").write_text(study, encoding="utf-8")
    return made


def shell(command: str, folder: Path) -> str:
    """What a command of the page writes; a failure fails the test and shows it."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PATH": programs}
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_installs_what_the_makefile_installs():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    install = blocks("sh")[0]
    assert "--constraint constraints.txt" in install
    assert "--constraint constraints.txt" in makefile
    assert install.rstrip().endswith("--editable .")


def test_its_python_runs_in_order(tmp_path):
    (tmp_path / "tutorial.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "tutorial.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = {"waves.safetensors", "waves.json", "waves.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"tutorial.py", *written}


def test_its_study_runs_and_an_edit_runs_again_what_it_says(checkout):
    _, check, run, plan = blocks("sh")
    assert shell(check, checkout.root) == ""
    shell(run, checkout.root)
    assert (checkout.root / "waves.html").exists()
    trained = fs.load(checkout.root / "results" / "models" / "diffusion" / "seed0" / "64")
    assert trained.sample(n=32, indices=[0, 1]).fields.isfinite().all()
    old, new = re.search(r"change `(.+?)` to `(.+?)`", PAGE).groups()
    study = checkout.root / "tutorial.yaml"
    before = study.read_text(encoding="utf-8")
    assert before.count(old) == 1
    study.write_text(before.replace(old, new), encoding="utf-8")
    (table,) = blocks("text")
    assert table in shell(plan, checkout.root)
