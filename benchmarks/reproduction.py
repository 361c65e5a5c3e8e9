"""The claims and figures of a paper about multilevel diffusion, on a laptop.

Runs ``configs/multilevel_diffusion.yaml`` with its overlay ``laptop.yaml``, and writes
``reproduction.md`` and ``images/reproduction/`` from the study's own page, tables and figures. A
run that was stopped goes on where it was.

    python benchmarks/reproduction.py [--cores 1] [--directory …] [--folder docs]

Takes about six processor hours. Nothing else should run while networks are trained: some claims
are about time, which is wall time.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from measuring import environment
from moments import DISTANCES, REFERENCES
from PIL import Image
from report import number, table
from study import Study, run_from_command_line, summary

from fsdiff.jobs.atomic import atomic
from fsdiff.reports.plain_text import markdown

METRICS = DISTANCES | {
    "sliced_wasserstein": "sliced Wasserstein",
    "sw_gaussian_approx_physical": "published distance",
    "vendi": "Vendi",
    "vendi_physical": "published Vendi",
    "loss": "loss",
}
DATASETS = {"digits": "Digits", "published_patterns": "Reaction–diffusion patterns"}

FIGURES = {
    "digits/metric_by_epoch.svg": "Figure 4: digits at 64 during training at 32.",
    "digits/samples-64.png": "Figures 2 and 6: digits at 64, real ones and samples.",
    "digits/prior_spectrum.svg": "Noise beside digits, by wavenumber; below, how much of the data "
    "there is for each unit of noise, and which priors leave modes without any.",
    "digits/loss_curves.svg": "Figures 3 and 5: losses at all resolutions during training, digits.",
    "published_patterns/loss_curves.svg": "Figures 7 and 9: the same, patterns.",
    "published_patterns/samples-128.png": "Figure 8: patterns at 128, real ones and samples.",
    "published_patterns/spectra-128.svg": "Their spectra.",
    "published_patterns/metric_by_epoch.svg": "Figure 9: patterns during training.",
    "published_patterns/trained_by_sampled.svg": "Figure 10 and more: trained on, sampled on.",
    "published_patterns/pareto.svg": "Quality against cost.",
    "searches/patterns_search.svg": "Table 1: hyperparameters at 32 and again at 64.",
}
WIDTH = 900
"""Of pictures in the page, in pixels."""

INTRODUCTION = """\
*Multilevel Diffusion: Infinite Dimensional Score-Based Diffusion Models for Image Generation*
(Hagemann, Mildenberger, Ruthotto, Steidl, Yang, arXiv 2303.04772v4), sections 5.2 to 5.4, with
fewer data, epochs, samples and seeds than published, which *Settings* states: {hours} processor
hours. Verdicts are about this scale. Where the paper gives a curve, a picture or a word, bounds are
ours; where its text and its code disagree is said in
[the configuration](../configs/multilevel_diffusion.yaml). Figure 1 is in
[exact_experiments.md](exact_experiments.md). How much sooner this project's own settings
get as near to these patterns is in [benchmarks/time_to_quality.md](benchmarks/time_to_quality.md),
and what schedules of levels save in [benchmarks/schedules.md](benchmarks/schedules.md).

Made by `python benchmarks/reproduction.py --cores 2`: {environment}
"""

RESULTS = """\
### {title}

{tested} fields of the test data are compared with.

{rows}"""

LEGEND = """\
## Results

Means over seeds, and half of their range. *Real data* are other fields of the test data, as many as
the most samples that a model drew on that grid, the *Gaussian surrogate* as many with the data's
mean and spectrum and no structure; models that drew fewer have larger distances and smaller Vendi
scores, which are at most their number, by that alone. Distances are in units of the data's standard
deviation, and Vendi scores are of fields without the data's mean; two columns are as published, of
fields in physical units with their mean: the *published distance* is what the paper's code computes
under the name of sliced Wasserstein, from the mean field and the total variance alone, and the
*published Vendi* score is that of the images themselves.
"""


def cells(rows: pd.DataFrame) -> Iterator[str]:
    """A cell for each metric."""
    for name in METRICS:
        values = rows[name].dropna()
        if values.empty:
            yield ""
            continue
        half = (values.max() - values.min()) / 2
        yield short(values.mean(), 3) + (f" ± {short(half, 1)}" if len(values) > 1 else "")


def short(value: float, digits: int) -> str:
    """A number with this many digits, or without those behind the point."""
    return f"{value:,.0f}" if value >= 10**digits else f"{value:.{digits}g}"


def lines(rows: pd.DataFrame) -> Iterator[list[str]]:
    """A row for each experiment and each resolution, after those of references."""
    for resolution, on_grid in rows.groupby("resolution"):
        for name, title in REFERENCES.items():
            yield [f"*{title}*", "", f"{resolution}", *cells(on_grid[on_grid["row"] == name])]
        models = on_grid[on_grid["row"] == "model"]
        for _, seeds in models.groupby("experiment", sort=False):
            first = seeds.iloc[0]
            seconds = number(seeds["training_seconds"].mean())
            yield [markdown(first["title"]), seconds, f"{resolution}", *cells(seeds)]


def results(study: Study) -> Iterator[str]:
    """A table for each data set."""
    names = [f"{name}:" for name in METRICS.values()]
    header = " | ".join(["training", "s:", "sampled at:", *names])
    found = summary(study.results)
    for dataset, title in DATASETS.items():
        rows = table(header, lines(found[found["dataset"] == dataset]))
        yield RESULTS.format(title=title, tested=study.tested(dataset), rows=rows)


def figures(study: Study) -> Iterator[str]:
    """Every figure with what it shows, copied beside the page."""
    yield "## Figures\n"
    for path, caption in FIGURES.items():
        source = study.results / "figures" / path
        name = f"images/reproduction/{path.replace('/', '-').replace('published_', '')}"
        with atomic(study.folder / name) as temporary:
            copy(source, temporary)
        yield f'{caption}\n\n<img src="{name}" alt="{caption}" width="760">\n'


def copy(source: Path, target: Path) -> None:
    """A figure as it is, or a picture as large as a page needs it."""
    if source.suffix != ".png":
        target.write_bytes(source.read_bytes())
        return
    with Image.open(source) as picture:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize(96).save(target, format="PNG", optimize=True)


def hours(study: Study) -> float:
    """Processor hours of all jobs."""
    records = (study.results / "benchmarks").rglob("*.tsv")
    return sum(pd.read_csv(path, sep="\t")["cpu_time"].sum() for path in records) / 3600


def main() -> None:
    """Run the study, and write the page."""
    names = ["multilevel_diffusion", "multilevel_diffusion/laptop"]
    study = run_from_command_line(__doc__, names, folder="docs")
    claims = (study.results / "reproduction.md").read_text(encoding="utf-8")
    title, _, claims = claims.partition("\n")
    introduction = INTRODUCTION.format(hours=number(hours(study)), environment=environment())
    parts = [title, "", introduction, claims.strip(), "", LEGEND, *results(study), *figures(study)]
    study.write("reproduction.md", "\n".join(parts))


if __name__ == "__main__":
    main()
