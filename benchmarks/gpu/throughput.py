"""How fast solvers, networks and samplers are on a device, beside other packages' and its limits.

Wall times, medians, once the device has finished. Writes ``throughput.json``, again after every
measurement, and ends before ``--seconds`` are over; what there was no time for is listed.

    python benchmarks/gpu/throughput.py --folder FOLDER [--device cuda] [--seconds 140] [--smallest]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from contenders import Contender
from measuring import environment, installed
from peers.networks import PackagedFNO, PhysicsNemoFNO, PlainFNO, PublishedFNO
from problems.batches import batches
from roofline import Ceilings, Work, ceilings, counted, wall_times

from fsdiff.data.storage import atomic
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import gaussian
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.measures.priors import Bessel
from fsdiff.networks.fno import FNO
from fsdiff.networks.uno import UNO
from fsdiff.spaces.bases import FourierBasis

OURS = "fsdiff"
FOUR = partial(FNO, modes=12, basis="fourier")


class Lower(nn.Module):
    """This project's network in bfloat16, as ``precision: bfloat16`` trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = FOUR()

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.network(x, t).to(x.dtype)


def compiled() -> nn.Module:
    """As ``compile: true`` trains it."""
    network = FOUR()
    network.compile()
    return network


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str | None]] = {
    OURS: (FOUR, None),
    f"{OURS}, bfloat16": (Lower, None),
    f"{OURS}, U-NO": (partial(UNO, basis="fourier"), None),
    "plain": (PlainFNO, None),
    "published": (PublishedFNO, None),
    "neuralop": (PackagedFNO, "neuraloperator"),
    "physicsnemo": (PhysicsNemoFNO, "nvidia-physicsnemo"),
}
"""What makes a network, and the package that it needs."""


def milliseconds(run: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """The median of some runs, after two that are not counted."""
    return 1e3 * median(wall_times(run, device, rounds + 2)[2:])


def networks(device: torch.device, limits: Ceilings, smallest: bool) -> Iterator[dict[str, Any]]:
    """A row for each network on each grid: times, and what they could be at best."""
    for n in (32,) if smallest else (64, 128, 256):
        for name, (make, package) in NETWORKS.items():
            known = "" if package is None else installed(package)
            if known is None or (smallest and name not in (OURS, "plain")):
                continue
            contender = Contender(make, n, device)
            row = timed(f"{name} {known}".strip(), contender, n, rounds=1 if smallest else 20)
            if name in (OURS, "plain"):
                row |= limited(counted(contender.train, limits))
            yield row


def timed(name: str, contender: Contender, n: int, rounds: int) -> dict[str, Any]:
    """Times of a network, and on a GPU its peak memory."""
    device = contender.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    row = {
        "nodes": n,
        "network": name,
        "training_ms": milliseconds(contender.train, device, rounds),
        "inference_ms": milliseconds(contender.infer, device, rounds),
    }
    if device.type == "cuda":
        row["peak_megabytes"] = torch.cuda.max_memory_allocated(device) / 1e6
    return row


def limited(work: Work) -> dict[str, Any]:
    """What a step takes of the device, and how fast it could be at best."""
    return {
        "attainable_ms": 1e3 * work.attainable,
        "operations": sum(work.calls.values()),
        "gigabytes": sum(work.bytes.values()) / 1e9,
        "gigaflop": sum(work.arithmetic.values()) / 1e9,
        "largest": work.largest(4),
    }


def compiled_network(device: torch.device) -> Iterator[dict[str, Any]]:
    """This project's network compiled, which takes most of a minute, on one grid."""
    n = 128
    yield timed(f"{OURS}, compiled", Contender(compiled, n, device), n, rounds=20)


def samples(device: torch.device, smallest: bool) -> Iterator[dict[str, Any]]:
    """Samples per second of 20 steps of DPM-Solver++ with this project's network."""
    basis = FourierBasis(2)
    law = Law(
        basis=basis,
        noise=Bessel(),
        process=VariancePreserving(),
        data=gaussian(basis, Bessel(power=1.5)),
    )
    torch.manual_seed(0)
    denoiser = Denoiser(law, FOUR(), Wiener()).eval().to(device)
    sampler = DPMSolver(steps=2 if smallest else 20)
    for n in (32,) if smallest else (64, 128, 256):
        for count in (1,) if smallest else (16, 128):
            indices = range(count)
            run = partial(sampler, denoiser, n, indices, 0, device=device)
            seconds = milliseconds(run, device, 1) / 1e3
            yield {"nodes": n, "batch": count, "samples_per_second": count / seconds}


def solvers(device: torch.device) -> Iterator[dict[str, Any]]:
    """Batches of this project's solvers."""
    for batch in batches(device, (1, 16)):
        yield {"problem": batch.problem, "batch": batch.size, "seconds": batch.seconds}


def darcy_alone(device: torch.device) -> Iterator[dict[str, Any]]:
    """One small medium."""
    from fsdiff.pde.darcy import Darcy

    media = torch.ones(1, 1, 32, 32, dtype=torch.float64, device=device)
    seconds = milliseconds(lambda: Darcy().solve(media), device, 1) / 1e3
    yield {"problem": "Darcy, constant, 32 × 32", "batch": 1, "seconds": seconds}


def main() -> None:
    """Measure until the time is over."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=140)
    parser.add_argument("--smallest", action="store_true")
    options = parser.parse_args()
    device, smallest = options.device, options.smallest
    end = time.monotonic() + options.seconds
    limits = ceilings(device, quick=smallest)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "processor",
        "environment": environment(),
        "ceilings": {"bandwidth": limits.bandwidth, "arithmetic": limits.arithmetic},
    }
    parts = {
        "networks": networks(device, limits, smallest),
        "samples": samples(device, smallest),
        "solvers": darcy_alone(device) if smallest else solvers(device),
        "compiled": iter(()) if smallest else compiled_network(device),
    }
    # Each part has its share of the time that is left, so that none is without.
    shares = dict(zip(parts, (0.4, 0.4, 0.7, 1.0), strict=True))
    for name, rows in parts.items():
        found[name], stop = [], time.monotonic() + shares[name] * (end - time.monotonic())
        found["unfinished"] = [*found.get("unfinished", []), name]
        for row in rows:
            found[name].append(row)
            print(name, row, flush=True)
            write(found, options.folder / "throughput.json")
            if time.monotonic() > stop:
                break
        else:
            found["unfinished"].remove(name)
    write(found, options.folder / "throughput.json")


def write(found: dict[str, Any], path: Path) -> None:
    """What is known so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
