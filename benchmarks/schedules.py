"""How training time is best divided among grids: samples at 128 x 128 after three minutes of it.

Runs ``configs/schedules.yaml``, a study of the workflow, and writes ``schedules.md`` and
``schedules.svg`` from its tables. A run that was stopped goes on where it was.

    python benchmarks/schedules.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about 100 minutes on one core. Nothing else should run: times are wall times.
"""

from collections.abc import Iterator

import moments
import numpy as np
import pandas as pd
from measuring import environment
from moments import DISTANCES
from report import number, table
from scipy import stats
from study import run_from_command_line

from fsdiff.reports.plain_text import markdown
from fsdiff.reports.plotting.style import save

RESOLUTION = 128
BASELINES = ("only_128", "small_batches")
"""Schedules that train at the resolution of the samples alone."""

LEVEL = 0.05
"""Of significance."""

PAGE = """\
# Schedules of levels

Reaction–diffusion patterns at 128 × 128 nodes, one network and one sampler, and about three minutes
of training that are spent on different grids: at once on the finest one, or coarse to fine, each
level started from the weights of the one before with a learning rate that starts anew. For each
row and each of {seeds} seeds {count} samples were drawn and compared with {tested} fields that
training has not seen: means, and half of their range. *Real data* are as many other such fields as
samples, the *Gaussian surrogate* as many with the data's mean and spectrum and no structure.
Distances are in units of the data's standard deviation. *Time* is that of training on all levels,
without validation, and of drawing {wanted} samples, on one core; all schedules share network and
sampler, so the median of their sampling times stands for all. Epochs are those of the finest level.

## What schedules change

Distances of all schedules at their first and their last moments, means over seeds, and the
probability that ends differ as much by chance (analysis of variance of their logarithms, seeds as
blocks, because samples of one seed start from the same noise).

{differences}
## How much sooner

Where ends differ by more than chance (p < {level}): the time that training at 128² alone takes to
its nearest moment, seed by seed, by the time of a schedule's first moment that is as near.

{sooner}
{verdict}

## All rows

{rows}
![Distances against time](schedules.svg)

Made by `python benchmarks/schedules.py`: {environment}
"""


def differences(found: pd.DataFrame, references: pd.DataFrame) -> Iterator[list[str]]:
    """A row for each distance: its range over schedules, the floor, and whether they differ."""
    real = references[references["row"] == "real"]
    for key, name in DISTANCES.items():
        first, last = (of_seeds(found, key, moment) for moment in ("first", "last"))
        means = (first.mean(axis=1), last.mean(axis=1))
        ranges = [f"{mean.min():.3f} to {mean.max():.3f}" for mean in means]
        yield [name, *ranges, f"{real[key].iloc[0]:.3f}", f"{chance(last):.2g}"]


def of_seeds(found: pd.DataFrame, key: str, moment: str) -> pd.DataFrame:
    """A distance at the first or the last moment of each schedule (rows) and seed (columns)."""
    return found.groupby(["title", "seed"], sort=False)[key].agg(moment).unstack("seed")


def chance(ends: pd.DataFrame) -> float:
    """The probability that schedules (rows) of equal means differ as much, seeds being blocks."""
    logarithms = np.log(ends.to_numpy())
    schedules, seeds = logarithms.shape
    of_schedules, of_seeds = logarithms.mean(1, keepdims=True), logarithms.mean(0, keepdims=True)
    rest = logarithms - of_schedules - of_seeds + logarithms.mean()
    freedom = (schedules - 1, (schedules - 1) * (seeds - 1))
    explained = seeds * np.square(of_schedules - logarithms.mean()).sum() / freedom[0]
    return float(stats.f.sf(explained * freedom[1] / np.square(rest).sum(), *freedom))


def telling(found: pd.DataFrame) -> dict[str, str]:
    """The distances in which schedules end differently."""
    return {k: v for k, v in DISTANCES.items() if chance(of_seeds(found, k, "last")) < LEVEL}


def sooner(found: pd.DataFrame, distances: dict[str, str]) -> Iterator[list[str]]:
    """A row for each schedule but the baselines: times sooner for each distance."""
    for experiment, rows in found.groupby("experiment", sort=False):
        if experiment not in BASELINES:
            yield [markdown(rows["title"].iloc[0]), *(times(rows, found, key) for key in distances)]


def times(rows: pd.DataFrame, found: pd.DataFrame, key: str) -> str:
    """Times sooner than the nearest moment of the baselines, one number for each seed."""
    baselines = found[found["experiment"].isin(BASELINES)]
    goals = baselines.loc[baselines.groupby("seed")[key].idxmin()].set_index("seed")
    near = rows[rows[key] <= rows["seed"].map(goals[key])]
    factors = goals["time"] / near.groupby("seed")["time"].min()
    return ", ".join("never" if np.isnan(factor) else number(factor) for factor in factors)


def verdict(found: pd.DataFrame, distances: dict[str, str]) -> str:
    """The nearest end of all schedules, for each distance, in words."""
    said = []
    for key, name in distances.items():
        ends = of_seeds(found, key, "last").mean(axis=1)
        nearest, distance = markdown(ends.idxmin()), ends.min()
        said.append(f"*{nearest}* ends nearest to the data in {name}, at {distance:.3f}.")
    return " ".join(said)


def main() -> None:
    """Run the study, and write the page."""
    targets = ("results/summary.csv", "results/trajectories.csv")
    study = run_from_command_line(__doc__, ["schedules"], *targets)
    found, references = moments.judged(study.results, RESOLUTION)
    # All have the same network and sampler: what their sampling times differ by is noise.
    per_sample = found["seconds_per_sample"].median()
    found = moments.timed(found.assign(seconds_per_sample=per_sample, curve=found["title"]))
    distances = telling(found)
    save(moments.draw(found, references, DISTANCES), study.folder / "schedules.svg")
    page = PAGE.format(
        wanted=moments.WANTED,
        level=LEVEL,
        count=study.count,
        seeds=found["seed"].nunique(),
        tested=study.tested(),
        differences=table(
            "distance | first moments: | last moments: | real data: | p:",
            differences(found, references),
        ),
        sooner=table(
            " | ".join(["schedule", *(f"{name}:" for name in distances.values())]),
            sooner(found, distances),
        ),
        rows=table(moments.header(DISTANCES), moments.lines(found, references, DISTANCES)),
        verdict=verdict(found, distances),
        environment=environment(),
    )
    study.write("schedules.md", page)


if __name__ == "__main__":
    main()
