"""Studies of the workflow that benchmarks are made of."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(configuration: Path, directory: Path, cores: int, *targets: str) -> None:
    """All jobs that ``targets`` below ``directory`` need; what is there is not made again."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    subprocess.run([*command, "--configfile", str(configuration.resolve()), "--quiet"], check=True)
