"""How long Snakemake takes to plan a study of many models.

The study is the tiny one of the tests, with many experiments of one level each on a data set, each
in several seeds: a model job, a sampling job and an evaluation each. Times are processor
seconds of ``snakemake --dry-run`` in a process of its own, before anything has run.

    python benchmarks/planning.py [--experiments 250] [--seeds 4] [TARGET ...]
"""

import argparse
import copy
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
TINY = REPOSITORY / "tests" / "workflow" / "tiny.yaml"


def study(experiments: int, seeds: int) -> dict[str, Any]:
    """A configuration with ``experiments`` × ``seeds`` models, no two trained alike."""
    configuration = yaml.safe_load(TINY.read_text())
    pattern = configuration["experiments"]["single_level"]
    configuration["experiments"] = {}
    for number in range(experiments):
        experiment = copy.deepcopy(pattern) | {"title": f"Rate {number}"}
        experiment["levels"][0]["learning_rate"] = 1e-3 / (1 + number)
        configuration["experiments"][f"rate_{number}"] = experiment
    configuration["defaults"]["seeds"] = list(range(seeds))
    return configuration


def plan(configuration: dict[str, Any], folder: Path, targets: list[str]) -> tuple[float, str]:
    """Processor seconds of a dry run, and what it prints."""
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(configuration))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--configfile", file]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--directory", folder, "--", *targets],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stdout + done.stderr


def main() -> None:
    """Print the table of jobs and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("targets", nargs="*", help="what to plan for, instead of everything")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        configuration = study(arguments.experiments, arguments.seeds)
        seconds, output = plan(configuration, Path(folder), arguments.targets)
    print(output)
    print(f"{arguments.experiments * arguments.seeds} models: {seconds:.1f} processor seconds")


if __name__ == "__main__":
    main()
