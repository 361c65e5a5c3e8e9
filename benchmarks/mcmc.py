"""Markov chains on functions: how fast they are, how much they tell, and whether they are right.

Preconditioned Crank–Nicolson and Hamiltonian Monte Carlo, eight chains, on one thread. A linear
observation has a posterior in closed form, which means and variances are compared with; Darcy's
pressure at 8 × 8 sensors is the published problem and a sharper one; the membrane of 64 blocks is a
published benchmark, whose data are symmetric, so that its posterior is. Steps are those of all
chains together, with those that told the law of their steps; a step of Hamiltonian Monte Carlo
takes as many values of the map as it has leapfrogs, and as many gradients.

    python benchmarks/mcmc.py [--quick] [--only darcy membrane …] [--folder docs/benchmarks]
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from measuring import environment
from report import number, table
from torch import Tensor

from fsdiff.inverse.forward.base import Differentiable, ForwardMap, Linear
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.interpolation import Interpolation
from fsdiff.inverse.observations.points import GridOfPoints
from fsdiff.inverse.references.adaptation import Adaptation
from fsdiff.inverse.references.chains import Chains, Plan
from fsdiff.inverse.references.convergence import Convergence, convergence
from fsdiff.inverse.references.fitted import Fitted
from fsdiff.inverse.references.gaussian import GaussianPosterior, laplace
from fsdiff.inverse.references.kernels import (
    HamiltonianMonteCarlo,
    Kernel,
    PreconditionedCrankNicolson,
)
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField
from fsdiff.inverse.references.problems import darcy_log_normal, membrane_64
from fsdiff.inverse.references.recentred import Recentred
from fsdiff.jobs.atomic import atomic
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.metrics.posterior.base import Cases
from fsdiff.metrics.posterior.moments import PosteriorMoments
from fsdiff.randomness import generator
from fsdiff.spaces.bases import CosineBasis
from fsdiff.streams import Stream

REPOSITORY = Path(__file__).parents[1]
BASIS = CosineBasis(2)
ROUGH = GaussianRandomField(variance=1.0, correlation_length=0.5, smoothness=1.5)
"""The published prior of Darcy's problem."""

JUDGED = 40
"""Draws of a chain from which on convergence is judged."""

DATA = 64
"""The level that data are made on."""

PAGE = """\
# Markov chains on functions

{about}
"""

SECTION = """\
## {title}

Made by `python benchmarks/mcmc.py --only {name}`: {environment}

{speed}
{findings}
"""

TITLES = {
    "refinement": "Acceptance under refinement",
    "linear": "A posterior in closed form",
    "darcy": "Permeability from pressure",
    "laplace": "The sharper one about its Laplace approximation",
    "adapted": "The sharper one about a law that shorter chains have told",
    "membrane": "The membrane of 64 blocks",
}


@dataclass(frozen=True)
class Run:
    """A finished run and what it cost."""

    task: str
    n: int
    chains: Chains
    seconds: float
    convergence: Convergence | None
    before: int = 0

    @property
    def steps(self) -> int:
        """Of all chains, and of those before them."""
        return (self.before + self.chains.total) * self.chains.plan.chains

    @property
    def values(self) -> int:
        """How often the map was applied."""
        return self.steps * getattr(self.chains.kernel, "leapfrogs", 1)


def run(
    task: str, posterior: Posterior, kernel: Kernel, plan: Plan, start: Tensor | None = None
) -> Run:
    """Chains from beginning to end."""
    chains = Chains(posterior, kernel, plan, seed=0, start=start)
    before = time.process_time()
    chains.run()
    seconds = time.process_time() - before
    n = posterior.prior.shape[-1]
    judged = convergence(chains.quantities()) if plan.draws >= JUDGED else None
    return Run(task, n, chains, seconds, judged)


def adapted(
    task: str, posterior: Posterior, kernel: Kernel, plan: Plan, adaptation: Adaptation
) -> Run:
    """Chains about a law that shorter ones have told."""
    before = time.process_time()
    course = adaptation.course(posterior, kernel, plan.chains, seed=0)
    while course.share < 1:
        course.move()
    begun, told = course.begun(), time.process_time() - before
    about = Fitted.about(posterior, begun.law)
    start = begun.deviations - begun.law.shift
    done = run(task, about, kernel.beginning(begun.step), plan, start)
    return replace(done, seconds=done.seconds + told, before=adaptation.length(plan.chains))


def linear(n: int, noise: float = 0.5) -> Posterior:
    """A field at 4 × 4 sensors."""
    prior = GaussianField(BASIS, ROUGH, n)
    map = Linear.of(at_sensors(n), torch.zeros(prior.shape, dtype=torch.float64))
    return Posterior(prior, map, GaussianNoise(noise=noise), seen(at_sensors(DATA), noise))


def at_sensors(n: int) -> Differentiable:
    """Values of a field at 4 × 4 points."""
    interpolation = Interpolation(GridOfPoints(shape=(4, 4)).coordinates(BASIS), n)
    return Differentiable(lambda u: interpolation.apply(u[:, 0]), 16)


def darcy(n: int, noise: float) -> Posterior:
    """Pressure at 8 × 8 sensors."""
    return darcy_log_normal(n, seen(DarcySensors(), noise), noise)


def about(posterior: Posterior) -> Posterior:
    """The same posterior with respect to its Laplace approximation."""
    return Recentred.about(posterior, laplace(posterior))


def seen(map: ForwardMap, noise: float) -> Tensor:
    """Data of a draw of the prior, the same whatever grid the posterior is on."""
    prior = GaussianField(BASIS, ROUGH, DATA)
    random = generator(1, Stream.INITIAL_STATE)
    truth = prior.draw(torch.from_numpy(random.standard_normal((1, prior.normals))))
    errors = generator(1, Stream.CONDITIONAL).standard_normal(map.size)
    return map.evaluate(truth)[0] + noise * torch.from_numpy(errors)


def speed(runs: list[Run]) -> str:
    """A row for each run."""
    header = (
        "posterior | n: | kernel | steps: | accepted: | seconds: | steps/s: | "
        "effective samples, fewest: | per second: | per 1,000 values: | R̂, largest:"
    )
    rows = []
    for each in runs:
        found = each.convergence
        judged = ["–", "–", "–", "–"]
        if found is not None:
            fewest = found.least_effective
            rates = (fewest / each.seconds, 1000 * fewest / each.values)
            judged = [number(fewest), *map(number, rates), f"{found.largest_r_hat:.3f}"]
        rows.append(
            [
                each.task,
                str(each.n),
                each.chains.kernel.kind,
                f"{each.steps:,}",
                f"{float(each.chains.acceptance().mean()):.2f}",
                number(each.seconds),
                number(each.steps / each.seconds),
                *judged,
            ]
        )
    return table(header, rows)


def exactness(each: Run) -> str:
    """Means and variances of leading coefficients beside the closed form."""
    posterior = each.chains.posterior
    prior, exact = posterior.prior, GaussianPosterior.of(posterior)
    count = len(each.convergence.bulk) - 1
    units = torch.eye(prior.normals, dtype=torch.float64).view(-1, *prior.shape)
    weights = each.n**2 * prior.leading(units).T.view(count, *prior.shape)
    mean = weights.flatten(1) @ exact.deviation.flatten() / each.n**2
    variance = exact.covariance_of(weights).diagonal()
    worst = [0.0, 0.0]
    for k in range(count):
        values = each.chains.quantities()[f"mode {k}"]
        error = math.sqrt(variance[k] / each.convergence.bulk[f"mode {k}"])
        worst[0] = max(worst[0], abs(float(values.mean() - mean[k])) / error)
        squares = (values - mean[k]).square()
        relative = math.sqrt(2 / convergence({"square": squares}).bulk["square"])
        worst[1] = max(worst[1], abs(float(squares.mean() / variance[k]) - 1) / relative)
    return (
        f"**{each.task}, {each.chains.kernel.kind}, n = {each.n}**: of {count} leading "
        f"coefficients the mean is at most {worst[0]:.1f} standard errors from the closed form, "
        f"the variance {worst[1]:.1f}."
    )


def half_against_half(each: Run) -> str:
    """What is left of two halves of the draws of a reference."""
    draws = each.chains.fields().flatten(0, 1)[None]
    row = PosteriorMoments()(Cases(draws[:, 1::2], BASIS, reference=draws[:, ::2]))
    return (
        f"**{each.task}, {each.chains.kernel.kind}, n = {each.n}**: half of the draws against the "
        f"other half: mean {row['posterior_mean']:.3f}, deviation {row['posterior_sd']:.3f}."
    )


def refined(fine: Run, coarse: Run) -> str:
    """How far the posterior mean on a coarse grid is from that on the fine one."""
    means = [each.chains.fields().double().mean((0, 1)) for each in (fine, coarse)]
    shift = BASIS.restrict(means[0], coarse.n) - means[1]
    spread = fine.chains.fields().double().flatten(0, 1).var(0).mean().sqrt()
    ratio = float(shift.square().mean().sqrt() / spread)
    error = math.sqrt(1 / fine.convergence.least_effective + 1 / coarse.convergence.least_effective)
    return (
        f"**{fine.task}, n = {coarse.n} and {fine.n}**, the same data: posterior means differ by "
        f"{ratio:.3f} deviations; Monte Carlo errors leave up to {error:.3f}."
    )


def symmetry(each: Run) -> str:
    """Differences of θ_ij and θ_ji in standard errors, and the first mean."""
    logarithms = each.chains.fields().double()[:, :, 0]
    found = []
    for values in (logarithms, logarithms.exp()):
        pairs = {
            f"{i} {j}": values[..., i, j] - values[..., j, i] for i in range(8) for j in range(i)
        }
        sizes = convergence(pairs).bulk
        found.append(
            max(
                abs(float(pair.mean())) / math.sqrt(float(pair.var()) / sizes[name])
                for name, pair in pairs.items()
            )
        )
    first = logarithms.exp()[..., 0, 0]
    error = math.sqrt(float(first.var()) / convergence({"first": first}).bulk["first"])
    return (
        f"**{each.task}, {each.chains.kernel.kind}**: the 28 pairs of ln θ_ij and ln θ_ji differ "
        f"by at most {found[0]:.1f} standard errors, those of θ by {found[1]:.1f}; "
        f"E θ_00 = {float(first.mean()):.1f} ± {error:.1f}, an error that heavy tails make "
        "too small."
    )


def refinement(quick: bool) -> Iterator[tuple[Run, str]]:
    """Acceptance of the same step on finer and finer grids, from draws of the posterior."""
    for kernel in (PreconditionedCrankNicolson(first=0.2), HamiltonianMonteCarlo(first=0.2)):
        for n in (8, 16) if quick else (16, 32, 64, 128):
            posterior = linear(n)
            start = GaussianPosterior.of(posterior).sample(range(32), seed=0)
            steps = (100 if kernel.kind == "pcn" else 10) // (5 if quick else 1)
            plan = Plan(chains=32, burn_in=0, steps=max(4, steps), thin=max(1, steps // 4))
            done = run("linear, 4 × 4 sensors", posterior, kernel, plan, start)
            rates = done.chains.acceptance()
            error = float(rates.std()) / math.sqrt(len(rates))
            yield done, f"**{kernel.kind}, n = {n}**: {float(rates.mean()):.3f} ± {error:.3f}."


def tasks(quick: bool) -> dict[str, Callable[[], Iterator[tuple[Run, str]]]]:
    """What is run, by name: each run with what is found in it."""
    n, size = (8, 1 / 500) if quick else (32, 1.0)

    def plan(burn_in: int, steps: int, draws: int) -> Plan:
        kept = max(40, int(draws * size)) if quick else draws
        steps = max(kept, int(steps * size))
        return Plan(burn_in=max(20, int(burn_in * size)), steps=steps, thin=steps // kept)

    pcn, hmc = PreconditionedCrankNicolson(), HamiltonianMonteCarlo()

    def of_linear() -> Iterator[tuple[Run, str]]:
        # 8 · 125,000 = 10⁶ steps.
        for kernel, lengths in ((pcn, (25_000, 100_000, 5000)), (hmc, (100, 400, 400))):
            done = run("linear, 4 × 4 sensors", linear(n), kernel, plan(*lengths))
            yield done, exactness(done)

    def of_darcy() -> Iterator[tuple[Run, str]]:
        for noise in (0.025, 0.005):
            title = f"Darcy, noise {noise:g}"
            for kernel, lengths in ((pcn, (2500, 10_000, 1000)), (hmc, (100, 400, 400))):
                done = run(title, darcy(n, noise), kernel, plan(*lengths))
                yield done, half_against_half(done)
            coarse = run(title, darcy(n // 2, noise), hmc, plan(100, 400, 400))
            yield coarse, refined(done, coarse)

    def of_laplace() -> Iterator[tuple[Run, str]]:
        title = "Darcy, noise 0.005"
        done = run(title, about(darcy(n, 0.005)), hmc, plan(50, 250, 250))
        yield done, half_against_half(done)
        coarse = run(title, about(darcy(n // 2, 0.005)), hmc, plan(50, 250, 250))
        yield coarse, refined(done, coarse)

    def of_adapted() -> Iterator[tuple[Run, str]]:
        title, kernel = "Darcy, noise 0.005", HamiltonianMonteCarlo(leapfrogs=4)
        adaptation = Adaptation(rounds=1 if quick else 4, steps=16)
        runs = []
        for level in (n, n // 2):
            own = darcy(level, 0.005)
            runs.append(adapted(title, own, kernel, plan(60, 300, 300), adaptation))
        yield runs[0], half_against_half(runs[0])
        yield runs[1], refined(*runs)

    def of_membrane() -> Iterator[tuple[Run, str]]:
        kernel = HamiltonianMonteCarlo(leapfrogs=24, turn=1.0)
        adaptation = Adaptation(rounds=1 if quick else 4)
        done = adapted("membrane", membrane_64(), kernel, plan(60, 400, 400), adaptation)
        yield done, symmetry(done)

    return {
        "refinement": lambda: refinement(quick),
        "linear": of_linear,
        "darcy": of_darcy,
        "laplace": of_laplace,
        "adapted": of_adapted,
        "membrane": of_membrane,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the smallest sizes")
    parser.add_argument("--only", nargs="*", choices=[*TITLES], default=[*TITLES])
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmarks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    for name in options.only:
        runs, findings = [], []
        for done, found in tasks(options.quick)[name]():
            print(speed([done]).splitlines()[-1], found, sep="\n", flush=True)
            runs.append(done)
            findings.append(found)
        put(options.folder / "mcmc.md", name, section(name, runs, findings))


def section(name: str, runs: list[Run], findings: list[str]) -> str:
    """What has been found in a task."""
    return SECTION.format(
        title=TITLES[name],
        name=name,
        environment=environment(),
        speed=speed(runs),
        findings="\n".join(f"* {found}" for found in findings),
    )


def put(file: Path, name: str, text: str) -> None:
    """Put a section in its place on the page, and leave others as they are."""
    before = file.read_text(encoding="utf-8").split("\n## ")[1:] if file.exists() else []
    known = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in before}
    known[TITLES[name]] = text
    about = " ".join((__doc__ or "").partition("\n\n")[2].partition("\n\n")[0].split())
    sections = [known[title] for title in TITLES.values() if title in known]
    with atomic(file) as temporary:
        temporary.write_text("\n".join([PAGE.format(about=about), *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
