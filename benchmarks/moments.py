"""Trainings whose samples were judged again and again: a row and a dot for each moment."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from report import number

from fsdiff.plotting.style import experiment_styles, plain_ticks, styled

WANTED = 100
"""How many samples the time to samples is for."""

DISTANCES = {
    "one_point_w1": "W1 of values",
    "gradient_w1": "W1 of gradients",
    "patch_sliced_wasserstein": "sliced W2 of patches",
    "log_spectrum_error": "log-spectrum error",
}

REFERENCES = {"real": "real data", "surrogate": "Gaussian surrogate"}

HEADER = "training | training, s: | s per sample: | time, s:"


def judged(results: Path, resolution: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each model and each moment in its training; and the rows of ``REFERENCES``.

    ``time`` is that of training and of ``WANTED`` samples, in seconds.
    """
    tables = [pd.read_csv(results / f"{name}.csv") for name in ("summary", "trajectories")]
    summary, kept = (t[t["resolution"] == resolution] for t in tables)
    ends = summary[summary["row"] == "model"]
    cost = ends.set_index("experiment")["seconds_per_sample"]
    kept = kept.rename(columns={"seconds": "training_seconds"})
    # The end of a training that was judged on the way is the last of its moments.
    ends = ends[~ends["experiment"].isin(kept["experiment"])]
    found = pd.concat([kept, ends], ignore_index=True)
    found["per_sample"] = found["experiment"].map(cost)
    found["time"] = found["training_seconds"] + WANTED * found["per_sample"]
    found = found.sort_values(["dataset", "experiment", "time"], ignore_index=True)
    references = summary[summary["row"].isin(REFERENCES)]
    return found, references.sort_values(["dataset", "row"], ignore_index=True)


def header(distances: dict[str, str]) -> str:
    """The names of the table's columns."""
    return " | ".join([HEADER, *(f"{name}:" for name in distances.values())])


def lines(
    found: pd.DataFrame, references: pd.DataFrame, distances: dict[str, str]
) -> Iterator[list[str]]:
    """The rows of the table."""
    for _, row in found.iterrows():
        epochs = "" if pd.isna(row["epoch"]) else f" after {row['epoch']:.0f} epochs"
        costs = [number(row[key]) for key in ("training_seconds", "per_sample", "time")]
        yield [row["title"] + epochs, *costs, *(f"{row[key]:.3f}" for key in distances)]
    several = references["dataset"].nunique() > 1
    for _, row in references.iterrows():
        name = f"*{REFERENCES[row['row']]}*" + f", {row['dataset']}" * several
        yield [name, "", "", "", *(f"{row[key]:.3f}" for key in distances)]


@styled
def draw(found: pd.DataFrame, references: pd.DataFrame, distances: dict[str, str]) -> Figure:
    """A panel for each distance against time; rows of one ``curve`` are joined.

    References are those of the first data set.
    """
    known = references.drop_duplicates("row").set_index("row")
    figure = Figure(figsize=(3.0 * len(distances), 3.6), layout="constrained")
    panels = figure.subplots(1, len(distances))
    for axes, (key, name) in zip(panels, distances.items(), strict=True):
        for curve, style in experiment_styles(found["curve"].unique()).items():
            rows = found[found["curve"] == curve].sort_values("time")
            axes.plot(rows["time"], rows[key], label=curve, **style)
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
