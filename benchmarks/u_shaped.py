"""Parameters and cost of the U-NO of denoising diffusion operators beside the FNO in its place.

Networks are those of studies in ``configs/ddo``, where the U-NO for distances has the published
numbers of features, modes and blocks (github.com/lim0606/ddo). About a minute of one core.

    python benchmarks/u_shaped.py [--quick] [--folder docs/reproduction]
"""

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from contenders import BATCH, Contender
from measuring import environment
from report import number, table
from torch import nn

from fsdiff.jobs.atomic import atomic
from fsdiff.parts import build
from fsdiff.study import load

ROOT = Path(__file__).parents[1]

NETWORKS = {
    "signed_distances": ("distances_matern", "distances_uno"),
    "navier_stokes": ("flow_published_noise", "flow_uno"),
}
"""By study, experiments that differ in nothing but the network."""

METHOD = """\
The U-shaped operators of *Score-based Diffusion Models in Function Space* (Lim et al., arXiv
2302.07400) as this project has them, beside the FNO that is in their place in the same study. That
for signed distances has what is published of it: 64, 128 and 128 features, 32 modes in the first
stage and four blocks in each; stages are reached by coefficients and not by interpolation, so that
the operator is the same on every grid. Numbers of parameters are not published. Times are processor
time of one thread for one field of a batch of {batch}, medians of {rounds} rounds in which networks
take turns. A step of training is forward, backward and AdamW.
"""


@dataclass(frozen=True)
class Row:
    """One network on one grid; times are seconds for one field."""

    study: str
    network: str
    nodes: int
    parameters: int
    training: float
    inference: float


def networks(study: str) -> dict[str, partial[nn.Module]]:
    """Those of a study for fields of one channel, by kind."""
    loaded = load(ROOT / "configs" / "ddo" / f"{study}.yaml")
    found = {}
    for name in NETWORKS[study]:
        experiment = loaded.experiments[name]
        axes = loaded.datasets[experiment.dataset].basis.axis_kinds
        block = experiment.network.plain()
        found[experiment.network.kind] = partial(build, "network", block, 1, 0, axes)
    return found


def measure(study: str, n: int, rounds: int) -> Iterator[Row]:
    """A row for each network of a study; the first round is not counted."""
    contenders = {kind: Contender(make, n) for kind, make in networks(study).items()}
    training: dict[str, list[float]] = {kind: [] for kind in contenders}
    inference: dict[str, list[float]] = {kind: [] for kind in contenders}
    for count in range(rounds + 1):
        for kind, contender in contenders.items():
            start = time.process_time()
            contender.train()
            trained = time.process_time()
            contender.infer()
            if count:
                training[kind].append(trained - start)
                inference[kind].append(time.process_time() - trained)
    for kind, contender in contenders.items():
        parameters = sum(p.numel() for p in contender.network.parameters())
        times = (median(each[kind]) / BATCH for each in (training, inference))
        yield Row(study, kind, n, parameters, *times)


def results(rows: list[Row]) -> str:
    """The table."""
    header = (
        "study | grid | network | parameters: | training step, ms: | times longer: "
        "| inference, ms: | times longer:"
    )
    first = {(row.study, row.nodes): row for row in reversed(rows)}
    lines = [
        [
            *(row.study.replace("_", " "), f"{row.nodes}²", row.network, f"{row.parameters:,}"),
            *(number(1e3 * row.training), number(row.training / fno.training)),
            *(number(1e3 * row.inference), number(row.inference / fno.inference)),
        ]
        for row in rows
        for fno in [first[row.study, row.nodes]]
    ]
    return table(header, lines)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="the smaller study, 32 x 32 nodes, one round"
    )
    parser.add_argument("--folder", type=Path, default=Path("docs/reproduction"))
    arguments = parser.parse_args()
    resolutions, rounds = ((32,), 1) if arguments.quick else ((32, 64), 3)
    studies = ["navier_stokes"] if arguments.quick else [*NETWORKS]
    torch.set_num_threads(1)
    rows = [row for study in studies for n in resolutions for row in measure(study, n, rounds)]
    command = shlex.join(["python", "benchmarks/u_shaped.py", *sys.argv[1:]])
    page = [
        "# U-NO and FNO\n",
        METHOD.format(batch=BATCH, rounds=rounds),
        results(rows),
        f"Made by `{command}`: {environment()}\n",
    ]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with atomic(arguments.folder / "ddo-networks.md") as temporary:
        temporary.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
