"""The conda environment has the versions that the tests run with."""

from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]


def test_conda_environment_agrees_with_the_constraints() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {line for line in lines if not line.startswith("#")}
    environment = yaml.safe_load((REPOSITORY / "envs" / "fsdiff.yaml").read_text())
    wanted = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert set(wanted) <= pinned
