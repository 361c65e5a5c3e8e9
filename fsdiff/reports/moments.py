"""Models at the moments at which samples of theirs were judged: during training, and at its end."""

import pandas as pd

from fsdiff.reports.summary import as_table, titles


def judged(
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    resolution: int,
    samples: int,
    *,
    same_sampler: bool = False,
) -> pd.DataFrame:
    """A row for each model, seed and moment, in the order of the summary and of time.

    ``training_seconds`` are those until then, ``time`` is that with ``samples`` samples drawn. The
    end of a training that was judged on the way is the last of its moments; others have their end
    alone, with NaN for ``epoch``. With ``same_sampler`` the median of all sampling times stands for
    each: what those of one network and one sampler differ by is noise.
    """
    summary = as_table(summary)
    ends = summary[(summary["row"] == "model") & (summary["resolution"] == resolution)]
    found = ends.assign(epoch=float("nan"))
    if trajectories is not None:
        kept = as_table(trajectories)[trajectories["resolution"] == resolution]
        cost = ends[["experiment", "seed", "seconds_per_sample"]]
        kept = kept.rename(columns={"seconds": "training_seconds"})
        kept = kept.drop(columns="seconds_per_sample", errors="ignore").merge(cost)
        others = ends[~ends["experiment"].isin(kept["experiment"])]
        found = pd.concat([kept, others.assign(epoch=float("nan"))], ignore_index=True)
    if same_sampler:
        found = found.assign(seconds_per_sample=found["seconds_per_sample"].median())
    time = found["training_seconds"] + samples * found["seconds_per_sample"]
    order = {name: place for place, name in enumerate(ends["experiment"].unique())}
    found = found.assign(
        time=time,
        title=found["experiment"].map(titles(summary)),
        order=found["experiment"].map(order),
    )
    return found.sort_values(["order", "time"], ignore_index=True).drop(columns="order")


def by_moment(found: pd.DataFrame) -> list[tuple[str, float, pd.DataFrame]]:
    """(experiment, epoch, its seeds) of each moment that all seeds of an experiment came to."""
    seeds = found.groupby("experiment")["seed"].transform("nunique")
    here = found.groupby(["experiment", "epoch"], dropna=False)["seed"].transform("nunique")
    groups = found[here == seeds].groupby(["experiment", "epoch"], sort=False, dropna=False)
    return [(name, epoch, rows) for (name, epoch), rows in groups]
