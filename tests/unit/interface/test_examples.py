"""The examples run, and say what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
TOLD = {
    "train_on_an_array": "loaded again it draws the same fields: True",
    "sample_on_a_finer_grid": "the same functions up to ",
    "compare_methods": "Gaussian surrogate",
    "condition_on_sensors": "guided diffusion: crps ",
}


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*TOLD}


@pytest.mark.parametrize("name", TOLD)
def test_examples_run(name, tmp_path):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::UserWarning"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert TOLD[name] in done.stdout
