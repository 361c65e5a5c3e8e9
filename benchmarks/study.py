"""Studies of the workflow that benchmarks are made of."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fsdiff.jobs.atomic import atomic
from fsdiff.reports import tables
from fsdiff.reports.summary import as_table, titles
from fsdiff.study import Configuration, load

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Study:
    """A study that has run: its configuration, its results, and where its page goes."""

    settings: Configuration
    results: Path
    folder: Path

    @property
    def count(self) -> int:
        """How many samples its models draw."""
        return next(iter(self.settings.experiments.values())).samples.count

    def tested(self, dataset: str | None = None) -> int:
        """How many fields samples are compared with: half of a data set's test fields."""
        datasets = self.settings.datasets
        return datasets[dataset or next(iter(datasets))].split.test // 2

    def write(self, name: str, page: str) -> None:
        """Write its page."""
        with atomic(self.folder / name) as temporary:
            temporary.write_text(page, encoding="utf-8")


def summary(results: Path) -> pd.DataFrame:
    """The summary of a study; no two of its experiments have the same title."""
    table = tables.read(results / "summary.csv")
    called = {"": "", **titles(as_table(table))}
    return table.assign(title=table["experiment"].map(called))


def run(configurations: Sequence[Path], directory: Path, cores: int, *targets: str) -> None:
    """All jobs that ``targets`` below ``directory`` need; what is there is not made again."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--quiet"]
    paths = [str(path.resolve()) for path in configurations]
    subprocess.run([*command, "--configfile", *paths], check=True)


def run_from_command_line(
    about: str | None, names: Sequence[str], *targets: str, folder: str = "docs/benchmarks"
) -> Study:
    """Run the study of ``configs/NAME.yaml``, the last one an overlay of those before.

    As the command line says, whose help begins with ``about``.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / names[0])
    parser.add_argument("--folder", type=Path, default=ROOT / folder)
    arguments = parser.parse_args()
    configurations = [ROOT / "configs" / f"{name}.yaml" for name in names]
    run(configurations, arguments.directory, arguments.cores, *targets)
    return Study(load(*configurations), arguments.directory / "results", arguments.folder)
