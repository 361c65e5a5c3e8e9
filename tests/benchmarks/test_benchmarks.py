"""Benchmarks run from beginning to end at their smallest sizes; the numbers mean nothing."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmarks

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

PEERS = {"networks": "neuralop"}
"""What a benchmark compares with, where this is no dependency of the package or its tests."""

SMALLEST = {
    "mcmc": "--quick --only linear darcy --folder {}",
    "memory": "--samples 20 --channels 1 --folder {}",
    "networks": "--quick --threads 1 --folder {}",
    "refinement": "--samples 2 --resolutions 8 16 --output {}",
}


@pytest.mark.parametrize("name", SMALLEST)
def test_it_writes_its_page(name, tmp_path):
    if name in PEERS and find_spec(PEERS[name]) is None:
        pytest.skip(f"{PEERS[name]} is not installed")
    arguments = SMALLEST[name].format(tmp_path).split()
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (page,) = tmp_path.glob("*.md")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"benchmarks/{name}.py" in text
    assert "|---" in text.replace(" ", "")
