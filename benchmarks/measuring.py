"""Processor time, peak memory, and the machine they were measured on."""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

import numpy
import scipy
import torch

Key = TypeVar("Key", bound=Hashable)
Input = TypeVar("Input")

Role = Literal["peer", "default", "other"]
"""Of a setting: what this project is compared with, its default, any other."""


@dataclass(frozen=True)
class Point:
    """What a solver needs for one sample, in processor seconds, and its relative L² error.

    ``megabytes`` is the peak memory of one solution, where it was measured.
    """

    solver: str
    setting: str
    seconds: float
    error: float
    role: Role = "other"
    megabytes: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Solvers at several settings on one problem; ``errors`` says what errors are relative to.

    Errors below ``enough`` are of no use to anyone.
    """

    system: str
    problem: str
    errors: str
    points: tuple[Point, ...]
    enough: float = 0.0

    def of(self, role: Role) -> Point:
        """The first point that has a role."""
        return next(point for point in self.points if point.role == role)

    @property
    def published(self) -> Point | None:
        """What data were published with, if it takes part."""
        return next((point for point in self.points if point.role == "peer"), None)

    @property
    def strongest(self) -> Point | None:
        """The fastest setting of another solver that errs no more than this project's default."""
        most = max(self.of("default").error, self.enough)
        others = [p for p in self.points if not p.solver.startswith("fsdiff") and p.error <= most]
        return min(others, key=lambda point: point.seconds, default=None)


@dataclass(frozen=True)
class Trial:
    """Median processor seconds of some runs, and what was kept of their results."""

    seconds: float
    results: list[Any]


def race(
    runs: Mapping[Key, Callable[[Input], Any]],
    inputs: Sequence[Input],
    repeats: int,
    keep: Callable[[Any, int], Any] = lambda result, index: result,
) -> dict[Key, Trial]:
    """Let all run in turn, ``repeats`` times, on the inputs one after the other.

    ``keep`` makes what is kept from a result and the index of its input.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in runs}
    results: dict[Key, list[Any]] = {key: [] for key in runs}
    for repeat in range(repeats):
        index = repeat % len(inputs)
        for key, run in runs.items():
            start = time.process_time()
            result = run(inputs[index])
            seconds[key].append(time.process_time() - start)
            results[key].append(keep(result, index))
    return {key: Trial(median(seconds[key]), results[key]) for key in runs}


def peak_megabytes(run: Callable[[Input], Any], first: Input) -> float | None:
    """Peak memory of a run in a fresh process, beyond that in use when it starts; Linux only.

    ``run`` must be found by name in a module, or a ``functools.partial`` of such.
    """
    if platform.system() != "Linux":
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["fsdiff.reports.plotting.style", "fsdiff.pde", "scipy.integrate"]
    )
    with context.Pool(1) as pool:
        return pool.apply(_peak_megabytes, (run, first))


def _peak_megabytes(run: Callable[[Input], Any], first: Input) -> float:
    torch.set_num_threads(1)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far becomes what is in use now
    run(first)
    return memory("VmHWM") - before


def memory(name: str) -> float:
    """An entry of this process's status, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) * 1024 / 1e6


def relative(fields: torch.Tensor, exact: torch.Tensor) -> float:
    """Relative L² error."""
    return float((fields.double() - exact).norm() / exact.norm())


def installed(package: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions(*packages: str) -> str:
    """The packages that are there, with their versions, and which are not."""
    there = {name: installed(name) for name in packages}
    known = [f"{name} {number}" for name, number in there.items() if number]
    absent = [name for name, number in there.items() if not number]
    return ", ".join(known + [f"{name} not installed" for name in absent])


def environment() -> str:
    """The machine, the versions and the time, in one sentence."""
    modules = (torch, numpy, scipy)
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{now}; {_processor()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at "
        f"the end; Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
