"""Quality per training second: every prediction with rough, white and smooth noise.

All models have the network, the data, the number of training steps and the sampler in common; what
differs is the prediction and the prior. They are trained on the coarsest grid and sampled there and
on finer ones. The study is one of the workflow's, so a run that was stopped goes on where it was.
Writes ``quality.md`` and ``quality.svg``.

    python benchmarks/quality.py [--datasets …] [--epochs 10] [--cores 2] [--directory …] [--quick]

Takes about two hours of processor time.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import environment
from report import table
from study import ROOT, run

from fsdiff.jobs.atomic import atomic
from fsdiff.reports import tables
from fsdiff.reports.plotting.style import save, styled

PREDICTIONS: dict[str, dict[str, Any]] = {
    "noise": {"kind": "noise"},
    "score Q∇log p": {"kind": "score"},
    "score ∇log p": {"kind": "score", "apply_covariance": True},
    "data": {"kind": "data"},
    "velocity": {"kind": "velocity"},
    "preconditioned": {"kind": "preconditioned"},
    "wiener": {"kind": "wiener"},
}
PRIORS: dict[str, dict[str, Any]] = {
    "Bessel": {"kind": "bessel", "shift": 8.0, "power": 0.55},
    "standard": {"kind": "standard"},
    "Matérn": {"kind": "matern", "smoothness": 1.5, "length": 0.1},
}
DATASETS = {
    "reaction_diffusion": "reaction–diffusion",
    "navier_stokes": "Navier–Stokes",
    "darcy": "Darcy",
}
METRICS = {
    "one_point_w1": "W1 of values",
    "gradient_w1": "W1 of gradients",
    "patch_sliced_wasserstein": "sliced W2 of patches",
    "log_spectrum_error": "log-spectrum error",
}
RESOLUTIONS = (32, 128)
"""What is sampled; models are trained on the first."""


def study(names: Sequence[str], epochs: int, quick: bool) -> dict[str, Any]:
    """The configuration: data sets and parts of the quickstart, and experiments for all pairs."""
    base = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for dataset in base["datasets"].values():
        dataset["source"]["resolution"] = RESOLUTIONS[-1]
        dataset["resolutions"] = [32, 64, 128]
        if quick:
            dataset["split"] = {"train": 32, "validation": 8, "test": 16}
    level = {"resolution": 32, "epochs": epochs, "batch_size": 16, "learning_rate": 3.0e-3}
    defaults = base["defaults"] | {
        "levels": [level],
        "samples": {"count": 8 if quick else 24, "resolutions": list(RESOLUTIONS)},
    }
    quickstart = {item["dataset"]: item for item in reversed(base["experiments"].values())}
    experiments = {}
    for dataset in names:
        own = {
            key: quickstart[dataset][key]
            for key in ("network", "training")
            if key in quickstart[dataset]
        }
        for i, (prediction, prediction_block) in enumerate(PREDICTIONS.items()):
            for prior, prior_block in PRIORS.items():
                experiments[f"{dataset}_{i}_{prior_block['kind']}"] = {
                    "title": f"{DATASETS[dataset]}, {prediction}, {prior}",
                    "dataset": dataset,
                    "prediction": prediction_block,
                    "prior": prior_block,
                    **own,
                }
    metrics = {
        name: base["evaluation"]["metrics"][name]
        for name in ("one_point", "gradient", "patches", "spectrum")
    }
    return {
        "datasets": {name: base["datasets"][name] for name in names},
        "defaults": defaults,
        "experiments": experiments,
        "evaluation": {"metrics": metrics},
    }


def summary_of(configuration: Mapping[str, Any], directory: Path, cores: int) -> pd.DataFrame:
    """All jobs up to the summary, which is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "study.yaml"
    file.write_text(yaml.safe_dump(dict(configuration), allow_unicode=True), encoding="utf-8")
    run([file], directory, cores, "results/summary.csv")
    return tables.read(directory / "results" / "summary.csv")


def ratios(summary: pd.DataFrame, dataset: str, metric: str) -> np.ndarray:
    """A distance over that of other real data, by prediction, prior and resolution."""
    rows = summary[(summary["dataset"] == dataset) & (summary["resolution"].isin(RESOLUTIONS))]
    floor = rows[rows["row"] == "real"].set_index("resolution")[metric]
    models = rows[rows["row"] == "model"].set_index(["experiment", "resolution"])[metric]
    found = [
        [
            [models[f"{dataset}_{i}_{prior['kind']}", n] / floor[n] for n in floor.index]
            for prior in PRIORS.values()
        ]
        for i in range(len(PREDICTIONS))
    ]
    return np.array(found)


def names_of(summary: pd.DataFrame) -> list[str]:
    """The data sets of a study, in the order of this module."""
    return [name for name in DATASETS if name in set(summary["dataset"])]


def overall(summary: pd.DataFrame, dataset: str) -> np.ndarray:
    """The geometric mean of the ratios of all metrics."""
    return np.exp(np.mean([np.log(ratios(summary, dataset, m)) for m in METRICS], axis=0))


def ranking(summary: pd.DataFrame) -> str:
    """Every pair of prediction and prior, best first by the mean over data sets and resolutions."""
    each = {DATASETS[name]: overall(summary, name) for name in names_of(summary)}
    everything = np.concatenate(list(each.values()), axis=2)
    mean = np.exp(np.log(everything).mean(axis=2))
    resolutions = sorted(summary["resolution"].unique())
    lines = []
    for place in np.argsort(mean, axis=None):
        i, j = np.unravel_index(place, mean.shape)
        cells = [" / ".join(f"{value:.1f}" for value in values[i, j]) for values in each.values()]
        lines.append([list(PREDICTIONS)[i], list(PRIORS)[j], f"{mean[i, j]:.2f}", *cells])
    grids = " / ".join(map(str, resolutions))
    columns = " | ".join(f"{title}, {grids}:" for title in each)
    return table(f"prediction | prior | all: | {columns}", lines)


@styled
def draw(summary: pd.DataFrame) -> Figure:
    """Ratios to the floor: a row for each metric, a column for each data set."""
    names = names_of(summary)
    down, across = (len(METRICS), len(names)) if len(names) > 1 else (2, 2)
    figure = Figure(figsize=(max(4.4 * across, 9), 3.0 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    pairs = [(metric, name) for metric in METRICS for name in names]
    for axes, (metric, name) in zip(panels.flat, pairs, strict=True):
        _heat_map(axes, ratios(summary, name, metric), sorted(summary["resolution"].unique()))
        axes.set_title(f"{DATASETS[name]}: {METRICS[metric]}", fontsize=9)
    return figure


def _heat_map(axes: Axes, values: np.ndarray, resolutions: list[int]) -> None:
    """Rows are predictions, columns resolutions of each prior; white is the floor or below."""
    flat = values.reshape(len(values), -1)
    axes.imshow(np.log10(flat), cmap="magma_r", vmin=0, vmax=1.7, aspect="auto")
    for (i, j), value in np.ndenumerate(flat):
        colour = "white" if value > 10 else "black"
        axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_yticks(range(len(PREDICTIONS)), PREDICTIONS, fontsize=7)
    labels = [
        f"{n}²\n{prior}" if k == 1 else f"{n}²"
        for prior in PRIORS
        for k, n in enumerate(resolutions)
    ]
    axes.set_xticks(range(flat.shape[1]), labels, fontsize=7)
    for edge in range(1, len(PRIORS)):
        axes.axvline(edge * len(resolutions) - 0.5, color="white", linewidth=2.5)
    axes.grid(False)


PAGE = """\
# Predictions and priors at equal training

{models} models: every prediction with a rough trace-class prior (`bessel`, shift 8, power 0.55),
white noise (`standard`) and a smooth prior (`matern`, smoothness 1.5, length 0.1), on each data
set. Network, data, training ({epochs} epochs on 32², {steps} steps, about {seconds:.0f} s
each), the law of training times (`spectral`) and the sampler (20 steps of DPM-Solver++(2M) on
several grids) are those of the quickstart in all of them. {count} samples each, on 32² and, without
training there, on finer grids.

Numbers are distances as multiples of the distance between two sets of real data; *all* is the
geometric mean over four metrics ({metrics}), data sets ({datasets}) and grids, less is better.
Channels count alike, each in units of its own standard deviation.

{ranking}
![Distances over the floor](quality.svg)

Made by `python benchmarks/quality.py{options}`: {environment}
"""


def page(summary: pd.DataFrame, configuration: Mapping[str, Any], options: str) -> str:
    """The page in Markdown."""
    defaults = configuration["defaults"]
    level = defaults["levels"][0]
    sizes = [item["split"]["train"] for item in configuration["datasets"].values()]
    steps = [level["epochs"] * (size // level["batch_size"]) for size in sizes]
    models = summary[summary["row"] == "model"]
    return PAGE.format(
        models=models["experiment"].nunique(),
        epochs=level["epochs"],
        steps=" / ".join(map(str, steps)),
        datasets=", ".join(DATASETS[name] for name in names_of(summary)),
        seconds=models["training_seconds"].median(),
        count=defaults["samples"]["count"],
        metrics=", ".join(METRICS.values()),
        ranking=ranking(summary),
        options=options,
        environment=environment(),
    )


def main() -> None:
    """Run the study, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--epochs", type=int, default=10, help="of training on 32²")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "quality")
    parser.add_argument("--quick", action="store_true", help="few fields and samples")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    configuration = study(arguments.datasets, arguments.epochs, arguments.quick)
    summary = summary_of(configuration, arguments.directory, arguments.cores)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(draw(summary), arguments.folder / "quality.svg")
    some = len(arguments.datasets) < len(DATASETS)
    chosen = f" --datasets {' '.join(arguments.datasets)}" if some else ""
    options = chosen + f" --epochs {arguments.epochs}" + " --quick" * arguments.quick
    with atomic(arguments.folder / "quality.md") as temporary:
        Path(temporary).write_text(page(summary, configuration, options), encoding="utf-8")


if __name__ == "__main__":
    main()
