"""Studies of the workflow that benchmarks are made of."""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fsdiff.atomic import atomic

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Study:
    """A study that has run: its configuration, its results, and where its page goes."""

    settings: dict[str, Any]
    results: Path
    folder: Path

    @property
    def tested(self) -> int:
        """How many fields samples are compared with, half of the test data; of one data set."""
        return next(iter(self.settings["datasets"].values()))["split"]["test"] // 2

    def write(self, name: str, page: str) -> None:
        """Write its page."""
        with atomic(self.folder / name) as temporary:
            temporary.write_text(page, encoding="utf-8")


def run(configuration: Path, directory: Path, cores: int, *targets: str) -> None:
    """All jobs that ``targets`` below ``directory`` need; what is there is not made again."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    subprocess.run([*command, "--configfile", str(configuration.resolve()), "--quiet"], check=True)


def run_as_told(name: str, about: str | None, *targets: str) -> Study:
    """Run ``configs/NAME.yaml`` as the command line says, whose help begins with ``about``."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / name)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    configuration = ROOT / "configs" / f"{name}.yaml"
    run(configuration, arguments.directory, arguments.cores, *targets)
    settings = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    return Study(settings, arguments.directory / "results", arguments.folder)
