"""Trainings whose samples were judged again and again: a row and a dot for each moment."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from pandas.api.typing import DataFrameGroupBy
from report import number
from study import summary

from fsdiff.reports import tables
from fsdiff.reports.plain_text import markdown
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled

WANTED = 100
"""How many samples the time to samples is for."""

DISTANCES = {
    "one_point_w1": "W1 of values",
    "gradient_w1": "W1 of gradients",
    "patch_sliced_wasserstein": "sliced W2 of patches",
    "log_spectrum_error": "log-spectrum error",
}

REFERENCES = {"real": "real data", "surrogate": "Gaussian surrogate"}

SPREAD = ("min", "mean", "max")

HEADER = "training | training, s: | s per sample: | time, s:"


def judged(results: Path, resolution: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each model, seed and moment in training; and the rows of ``REFERENCES``."""
    ends, kept = summary(results), tables.read(results / "trajectories.csv")
    called = dict(zip(ends["experiment"], ends["title"], strict=True))
    kept["title"] = kept["experiment"].map(called)
    known, kept = (t[t["resolution"] == resolution] for t in (ends, kept))
    ends = known[known["row"] == "model"]
    cost = ends[["experiment", "seed", "seconds_per_sample"]]
    kept = kept.rename(columns={"seconds": "training_seconds"}).merge(cost)
    # The end of a training that was judged on the way is the last of its moments.
    ends = ends[~ends["experiment"].isin(kept["experiment"])]
    found = timed(pd.concat([kept, ends], ignore_index=True))
    order = {name: i for i, name in enumerate(cost["experiment"].unique())}
    found = found.assign(order=found["experiment"].map(order))
    found = found.sort_values(["dataset", "order", "time"], ignore_index=True)
    references = known[known["row"].isin(REFERENCES)]
    return found, references.sort_values(["dataset", "row"], ignore_index=True)


def timed(found: pd.DataFrame) -> pd.DataFrame:
    """The rows with the ``time`` of training and of ``WANTED`` samples, in seconds."""
    return found.assign(time=found["training_seconds"] + WANTED * found["seconds_per_sample"])


def header(distances: dict[str, str]) -> str:
    """The names of the table's columns."""
    return " | ".join([HEADER, *(f"{name}:" for name in distances.values())])


def lines(
    found: pd.DataFrame, references: pd.DataFrame, distances: dict[str, str]
) -> Iterator[list[str]]:
    """The rows of the table."""
    for (title, epoch), seeds in moments(found):
        epochs = "" if pd.isna(epoch) else f" after {epoch:.0f} epoch{'s' * (epoch > 1)}"
        costs = ("training_seconds", "seconds_per_sample", "time")
        spent = [number(seeds[key].mean()) for key in costs]
        yield [f"{markdown(title)}{epochs}", *spent, *(cell(seeds[key]) for key in distances)]
    several = references["dataset"].nunique() > 1
    for _, row in references.iterrows():
        name = f"*{REFERENCES[row['row']]}*" + f", {row['dataset']}" * several
        yield [name, "", "", "", *(f"{row[key]:.3f}" for key in distances)]


def moments(found: pd.DataFrame) -> DataFrameGroupBy:
    """The seeds of each moment that all seeds of a training came to, by title and epoch."""
    seeds = found.groupby("title")["seed"].transform("nunique")
    here = found.groupby(["title", "epoch"], dropna=False)["seed"].transform("nunique")
    return found[here == seeds].groupby(["title", "epoch"], sort=False, dropna=False)


def cell(values: pd.Series) -> str:
    """The mean over seeds, and half of their range."""
    spread = f" ± {(values.max() - values.min()) / 2:.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


@styled
def draw(found: pd.DataFrame, references: pd.DataFrame, distances: dict[str, str]) -> Figure:
    """A panel for each distance against time; rows of one ``curve`` are joined.

    Curves are means over seeds, in bands from the least to the greatest. References are those of
    the first data set.
    """
    known = references.drop_duplicates("row").set_index("row")
    figure = Figure(figsize=(3.0 * len(distances), 3.6), layout="constrained")
    panels = figure.subplots(1, len(distances))
    for axes, (key, name) in zip(panels, distances.items(), strict=True):
        for curve, style in experiment_styles(found["curve"].unique()).items():
            seeds = moments(found[found["curve"] == curve])
            rows = seeds.agg(time=("time", "mean"), **{how: (key, how) for how in SPREAD})
            rows = rows.sort_values("time")
            axes.plot(rows["time"], rows["mean"], label=curve, **style)
            band = {"color": style["color"], "alpha": 0.15, "linewidth": 0}
            axes.fill_between(rows["time"], rows["min"], rows["max"], **band)
        for (row, label), dashes in zip(REFERENCES.items(), ("-", "--"), strict=True):
            style = {"color": "black", "linestyle": dashes, "linewidth": 1.5, "zorder": 1}
            axes.axhline(known.loc[row, key], label=label, **style)
        axes.set(xscale="log", yscale="log", title=name)
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
        axes.set_xlabel(f"s to {WANTED} samples")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6))
    return figure
