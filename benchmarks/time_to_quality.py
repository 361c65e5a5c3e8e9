"""How much sooner than with the published recipe samples at 128 x 128 are as good.

Runs ``configs/time_to_quality.yaml``, a study of the workflow, and writes ``time_to_quality.md``
and ``time_to_quality.svg`` from its tables. A run that was stopped goes on where it was.

    python benchmarks/time_to_quality.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about 50 minutes on one core. Nothing else should run: times are wall times.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure
from measuring import environment
from report import number, table
from study import ROOT, run

from fsdiff.atomic import atomic
from fsdiff.plotting.style import experiment_styles, save, styled

CONFIGURATION = ROOT / "configs" / "time_to_quality.yaml"
RESOLUTION = 128
WANTED = 100
"""How many samples the time to samples is for."""

DISTANCES = {
    "one_point_w1": "W1 of values",
    "gradient_w1": "W1 of gradients",
    "patch_sliced_wasserstein": "sliced W2 of patches",
    "log_spectrum_error": "log-spectrum error",
    "sw_gaussian_approx": "Gaussian surrogate of SW",
}

PAGE = """\
# Time to quality

Reaction–diffusion patterns from white noise, as the published experiments have them, at 128 × 128
nodes: the published recipe for score models on function spaces (trained at 32² or at 128² with the
settings of its code and 200 steps of Euler–Maruyama), and this project's (white noise, Wiener
preconditioning, local differences in the network, training at 32² alone, 20 steps of
DPM-Solver++(2M) on several grids). Both have this project's score network, whose steps take less
time than those of the one it was published with: the published recipe is flattered.

*Time* is that of training and of drawing {wanted} samples, on one core. {count} samples were drawn
for each row, of one seed, and compared with {tested} fields that training has not seen; *real data*
are other such fields.

{rows}
{verdict}

![Distances against time](time_to_quality.svg)

Made by `python benchmarks/time_to_quality.py` in one run: {environment}
"""


def points(results: Path) -> pd.DataFrame:
    """A row for each model and each moment in its training that was judged."""
    summary, moments = (pd.read_csv(results / f"{n}.csv") for n in ("summary", "trajectories"))
    ends = summary[(summary["row"] == "model") & (summary["resolution"] == RESOLUTION)]
    cost = ends.set_index("experiment")["seconds_per_sample"]
    kept = moments[moments["resolution"] == RESOLUTION].rename(
        columns={"seconds": "training_seconds"}
    )
    # The end of a training that was judged on the way is the last of its moments.
    ends = ends[~ends["experiment"].isin(kept["experiment"])]
    found = pd.concat([kept, ends], ignore_index=True)
    found["per_sample"] = found["experiment"].map(cost)
    found["time"] = found["training_seconds"] + WANTED * found["per_sample"]
    return found.sort_values(["dataset", "experiment", "time"], ignore_index=True)


def lines(found: pd.DataFrame, real: pd.Series) -> Iterator[list[str]]:
    """The rows of the table."""
    for _, row in found.iterrows():
        epochs = "" if pd.isna(row["epoch"]) else f" after {row['epoch']:.0f} epochs"
        costs = [number(row[key]) for key in ("training_seconds", "per_sample", "time")]
        yield [row["title"] + epochs, *costs, *(f"{row[key]:.3f}" for key in DISTANCES)]
    yield ["*real data*", "", "", "", *(f"{real[key]:.3f}" for key in DISTANCES)]


def verdict(found: pd.DataFrame) -> str:
    """Each of our models beside the published ones that took ten times as long."""
    published = found[found["dataset"] == "published_patterns"]
    said = []
    for _, ours in found[found["dataset"] == "cosine_patterns"].iterrows():
        late = published[published["time"] >= 10 * ours["time"]]
        if late.empty:
            said.append(f"No published row took ten times as long as *{ours['title']}*.")
            continue
        better = [name for key, name in DISTANCES.items() if (late[key] > ours[key]).all()]
        ratio = late["time"].min() / ours["time"]
        of_all = f"{len(better)} of {len(DISTANCES)} distances"
        said.append(
            f"*{ours['title']}* is nearer to the data in {of_all} ({', '.join(better) or 'none'}) "
            f"than every published row that took ten times as long or more ({ratio:.0f} times)."
        )
    return "\n".join(f"* {line}" for line in said)


@styled
def draw(found: pd.DataFrame, real: pd.Series) -> Figure:
    """A panel for each distance against time; moments of one training are joined."""
    figure = Figure(figsize=(3.0 * len(DISTANCES), 3.4), layout="constrained")
    label = {True: "published recipe, ", False: "ours"}
    for axes, (key, name) in zip(
        figure.subplots(1, len(DISTANCES)), DISTANCES.items(), strict=True
    ):
        curves: dict[str, pd.DataFrame] = {}
        for experiment, rows in found.groupby("experiment"):
            trained = f"{rows['trained_at'].iloc[0]}² only"
            published = experiment.startswith("published")
            curve = label[published] + trained * published
            curves[curve] = pd.concat([curves.get(curve), rows]).sort_values("time")
        for curve, style in experiment_styles(sorted(curves)).items():
            axes.plot(curves[curve]["time"], curves[curve][key], label=curve, **style)
        axes.axhline(real[key], color="black", linewidth=2, zorder=1, label="real data")
        axes.set(xscale="log", yscale="log", title=name)
        axes.set_xlabel(f"s to {WANTED} samples")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def main() -> None:
    """Run the study, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "time_to_quality")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    targets = ("results/summary.csv", "results/trajectories.csv")
    run(CONFIGURATION, arguments.directory, arguments.cores, *targets)
    results = arguments.directory / "results"
    settings = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    count = settings["defaults"]["samples"]["count"]
    summary = pd.read_csv(results / "summary.csv")
    rows = (summary["row"] == "real") & (summary["resolution"] == RESOLUTION)
    real, found = summary[rows].iloc[0], points(results)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(draw(found, real), arguments.folder / "time_to_quality.svg")
    header = "recipe | training, s: | s per sample: | time, s:"
    page = PAGE.format(
        wanted=WANTED,
        count=count,
        tested=settings["datasets"]["cosine_patterns"]["split"]["test"] // 2,
        rows=table(
            " | ".join([header, *(f"{name}:" for name in DISTANCES.values())]),
            lines(found, real),
        ),
        verdict=verdict(found),
        environment=environment(),
    )
    with atomic(arguments.folder / "time_to_quality.md") as temporary:
        Path(temporary).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
