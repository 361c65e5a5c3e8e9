"""The examples run, with less training and fewer cases, and say what they promise."""

import os
import re
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
SMALLER = {r"epochs=\d+": "epochs=1", r"range\(100\)": "range(8)", r"64, 12, 20": "64, 3, 20"}
"""What is replaced in them."""


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*TOLD}


@pytest.mark.parametrize("name", TOLD)
def test_examples_run(name, tmp_path):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert "epochs=" in text
    for old, new in SMALLER.items():
        text = re.sub(old, new, text)
    smaller = tmp_path / f"{name}.py"
    smaller.write_text(text, encoding="utf-8")
    command = [sys.executable, str(smaller), str(tmp_path)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLES.parent),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error::UserWarning",
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert TOLD[name] in done.stdout
