"""The conda environment, and all that is declared, has the versions that the tests run with."""

import re
import tomllib
from pathlib import Path

import yaml
from checkout import COPIED

from fsdiff.parts import kinds

REPOSITORY = Path(__file__).parents[2]


def name_of(requirement: str) -> str:
    """The package of a line such as ``name[extra]>=1``, in one spelling."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement).group()).lower()


def test_conda_environment_agrees_with_the_constraints() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {line for line in lines if not line.startswith("#")}
    environment = yaml.safe_load((REPOSITORY / "envs" / "fsdiff.yaml").read_text())
    wanted = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert set(wanted) <= pinned


def test_all_declared_packages_have_a_tested_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line) for line in lines if not line.startswith("#")}
    declared = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {name_of(requirement) for part in declared for requirement in part}
    assert wanted - {"fsdiff"} <= pinned


def test_what_the_slurm_profile_groups_are_rules() -> None:
    profile = yaml.safe_load((REPOSITORY / "profiles" / "slurm" / "profile.yaml").read_text())
    rules = {f"draw_{kind}" for kind in kinds("analysis")}
    for file in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        rules |= set(re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE))
    assert profile["groups"].keys() <= rules
    assert profile["group-components"].keys() <= set(profile["groups"].values())


def test_the_container_has_the_python_the_versions_and_the_files_of_a_checkout() -> None:
    recipe = (REPOSITORY / "Containerfile").read_text()
    environment = yaml.safe_load((REPOSITORY / "envs" / "fsdiff.yaml").read_text())
    python = next(item for item in environment["dependencies"] if str(item).startswith("python="))
    assert f"FROM docker.io/library/python:{python.removeprefix('python=')}-" in recipe
    assert "pip install --no-cache-dir --constraint constraints.txt --editable" in recipe
    assert "==" not in recipe
    copied = {
        name
        for line in recipe.splitlines()
        if line.startswith("COPY ")
        for name in line.split()[1:-1]
    }
    assert copied >= {"pyproject.toml", "constraints.txt", *COPIED}
    assert all((REPOSITORY / name).exists() for name in copied)
