"""All samplers with one trained network: how far samples are from data, and what they cost.

On coarse data every sampler at several numbers of steps beside Euler–Maruyama with very many, the
reference; on fine data the multilevel sampler beside the same steps on the fine grid alone. All
run in turn in this process, on one thread, block by block of sample indices. Writes ``samplers.md``
and ``samplers.svg``.

    python benchmarks/samplers.py WEIGHTS [DATA] [--fine DATA] [--reference 1000] [--quick]

WEIGHTS and DATA are files of a study, of the quickstart for example models/coarse_to_fine/
seed0/128.safetensors, data/reaction_diffusion/32.nc and, as the fine one, 128.nc below results/.
Takes about ten minutes on one core, and five more for a reference of a thousand steps. Without
coarse data the reference is drawn on the fine grid, too, and the page is ``samplers-fine.md``: half
a minute for each sample.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import environment
from report import number, table
from torch import Tensor

from fsdiff.data import statistics, storage
from fsdiff.diffusion.samplers.adaptive_heun import AdaptiveHeun
from fsdiff.diffusion.samplers.annealed_langevin import AnnealedLangevin
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.diffusion.samplers.heun import Heun
from fsdiff.diffusion.samplers.multilevel import Multilevel
from fsdiff.diffusion.samplers.predictor_corrector import PredictorCorrector
from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.jobs.atomic import atomic
from fsdiff.methods import models
from fsdiff.metrics.densities import GradientDensity, OnePointDensity
from fsdiff.metrics.patches import PatchSlicedWasserstein
from fsdiff.metrics.sliced import SlicedWasserstein
from fsdiff.metrics.spectra import SpectrumError
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, save, styled
from fsdiff.stages.files import reference_halves
from fsdiff.stages.judge import Judge

BLOCKS = 8
"""Into how many blocks samples are divided: to take turns, and to tell sampling errors."""

METRICS = {
    "sliced_wasserstein": SlicedWasserstein(projections=500),
    "one_point": OnePointDensity(),
    "gradient": GradientDensity(),
    "patches": PatchSlicedWasserstein(),
    "spectrum": SpectrumError(),
}
DISTANCES = {
    "sliced_wasserstein": "sliced W2",
    "patch_sliced_wasserstein": "sliced W2 of patches",
    "one_point_w1": "W1 of values",
    "gradient_w1": "W1 of gradients",
    "log_spectrum_error": "log-spectrum error",
}
"""What is compared of what the metrics say, and what columns call it."""

Setting = tuple[str, str]
"""A family of samplers, and which of it."""


@dataclass(frozen=True)
class Row:
    """A sampler's cost and distances; ``without`` has those without each block of samples."""

    samples: Samples
    fine_evaluations: float
    seconds: float
    distances: Mapping[str, float]
    without: Sequence[Mapping[str, float]]

    def worse(self, reference: "Row", key: str) -> bool:
        """Whether a distance is larger by more than two standard errors (jackknife)."""
        pairs = zip(self.without, reference.without, strict=True)
        changes = torch.tensor([mine[key] - theirs[key] for mine, theirs in pairs])
        error = float(changes.var(correction=0) * (len(changes) - 1)) ** 0.5
        return self.distances[key] - reference.distances[key] > 2 * error


def all_samplers(reference: int, quick: bool) -> dict[Setting, Sampler]:
    """Every kind at several settings, the reference first."""
    found: dict[Setting, Sampler] = {
        ("Euler–Maruyama", f"{reference} uniform steps"): EulerMaruyama(steps=reference)
    }
    for steps in (20,) if quick else (25, 50, 100, 200):
        found["Euler–Maruyama", f"{steps} uniform steps"] = EulerMaruyama(steps=steps)
    for steps in (10,) if quick else (8, 12, 20, 50):
        found["DPM-Solver++(2M)", f"{steps} steps"] = DPMSolver(steps=steps)
    for steps in (10,) if quick else (12, 20, 50):
        stochastic = DPMSolver(steps=steps, stochastic=True)
        found["DPM-Solver++(2M), stochastic", f"{steps} steps"] = stochastic
    for steps in (5,) if quick else (5, 10, 20):
        found["Heun", f"{steps} steps"] = Heun(steps=steps)
    for tolerance in (0.1,) if quick else (0.1, 0.03, 0.01):
        found["adaptive Heun", f"tolerance {tolerance:g}"] = AdaptiveHeun(tolerance=tolerance)
    for steps in (10,) if quick else (10, 20, 50, 100):
        found["DDIM", f"{steps} steps"] = DDIM(steps=steps)
    for steps in (10,) if quick else (20, 50, 100):
        found["DDIM, ancestral", f"{steps} steps"] = DDIM(steps=steps, eta=1.0)
    for steps in (5,) if quick else (10, 25):
        corrected = PredictorCorrector(sampler=DPMSolver(steps=steps))
        found["predictor–corrector", f"{steps} steps, 1 correction each"] = corrected
    if not quick:
        levels = AnnealedLangevin(steps=150, corrections=2, step_size=0.3)
        found["annealed Langevin", "150 levels, 2 steps each"] = levels
    return found


def several_grids(quick: bool) -> dict[Setting, Sampler]:
    """The same steps on one grid and on several."""
    found: dict[Setting, Sampler] = {}
    for steps in (12,) if quick else (12, 20):
        method = DPMSolver(steps=steps)
        found["one grid", f"{steps} steps"] = method
        for tolerance in (0.05,) if quick else (0.01, 0.05, 0.2):
            several = Multilevel(sampler=method, tolerance=tolerance)
            found["multilevel", f"{steps} steps, tolerance {tolerance:g}"] = several
    return found


def measure(
    model: models.Model,
    samplers: Mapping[Setting, Sampler],
    judge: Judge,
    target: Tensor,
    count: int,
) -> dict[Setting, Row]:
    """Let all samplers draw ``count`` samples in turn, block by block; ``target`` is normalised."""
    n, blocks = target.shape[-1], range(0, count, count // BLOCKS)
    drawn: dict[Setting, list[Samples]] = {setting: [] for setting in samplers}
    seconds: dict[Setting, list[float]] = {setting: [] for setting in samplers}
    for first in blocks:
        indices = range(first, min(first + blocks.step, count))
        for setting, sampler in samplers.items():
            start = time.process_time()
            drawn[setting].append(model.sample(sampler, n, indices, seed=0))
            seconds[setting].append((time.process_time() - start) / len(indices))
        print(f"{n} x {n}: {indices.stop} of {count} samples", file=sys.stderr, flush=True)
    return {
        setting: judged(parts, median(seconds[setting]), judge, target)
        for setting, parts in drawn.items()
    }


def judged(parts: Sequence[Samples], seconds: float, judge: Judge, target: Tensor) -> Row:
    """Distances of all samples, and of all but those of one block."""
    samples, fields = concatenate(parts), [judge.normalise(part.fields) for part in parts]
    without = [
        judge(torch.cat([other for other in fields if other is not part]), target)
        for part in fields
    ]
    fine = samples.fine_evaluations(judge.basis)
    return Row(samples, fine, seconds, judge(torch.cat(fields), target), without)


def comparison(rows: Mapping[Setting, Row], floor: Mapping[str, float]) -> str:
    """The table; distances that are worse than the first row's are marked."""
    reference = next(iter(rows.values()))
    header = "sampler | setting | evaluations: | in fine ones: | s per sample: | times cheaper: | "
    lines = [["real data", *[""] * 5, *(f"{floor[key]:.3f}" for key in DISTANCES)]]
    for (family, setting), row in rows.items():
        distances = [
            f"{row.distances[key]:.3f}" + (" †" if row.worse(reference, key) else "")
            for key in DISTANCES
        ]
        evaluations, fine = row.samples.network_evaluations, row.fine_evaluations
        cheaper = reference.seconds / row.seconds
        cost = [f"{evaluations:.4g}", f"{fine:.3g}", number(row.seconds), number(cheaper)]
        lines.append([family, setting, *cost, *distances])
    return table(header + " | ".join(f"{name}:" for name in DISTANCES.values()), lines)


@styled
def draw(parts: Sequence[tuple[str, Mapping[Setting, Row], Mapping[str, float]]]) -> Figure:
    """Distances against cost: a row of panels for each part, a panel for each distance."""
    figure = Figure(figsize=(13, 3.1 * len(parts)), layout="constrained")
    grids = figure.subplots(len(parts), len(DISTANCES), squeeze=False)
    for panels, (title, rows, floor) in zip(grids, parts, strict=True):
        for axes, (key, name) in zip(panels, DISTANCES.items(), strict=True):
            _draw_distance(axes, rows, key)
            axes.axhline(floor[key], color="black", linewidth=2, zorder=1, label="real data")
            axes.set(xscale="log", yscale="log", xlabel="processor s per sample", title=name)
            plain_ticks(axes.xaxis)
            plain_ticks(axes.yaxis)
        panels[0].set_ylabel(title)
        handles, labels = panels[0].get_legend_handles_labels()
        panels[-1].legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _draw_distance(axes: Axes, rows: Mapping[Setting, Row], key: str) -> None:
    families = list(dict.fromkeys(family for family, _ in rows))
    for family, style in experiment_styles(families).items():
        points = sorted(
            (row.seconds, row.distances[key]) for (name, _), row in rows.items() if name == family
        )
        axes.plot(*zip(*points, strict=True), label=family, **style)


PAGE = """\
# Samplers: quality against cost

{count} samples of each sampler from one network ({parameters:,} parameters, prior `{prior}`,
process `{process}`, prediction `{prediction}`) against {tested} test fields it has not seen.
Evaluations are those of the network per sample, *in fine ones* weighs them by their grid's number
of nodes. † marks distances that are larger than those of the first sampler of the table by more
than two standard errors (jackknife over {blocks} blocks of samples). *Real data* are other test
fields: nothing can be closer than that but by chance. Distances are in units of the data's standard
deviation.

{parts}
![Distances against cost]({name}.svg)

Made by `python benchmarks/samplers.py{options}` in one run on one thread: {environment}
"""


def page(
    model: models.Model,
    parts: Sequence[tuple[str, Mapping[Setting, Row], Mapping[str, float]]],
    tested: int,
    name: str,
    options: str,
) -> str:
    """The page in Markdown."""
    sections = [f"## {title}\n\n{comparison(rows, floor)}" for title, rows, floor in parts]
    config = model.description["config"]
    return PAGE.format(
        count=len(next(iter(parts[0][1].values())).samples.fields),
        parameters=model.description["parameters"],
        tested=tested,
        name=name,
        blocks=BLOCKS,
        parts="\n".join(sections),
        options=options,
        environment=environment(),
        **{part: config[part]["kind"] for part in ("prior", "process", "prediction")},
    )


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="a model's .safetensors")
    parser.add_argument("data", type=Path, nargs="?", help="a data set on a coarse grid, .nc")
    parser.add_argument("--fine", type=Path, help="the same on a fine grid, for multilevel")
    parser.add_argument("--reference", type=int, default=200, help="Euler–Maruyama's steps")
    parser.add_argument("--count", type=int, default=64, help="samples, a multiple of 8")
    parser.add_argument("--quick", action="store_true", help="16 samples, few settings")
    default = Path(__file__).parents[1] / "docs" / "benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="where to write")
    arguments = parser.parse_args()
    if arguments.data is None and arguments.fine is None:
        parser.error("name data to draw samples like: on a coarse grid, a fine one, or both")
    torch.set_num_threads(1)
    model = models.load(arguments.weights)
    everything, name = all_samplers(arguments.reference, arguments.quick), "samplers"
    grids = several_grids(arguments.quick)
    if arguments.data is None:
        reference, name = dict([next(iter(everything.items()))]), "samplers-fine"
        tasks = {arguments.fine: reference | grids}
    else:
        tasks = {arguments.data: everything}
        if arguments.fine is not None:
            tasks[arguments.fine] = grids
    count = 16 if arguments.quick else arguments.count
    parts = list(measured(model, tasks, count))
    with storage.read(next(iter(tasks))) as dataset:
        tested = len(reference_halves(dataset)[0])
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(draw(parts), arguments.folder / f"{name}.svg")
    options = f" … --reference {arguments.reference} --count {count}"
    with atomic(arguments.folder / f"{name}.md") as temporary:
        Path(temporary).write_text(page(model, parts, tested, name, options), encoding="utf-8")


def measured(
    model: models.Model, tasks: Mapping[Path, Mapping[Setting, Sampler]], count: int
) -> Iterator[tuple[str, Mapping[Setting, Row], Mapping[str, float]]]:
    """For each data set its title, its samplers' rows, and the distances of real data."""
    for data, samplers in tasks.items():
        with storage.read(data) as dataset:
            judge = Judge(METRICS, model.method.basis, statistics.Statistics.of(dataset), {})
            target, real = map(judge.normalise, reference_halves(dataset))
        n, floor = target.shape[-1], judge(real[:count], target)
        yield f"{n} × {n} nodes", measure(model, samplers, judge, target, count), floor


if __name__ == "__main__":
    main()
