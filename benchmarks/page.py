"""The page of a study in ``configs/``, with its figures, as a page of the documentation.

Runs the study, which goes on where a run was stopped, and copies ``results/page.md`` to
``docs/benchmarks/NAME.md``, and the figures that it shows beside it.

    python benchmarks/page.py structure [--cores 1] [--directory runs/structure] [--folder …]

With ``--results FOLDER`` nothing is run: the page is made anew from the tables of the folder, in
which ``summary.csv`` is, and the figures that are there.

``structure`` takes about a quarter of an hour on one core, ``time_to_quality`` about 50 minutes,
``quality`` two hours. Nothing else should run where a page gives times: they are wall times.
"""

import argparse
import re
from pathlib import Path

from measuring import environment
from study import ROOT, run

from fsdiff.jobs.atomic import atomic
from fsdiff.stages.page import write_page
from fsdiff.study import load


def write_from_tables(configuration: Path, results: Path) -> None:
    """Write the page of a configuration from the tables of a study that has run."""
    trajectories = results / "trajectories.csv"
    write_page(
        {"config": load(configuration).page_slice()},
        summary=results / "summary.csv",
        trajectories=trajectories if trajectories.exists() else None,
        output=results / "page.md",
    )


def publish(results: Path, name: str, folder: Path, command: str) -> None:
    """Copy the page of a study and its figures, with what it was made by."""
    text = (results / "page.md").read_text(encoding="utf-8")
    for path in dict.fromkeys(re.findall(r"!\[.*?\]\((.+?)\)", text)):
        figure = f"{name}-{path.replace('/', '-').removeprefix('figures-').removeprefix('page-')}"
        text = text.replace(f"({path})", f"({figure})")
        with atomic(folder / figure) as temporary:
            temporary.write_bytes((results / path).read_bytes())
    made = f"\nMade by `{command}`: {environment()}\n"
    with atomic(folder / f"{name}.md") as temporary:
        temporary.write_text(text.rstrip() + "\n" + made, encoding="utf-8")


def main() -> None:
    """Run the study, and copy the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the configuration")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--results", type=Path, help="of a study that has run")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    configuration = ROOT / "configs" / f"{arguments.name}.yaml"
    results = arguments.results
    if results is None:
        directory = arguments.directory or ROOT / "runs" / arguments.name
        run([configuration], directory, arguments.cores, "results/page.md")
        results = directory / "results"
    else:
        write_from_tables(configuration, results)
    command = f"python benchmarks/page.py {arguments.name}"
    publish(results, arguments.name, arguments.folder, command)


if __name__ == "__main__":
    main()
