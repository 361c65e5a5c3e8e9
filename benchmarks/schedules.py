"""How training time is best divided among grids: samples at 128 x 128 after four minutes of it.

Runs ``configs/schedules.yaml``, a study of the workflow, and writes ``schedules.md`` and
``schedules.svg`` from its tables. A run that was stopped goes on where it was.

    python benchmarks/schedules.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about 50 minutes on one core. Nothing else should run: times are wall times.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import moments
import pandas as pd
import yaml
from measuring import environment
from moments import DISTANCES
from report import number, table
from study import ROOT, run

from fsdiff.atomic import atomic
from fsdiff.plotting.style import save

CONFIGURATION = ROOT / "configs" / "schedules.yaml"
RESOLUTION = 128
BASELINES = ("only_128", "small_batches")
"""Schedules without a coarse level."""

PAGE = """\
# Schedules of levels

Reaction–diffusion patterns at 128 × 128 nodes, one network and one sampler, and about four minutes
of training that are spent on different grids: at once on the finest one, or coarse to fine, each
level started from the weights of the one before with a learning rate that starts anew. {count}
samples were drawn for each row, of one seed, and compared with {tested} fields that training has
not seen; *real data* are as many other such fields, the *Gaussian surrogate* has the data's mean
and spectrum and no structure. *Time* is that of training, without validation, and of drawing
{wanted} samples, on one core.

## How much sooner

Training at 128² alone ends {ends}.
*Times sooner* is the time to that by the time of a schedule's first row that is as near or nearer.

{sooner}
## All rows

{rows}
![Distances against time](schedules.svg)

Made by `python benchmarks/schedules.py` in one run: {environment}
"""


def baseline(found: pd.DataFrame, key: str) -> pd.Series:
    """The row without a coarse level that is nearest to the data."""
    rows = found[found["experiment"].isin(BASELINES)]
    return rows.loc[rows[key].idxmin()]


def sooner(found: pd.DataFrame) -> Iterator[list[str]]:
    """A row for each schedule with coarse levels: times sooner for each distance."""
    for experiment, rows in found.groupby("experiment", sort=False):
        if experiment in BASELINES:
            continue
        cells = []
        for key in DISTANCES:
            goal = baseline(found, key)
            near = rows[rows[key] <= goal[key]]
            cells.append("never" if near.empty else number(goal["time"] / near["time"].min()))
        yield [rows["title"].iloc[0], *cells]


def ends(found: pd.DataFrame) -> str:
    """Where training at the finest grid alone gets, in words."""
    return ", ".join(
        f"at {goal[key]:.3f} in {name} after {number(goal['time'])} s (*{goal['title']}*)"
        for key, name in DISTANCES.items()
        for goal in [baseline(found, key)]
    )


def main() -> None:
    """Run the study, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "schedules")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    targets = ("results/summary.csv", "results/trajectories.csv")
    run(CONFIGURATION, arguments.directory, arguments.cores, *targets)
    settings = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    found, references = moments.judged(arguments.directory / "results", RESOLUTION)
    found["curve"] = found["title"]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(moments.draw(found, references, DISTANCES), arguments.folder / "schedules.svg")
    names = " | ".join(f"{name}:" for name in DISTANCES.values())
    page = PAGE.format(
        wanted=moments.WANTED,
        count=settings["defaults"]["samples"]["count"],
        tested=settings["datasets"]["cosine_patterns"]["split"]["test"] // 2,
        ends=ends(found),
        sooner=table(f"schedule | {names}", sooner(found)),
        rows=table(moments.header(DISTANCES), moments.lines(found, references, DISTANCES)),
        environment=environment(),
    )
    with atomic(arguments.folder / "schedules.md") as temporary:
        Path(temporary).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
