"""The page of a study in ``configs/``, with its figures, as a page of the documentation.

Runs the study, which goes on where a run was stopped, and copies ``results/page.md`` to
``docs/benchmarks/NAME.md``, and the figures that it shows beside it.

    python benchmarks/page.py structure [--cores 1] [--directory runs/structure] [--output …]

A file in a folder is merged into the study that the folder is named after, where there is one,
which makes of ``configs/multilevel_diffusion.yaml``, its ``laptop.yaml`` and their ``digits.yaml``
a page about a publication:

    python benchmarks/page.py multilevel_diffusion/laptop/digits \\
      --output docs/reproduction/multilevel-digits.md --figures docs/images/reproduction

With ``--results FOLDER`` nothing is run: the page is made anew from the tables of the folder, in
which ``summary.csv`` is, and the figures that are there.

``structure`` takes about a quarter of an hour on one core, ``time_to_quality`` about 50 minutes,
``samplers`` 80, ``schedules`` 100, ``quality`` two hours, ``multilevel_diffusion/laptop/digits``
three, and its patterns five.
Nothing else should run where a page gives times: they are wall times.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from measuring import environment
from PIL import Image

from fsdiff.jobs.atomic import atomic
from fsdiff.stages.page import write_page
from fsdiff.stages.reproduction import reproduction
from fsdiff.study import load

ROOT = Path(__file__).parents[1]

WIDTH = 900
"""The most pixels of a picture's width."""


def configurations(name: str) -> list[Path]:
    """The files that are merged to the study of a name."""
    parts = name.split("/")
    names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    paths = [ROOT / "configs" / f"{name}.yaml" for name in names]
    return [path for path in paths if path.exists() or path == paths[-1]]


def run(files: Sequence[Path], directory: Path, cores: int, *targets: str) -> None:
    """All jobs that ``targets`` below ``directory`` need; what is there is not made again."""
    directory.mkdir(parents=True, exist_ok=True)
    # Files that a study names are looked for from where it is run, which elsewhere is the root.
    if not (beside := directory / "configs").exists():
        beside.symlink_to(ROOT / "configs")
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--quiet"]
    paths = [str(path.resolve()) for path in files]
    subprocess.run([*command, "--configfile", *paths], check=True)


def write_from_tables(files: Sequence[Path], results: Path) -> None:
    """Write the page of a study from the tables of one that has run.

    What became of its claims is told anew if it has no experiments, and as it is there otherwise.
    """
    study, trajectories = load(*files), results / "trajectories.csv"
    analysed = study.page.findings if study.page else []
    if study.claims and not study.experiments:
        reproduction(
            {"config": study.reproduction_slice()},
            summary=None,
            trajectories=None,
            searches=(),
            analyses=of_analyses(results, study.claimed_analyses),
            output=results / "reproduction.md",
        )
    write_page(
        {"config": study.page_slice()},
        summary=results / "summary.csv" if study.experiments else None,
        trajectories=trajectories if trajectories.exists() else None,
        claims=results / "reproduction.md" if study.page and study.page.claims else None,
        posteriors=results / "posteriors.md" if study.page and study.page.posteriors else None,
        judged=results / "posteriors.csv" if study.page and study.page.targets else None,
        analyses=of_analyses(results, analysed),
        output=results / "page.md",
    )


def of_analyses(results: Path, names: Sequence[str]) -> list[Path]:
    """The results of analyses."""
    return [results / "analyses" / f"{name}.nc" for name in names]


def publish(results: Path, output: Path, figures: Path | None, command: str) -> None:
    """Copy the page of a study to ``output`` and its figures, with what it was made by.

    Figures lie in a folder, or beside the page and are named after it.
    """
    folder, prefix = (output.parent, f"{output.stem}-") if figures is None else (figures, "")
    text = (results / "page.md").read_text(encoding="utf-8")
    for path in dict.fromkeys(re.findall(r"!\[.*?\]\((.+?)\)", text)):
        name = path.replace("/", "-").removeprefix("figures-").removeprefix("page-")
        figure = folder / f"{prefix}{name}"
        link = Path(os.path.relpath(figure, output.parent)).as_posix()
        text = text.replace(f"({path})", f"({link})")
        with atomic(figure) as temporary:
            copy(results / path, temporary)
    made = f"\nMade by `{command}`{hours(results)}: {environment()}\n"
    with atomic(output) as temporary:
        temporary.write_text(text.rstrip() + "\n" + made, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """A figure as it is, or a picture no larger than a page needs it, in 256 colours."""
    if source.suffix != ".png":
        target.write_bytes(source.read_bytes())
        return
    with Image.open(source) as picture:
        width = min(WIDTH, picture.width)
        size = (width, round(picture.height * width / picture.width))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize().save(target, format="PNG", optimize=True)


def hours(results: Path) -> str:
    """Processor hours of all jobs of a study that has run here, in words."""
    records = [pd.read_csv(path, sep="\t") for path in (results / "benchmarks").rglob("*.tsv")]
    if not records:
        return ""
    return f" in {pd.concat(records)['cpu_time'].sum() / 3600:.1f} processor hours"


def main() -> None:
    """Run the study, and copy the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the configuration")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--results", type=Path, help="of a study that has run")
    parser.add_argument("--output", type=Path, help="the page")
    parser.add_argument("--figures", type=Path, help="their folder")
    arguments = parser.parse_args()
    name, files, results = arguments.name, configurations(arguments.name), arguments.results
    if results is None:
        directory = arguments.directory or ROOT / "runs" / name
        run(files, directory, arguments.cores, "results/page.md")
        results = directory / "results"
    else:
        write_from_tables(files, results)
    output = arguments.output or ROOT / "docs" / "benchmarks" / f"{name.replace('/', '-')}.md"
    command = f"python benchmarks/page.py {name}"
    command += f" --output {arguments.output}" if arguments.output else ""
    command += f" --figures {arguments.figures}" if arguments.figures else ""
    publish(results, output, arguments.figures, command)


if __name__ == "__main__":
    main()
