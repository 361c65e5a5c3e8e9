"""What it costs to lead samples by data: guided draws beside draws without guidance.

The quickstart's network, sensors at random places with noise, 20 steps of DPM-Solver++(2M). The
network is untrained: what is measured is time. *First draw* has what depends on the sensors and
the times alone, which all draws and all cases share afterwards. Kinds take turns; numbers are
medians of processor seconds for a draw.

    python benchmarks/guidance.py [--nodes 128] [--sensors 500] [--rounds 3] [--folder …]
"""

import argparse
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import environment
from report import number, table

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import gaussian
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.inverse.guidance.base import Guidance
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.jobs.atomic import atomic
from fsdiff.measures.priors import Bessel, Standard
from fsdiff.networks.fno import FNO
from fsdiff.spaces.bases import CosineBasis

REPOSITORY = Path(__file__).parents[1]
BASIS = CosineBasis(2)
KINDS: dict[str, Guidance | None] = {
    "none": None,
    "wiener": WienerGuidance(),
    "replacement": Replacement(),
    "daps": DecoupledAnnealing(),
    "pigdm": PseudoinverseGuidance(),
    "dps": PosteriorSampling(),
}


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


def page(nodes: int, sensors: int, rounds: int) -> str:
    """The page: a row for each kind."""
    drawn = runs(nodes, sensors)
    first = {name: seconds(run, nodes, 0) for name, run in drawn.items()}
    found: dict[str, list[float]] = {name: [] for name in drawn}
    for index in range(1, rounds + 1):
        for name, run in drawn.items():
            found[name].append(seconds(run, nodes, index))
    medians = {name: median(values) for name, values in found.items()}
    rows = [
        [name, number(first[name]), number(medians[name]), number(medians[name] / medians["none"])]
        for name in drawn
    ]
    about = (__doc__ or "").split("\n\n")
    return "\n".join(
        [
            "# The cost of guidance",
            "",
            " ".join(about[1].split()),
            "",
            f"{nodes} × {nodes} nodes, {sensors} sensors:",
            "",
            table("guidance | first draw, s: | a draw, s: | ratio:", rows),
            f"Made by `python benchmarks/guidance.py`: {environment()}",
            "",
        ]
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--nodes", type=int, default=128)
    parser.add_argument("--sensors", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmarks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = page(options.nodes, options.sensors, options.rounds)
    print(text)
    options.folder.mkdir(parents=True, exist_ok=True)
    with atomic(options.folder / "guidance.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
