"""Measures and priors beside what they replace, on sets of fields of a study's size.

Sliced Wasserstein: ``ot.sliced_wasserstein_distance`` in single precision, as fields are stored,
and in double precision; this project projects in the former and sums in the latter. Vendi score:
the published formula, a kernel of all pairs and its eigenvalues, of which this project computes the
kernel in blocks and in double precision. Priors: noise with the same covariance from one plain real
FFT, which depends on the size of the batch, and from the Cholesky factor of the dense covariance.
Values are the distance, each for directions of its own; the score; and the mean square of the
noise, which is 1 but for the randomness of so few samples.

    python benchmarks/metrics.py [--fields 2000] [--nodes 128] [--folder docs/benchmarks]
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from measuring import environment, peak_megabytes, race
from report import number, table

from fsdiff.jobs.atomic import atomic
from fsdiff.measures.priors import Bessel
from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.sliced import SlicedWasserstein, white_noise_directions
from fsdiff.spaces.bases import FourierBasis

REPOSITORY = Path(__file__).parents[1]
BASIS = FourierBasis()
PRIOR = Bessel(shift=8.0, power=0.8)
PROJECTIONS = 1000
NOISE = 64
"""Samples of a prior that are drawn at a time."""
DENSE_NODES = 64
"""Nodes per axis at which the dense covariance is still factorised in seconds."""

Run = Callable[[Any], Any]


@dataclass(frozen=True)
class Row:
    """A competitor's processor seconds and peak memory, and its value."""

    task: str
    name: str
    seconds: float
    megabytes: float | None
    value: float


@cache
def fields(count: int, nodes: int, seed: int) -> torch.Tensor:
    """Fields (count, 1, nodes, nodes) in single precision, as data are stored."""
    drawn = [
        PRIOR.sample(BASIS, nodes, range(first, min(first + 100, count)), seed).float()
        for first in range(0, count, 100)
    ]
    return torch.cat(drawn)


@cache
def flat(count: int, nodes: int, seed: int, kind: type) -> np.ndarray:
    """The same fields as rows of a matrix."""
    return fields(count, nodes, seed).flatten(1).numpy().astype(kind, copy=False)


@cache
def directions(nodes: int) -> np.ndarray:
    """This project's directions, as the columns that ``ot`` takes."""
    drawn = white_noise_directions(fields(1, nodes, 1), BASIS, range(PROJECTIONS))
    return np.ascontiguousarray(drawn.flatten(1).T.numpy() / nodes**2)


def sliced(count: int, nodes: int, _: object) -> float:
    """This project's distance."""
    measure = SlicedWasserstein(projections=PROJECTIONS)
    row = measure(fields(count, nodes, 1), fields(count, nodes, 2), BASIS)
    return row["sliced_wasserstein"]


def sliced_ot(count: int, nodes: int, kind: type, _: object) -> float:
    """That of ``ot`` with directions of its own."""
    x, y = (flat(count, nodes, seed, kind) for seed in (1, 2))
    return float(ot.sliced_wasserstein_distance(x, y, n_projections=PROJECTIONS, seed=0))


def sliced_ot_same(count: int, nodes: int) -> float:
    """That of ``ot`` with this project's directions."""
    x, y = (flat(count, nodes, seed, np.float64) for seed in (1, 2))
    return float(ot.sliced_wasserstein_distance(x, y, projections=directions(nodes)))


def vendi(count: int, nodes: int, _: object) -> float:
    """This project's score."""
    return VendiScore().score(fields(count, nodes, 1))


def vendi_formula(count: int, nodes: int, kind: type, _: object) -> float:
    """The published formula."""
    x = flat(count, nodes, 1, kind)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    weights = np.linalg.eigvalsh(x @ x.T / count)
    weights = weights[weights > 0]
    return float(np.exp(-(weights * np.log(weights)).sum()))


def noise(nodes: int, seed: int) -> float:
    """Variance of this project's samples."""
    return float(PRIOR.sample(BASIS, nodes, range(NOISE), seed).square().mean())


def noise_fft(nodes: int, seed: int) -> float:
    """White noise, filtered by one pair of real FFTs."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(NOISE, 1, nodes, nodes, generator=generator, dtype=torch.float64)
    scale = PRIOR.eigenvalues(BASIS, nodes).sqrt() * nodes
    shaped = torch.fft.irfft2(torch.fft.rfft2(white) * scale, s=(nodes, nodes))
    return float(shaped.square().mean())


def noise_dense(nodes: int, seed: int) -> float:
    """White noise times the Cholesky factor of the covariance between all nodes."""
    impulse = torch.zeros(nodes, nodes, dtype=torch.float64)
    impulse[0, 0] = nodes**2
    row = PRIOR.apply(impulse, BASIS)
    index = (torch.arange(nodes)[:, None] - torch.arange(nodes)) % nodes
    covariance = row[index[:, None, :, None], index[None, :, None, :]].reshape(nodes**2, nodes**2)
    covariance.diagonal().add_(1e-12)
    factor = torch.linalg.cholesky(covariance)
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(nodes**2, NOISE, generator=generator, dtype=torch.float64)
    return float((factor @ white).square().mean())


def compare(task: str, runs: Mapping[str, Run], repeats: int) -> list[Row]:
    """Let all run in turn; peak memory is that of a fresh process, the fields included."""
    values = {name: run(0) for name, run in runs.items()}
    trials = race(runs, range(repeats), repeats)
    return [
        Row(task, name, trials[name].seconds, peak_megabytes(run, 0), values[name])
        for name, run in runs.items()
    ]


def comparisons(count: int, nodes: int, repeats: int) -> list[list[Row]]:
    """All that is compared; this project comes first in each."""
    single, double = np.float32, np.float64
    size = f"{nodes} × {nodes}"
    noises = {
        n: {"fsdiff": partial(noise, n), "one FFT": partial(noise_fft, n)}
        for n in (nodes, DENSE_NODES)
    }
    noises[DENSE_NODES]["dense Cholesky"] = partial(noise_dense, DENSE_NODES)
    return [
        compare(
            f"sliced Wasserstein, 2 × {count} fields on {size}, {PROJECTIONS} projections",
            {
                "fsdiff": partial(sliced, count, nodes),
                "ot, single precision": partial(sliced_ot, count, nodes, single),
                "ot, double precision": partial(sliced_ot, count, nodes, double),
            },
            repeats,
        ),
        compare(
            f"Vendi score, {count} fields on {size}",
            {
                "fsdiff": partial(vendi, count, nodes),
                "formula, single precision": partial(vendi_formula, count, nodes, single),
                "formula, double precision": partial(vendi_formula, count, nodes, double),
            },
            repeats,
        ),
        *(
            compare(f"noise, {NOISE} samples on {n} × {n}", runs, repeats + 2)
            for n, runs in noises.items()
        ),
    ]


def page(results: list[list[Row]], same: tuple[float, float], options: argparse.Namespace) -> str:
    """The numbers in Markdown."""
    command = f"python benchmarks/metrics.py --fields {options.fields} --nodes {options.nodes}"
    rows = [
        [
            row.task,
            row.name,
            number(row.seconds),
            number(row.seconds / group[0].seconds),
            "" if row.megabytes is None else f"{row.megabytes:.0f}",
            f"{row.value:.6g}",
        ]
        for group in results
        for row in group
    ]
    header = "task | by | processor time, s: | times fsdiff's: | peak memory, MB: | value:"
    return (
        "# Measures and priors beside what they replace\n\n"
        f"Made by `{command}` on one thread: {environment()}\n\n"
        f"{__doc__.split('    python')[0].partition(chr(10))[2].strip()}\n\n"
        "Times are medians of runs that take turns; memory is the peak of a fresh process beyond "
        "what\nit uses before, the fields included.\n\n" + table(header, rows) + "\n"
        f"With the same {PROJECTIONS} directions, the distance is {same[0]:.10g}, and that of ot "
        f"{same[1]:.10g}.\n"
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=2000)
    parser.add_argument("--nodes", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmarks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = comparisons(options.fields, options.nodes, options.repeats)
    same = results[0][0].value, sliced_ot_same(options.fields, options.nodes)
    text = page(results, same, options)
    print(text)
    with atomic(options.folder / "metrics.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
