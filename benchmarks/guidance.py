"""How far guided samples are from the posterior, without sampling error, and what they cost.

Errors are exact: of Gaussian data with the exact denoiser, where every step is affine. Costs are
those of the quickstart's network, untrained.

    python benchmarks/guidance.py [--nodes 128] [--sensors 500] [--rounds 3] [--steps 32 128]
    python benchmarks/guidance.py --errors           # seconds; of the page, what costs are is kept
"""

import argparse
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from measuring import environment
from report import number, table

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.inverse.guidance.base import Guidance
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.recursion import Normal, law_of_samples, posterior
from fsdiff.jobs.atomic import atomic
from fsdiff.measures.priors import Bessel, Standard
from fsdiff.networks.fno import FNO
from fsdiff.spaces.bases import CosineBasis

REPOSITORY = Path(__file__).parents[1]
BASIS = CosineBasis(2)
PARTICLES = 16
KINDS: dict[str, Guidance | None] = {
    "none": None,
    "wiener": WienerGuidance(),
    "replacement": Replacement(),
    "daps": DecoupledAnnealing(),
    "pigdm": PseudoinverseGuidance(),
    "dps": PosteriorSampling(),
    "moment": MomentGuidance(),
    "smc": TwistedSMC(particles=PARTICLES),
}

ERRORS = """\
A Gaussian field on the unit interval, N(0, (−Δ + 8)⁻³) of unit variance, from 6 values with errors
of deviation 0.3, with the exact denoiser and noise N(0, (−Δ + 8)^−1.1): every step is affine then,
and the law of samples is followed as a mean and a covariance. DPM-Solver++(2M) with few steps and
with more. W₂ is over √E‖X‖² of the posterior, errors of the mean over its deviation √tr P, those of
deviations at the nodes over these; all in per cent. Of `wiener` and `moment` is left that samples
start without the data; `dps` is not stable with 32 steps, unless these are implicit. `smc` is left
out, whose weights are not affine."""

COST = """\
The quickstart's network, sensors at random places with noise, 20 steps of DPM-Solver++(2M). The
network is untrained: what is measured is time. *First draw* has what depends on the sensors and the
times alone, which all draws and all cases share afterwards. Kinds take turns; numbers are medians
of processor seconds for a draw, for `smc` for a system of {particles} particles."""

AFFINE: dict[str, Guidance] = {
    "daps": DecoupledAnnealing(),
    "wiener": WienerGuidance(),
    "moment": MomentGuidance(iterations=8, tolerance=1e-10),
    "pigdm": PseudoinverseGuidance(),
    "replacement": Replacement(),
    "replacement, nearest: field": Replacement(nearest="field"),
    "dps": PosteriorSampling(),
    "dps, steps: implicit": PosteriorSampling(steps="implicit"),
    "fundps_published, scale: 5": PublishedFunDPS(scale=5.0),
}


def errors(few: int, more: int) -> str:
    """The section about errors: a row for each kind, on two grids and with more steps."""
    settings = ((few, 16), (few, 32), (more, 16))
    basis, sensors = CosineBasis(1), RandomPoints(number=6, noise=0.3)
    data = gaussian(basis, Bessel(power=1.5))
    exact = ExactDenoiser(data, noise=Bessel(), process=VariancePreserving())
    truth = data.sample(np.random.default_rng(3), 1, 32)
    y = sensors.draw(truth, basis, 3, [0])[0]
    problem = Problem(exact.law, sensors)

    def compared(guidance: Guidance, steps: int, n: int) -> list[str]:
        made = guidance.conditional(exact, problem, y, DPMSolver(steps=steps))
        assert isinstance(made, partial)
        assert isinstance(made.func, Sampler)
        found = law_of_samples(made.func, made.args[0], n)
        units = torch.eye(n, dtype=torch.float64)
        prior = Normal(units[0] * 0, n * basis.multiply(units, data.covariance(n)[0]))
        matrix = sensors.on(basis, 1, n).forward(units[:, None]).T
        true = posterior(prior, matrix, sensors.variances(basis, 1), y)
        mean = (found.mean - true.mean).norm() / true.covariance.trace().sqrt()
        spreads = [each.covariance.diagonal().sqrt() for each in (found, true)]
        spread = (spreads[0] - spreads[1]).norm() / spreads[1].norm()
        shares = (found.distance(true) / true.size, float(mean), float(spread))
        return [number(100 * share) if share > 1e-6 else "0" for share in shares]

    rows = [
        [name, *(cell for setting in settings for cell in compared(guidance, *setting))]
        for name, guidance in AFFINE.items()
    ]
    columns = "W₂, {0} steps, {1} nodes: | mean: | deviation:"
    head = " | ".join(columns.format(*setting) for setting in settings)
    return "\n".join([" ".join(ERRORS.split()), "", table(f"guidance | {head}", rows)]).rstrip()


def denoiser() -> Denoiser:
    """The quickstart's network, for data with the spectrum of a smooth field."""
    torch.manual_seed(0)
    network = FNO(
        1,
        basis="cosine",
        dimension=2,
        width=32,
        modes=12,
        layers=5,
        projection=32,
        stencil_cells=32,
        coordinates=False,
    )
    data = gaussian(BASIS, Bessel(power=1.5))
    law = Law(basis=BASIS, noise=Standard(), process=VariancePreserving(), data=data)
    return Denoiser(law, network, Wiener()).eval()


def runs(nodes: int, sensors: int) -> Mapping[str, Any]:
    """What draws a field of some index, for each kind."""
    model, sampler = denoiser(), DPMSolver(steps=20)
    observation = RandomPoints(number=sensors, noise=0.05)
    truth = Bessel(power=1.5).sample(BASIS, nodes, [0], 0)
    data = observation.draw(truth, BASIS, 0, [0])[0]
    return {
        name: partial(sampler, model)
        if guidance is None
        else guidance.conditional(model, Problem(model.law, observation), data, sampler)
        for name, guidance in KINDS.items()
    }


def seconds(run: Any, nodes: int, index: int) -> float:
    """Processor time of a draw."""
    start = time.process_time()
    run(nodes, [index], 0)
    return time.process_time() - start


def cost(nodes: int, sensors: int, rounds: int) -> str:
    """The section about costs: a row for each kind."""
    drawn = runs(nodes, sensors)
    first = {name: seconds(run, nodes, 0) for name, run in drawn.items()}
    found: dict[str, list[float]] = {name: [] for name in drawn}
    for draw in range(1, rounds + 1):
        for name, run in drawn.items():
            found[name].append(seconds(run, nodes, draw * PARTICLES))  # of another system each
    medians = {name: median(values) for name, values in found.items()}
    rows = [
        [name, number(first[name]), number(medians[name]), number(medians[name] / medians["none"])]
        for name in drawn
    ]
    return "\n".join(
        [
            " ".join(COST.format(particles=PARTICLES).split()),
            "",
            f"{nodes} × {nodes} nodes, {sensors} sensors:",
            "",
            table("guidance | first draw, s: | a draw, s: | ratio:", rows),
            f"Made by `python benchmarks/guidance.py`: {environment()}",
            "",
        ]
    )


TITLE, COSTS = "# Guidance: its errors and its cost", "## Cost"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--nodes", type=int, default=128)
    parser.add_argument("--sensors", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs=2, default=(32, 128), help="for errors")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmarks")
    parser.add_argument("--errors", action="store_true", help="keep what the page has of costs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.folder / "guidance.md"
    if options.errors:
        measured = path.read_text(encoding="utf-8").partition(COSTS)[2].lstrip()
    else:
        measured = cost(options.nodes, options.sensors, options.rounds)
    text = "\n\n".join([TITLE, "## Errors", errors(*options.steps), COSTS, measured])
    print(text)
    options.folder.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
