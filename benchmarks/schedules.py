"""How training time is best divided among grids: samples at 128 x 128 after four minutes of it.

Runs ``configs/schedules.yaml``, a study of the workflow, and writes ``schedules.md`` and
``schedules.svg`` from its tables. A run that was stopped goes on where it was.

    python benchmarks/schedules.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about 90 minutes on one core. Nothing else should run: times are wall times.
"""

from collections.abc import Iterator

import moments
import pandas as pd
from measuring import environment
from moments import DISTANCES, cell
from report import number, table
from study import run_as_told

from fsdiff.plotting.style import save

RESOLUTION = 128
BASELINES = ("only_128", "small_batches")
"""Schedules without a coarse level."""

PAGE = """\
# Schedules of levels

Reaction–diffusion patterns at 128 × 128 nodes, one network and one sampler, and about four minutes
of training that are spent on different grids: at once on the finest one, or coarse to fine, each
level started from the weights of the one before with a learning rate that starts anew. For each
row and each of {seeds} seeds {count} samples were drawn and compared with {tested} fields that
training has not seen: means, and half of their range. *Real data* are as many other such fields as
samples, the *Gaussian surrogate* as many with the data's mean and spectrum and no structure. *Time*
is that of training on all levels, without validation, and of drawing {wanted} samples, on one core.
Epochs are those of the finest level.

## How much sooner

Training at 128² alone comes to {ends}.
*Times sooner* is the time to that, seed by seed, by the time of a schedule's first moment that is
as near or nearer.

{sooner}
## All rows

{rows}
![Distances against time](schedules.svg)

Made by `python benchmarks/schedules.py` in one run: {environment}
"""


def goals(found: pd.DataFrame, key: str) -> pd.DataFrame:
    """Of each seed, the row without a coarse level that is nearest to the data."""
    rows = found[found["experiment"].isin(BASELINES)]
    return rows.loc[rows.groupby("seed")[key].idxmin()].set_index("seed")


def sooner(found: pd.DataFrame) -> Iterator[list[str]]:
    """A row for each schedule with coarse levels: times sooner for each distance."""
    for experiment, rows in found.groupby("experiment", sort=False):
        if experiment not in BASELINES:
            cells = (times(rows, goals(found, key), key) for key in DISTANCES)
            yield [rows["title"].iloc[0], *cells]


def times(rows: pd.DataFrame, goal: pd.DataFrame, key: str) -> str:
    """Times sooner than the goals of each seed, in words."""
    near = rows[rows[key] <= rows["seed"].map(goal[key])]
    factors = (goal["time"] / near.groupby("seed")["time"].min()).sort_values(na_position="last")
    return ", ".join("never" if pd.isna(factor) else number(factor) for factor in factors)


def ends(found: pd.DataFrame) -> str:
    """Where training at the finest grid alone gets, in words."""
    return ", ".join(
        f"{cell(goal[key])} in {name} after {number(goal['time'].mean())} s"
        for key, name in DISTANCES.items()
        for goal in [goals(found, key)]
    )


def main() -> None:
    """Run the study, and write the page."""
    targets = ("results/summary.csv", "results/trajectories.csv")
    study = run_as_told(__doc__, ["schedules"], *targets)
    found, references = moments.judged(study.results, RESOLUTION)
    found["curve"] = found["title"]
    save(moments.draw(found, references, DISTANCES), study.folder / "schedules.svg")
    names = " | ".join(f"{name}:" for name in DISTANCES.values())
    page = PAGE.format(
        wanted=moments.WANTED,
        count=study.count,
        seeds=found["seed"].nunique(),
        tested=study.tested(),
        ends=ends(found),
        sooner=table(f"schedule | {names}", sooner(found)),
        rows=table(moments.header(DISTANCES), moments.lines(found, references, DISTANCES)),
        environment=environment(),
    )
    study.write("schedules.md", page)


if __name__ == "__main__":
    main()
