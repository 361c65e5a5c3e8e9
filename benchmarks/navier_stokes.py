"""Time and error of the Navier–Stokes solver beside the published scheme, on one core.

The published data (Li et al., arXiv 2010.08895, A.3.3) were made with Crank–Nicolson for the
viscous term and explicit Euler for convection, 10⁻⁴ per step, complex transforms and the 2/3 rule,
in batches of 20. Both solvers run in turn in this process on the same initial states and modes.
Errors are relative L² at ``--horizon``, against a tight run of this project's integrator on the
full grid (which the unit tests compare with scipy's). The published scheme is run to the horizon
for its error and timed in a batch of 20 and alone, whichever is faster; its time to ``--end`` is
that per step and sample times the number of steps. Processor time is reported, which other work on
the machine disturbs less than wall time.

    python benchmarks/navier_stokes.py [--resolutions 64 256] [--end 50] [--horizon 1]
"""

import argparse
import math
import time
from dataclasses import replace
from unittest import mock

import torch
from torch import Tensor

import fsdiff.pde.navier_stokes as solver
from fsdiff.bases import FourierBasis
from fsdiff.initial import PowerLawField
from fsdiff.pde.navier_stokes import NavierStokes

STEP, BATCH = 1e-4, 20


class Published:
    """The published scheme on a batch of fields, one step at a time."""

    def __init__(self, system: NavierStokes, vorticity: Tensor, step: float) -> None:
        n = vorticity.shape[-1]
        k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
        self.k_y, self.k_x, self.step = k[:, None], k, step
        laplacian = 4 * math.pi**2 * (self.k_x**2 + self.k_y**2)
        self.inverse_laplacian = torch.where(laplacian > 0, 1 / laplacian.clamp_min(1), 0.0)
        self.dealias = (self.k_y.abs() < n / 3) & (self.k_x.abs() < n / 3)
        self.forcing = torch.fft.fft2(system.forcing_field(n))
        viscous = 0.5 * step * system.viscosity * laplacian
        self.explicit, self.implicit = 1 - viscous, 1 + viscous
        self.state = torch.fft.fft2(vorticity) * self.dealias

    def advance(self) -> None:
        """One step of Crank–Nicolson and explicit Euler."""
        d_x, d_y = 2j * math.pi * self.k_x, 2j * math.pi * self.k_y
        stream = self.state * self.inverse_laplacian
        u = torch.fft.ifft2(d_y * stream).real
        v = torch.fft.ifft2(-d_x * stream).real
        w_x = torch.fft.ifft2(d_x * self.state).real
        w_y = torch.fft.ifft2(d_y * self.state).real
        convection = torch.fft.fft2(u * w_x + v * w_y) * self.dealias
        right = self.step * (self.forcing - convection) + self.explicit * self.state
        self.state = right / self.implicit

    def vorticity(self) -> Tensor:
        """The fields."""
        return torch.fft.ifft2(self.state).real


def seconds_per_step(system: NavierStokes, states: Tensor, steps: int) -> float:
    """Processor time of the published scheme per step and sample, the best of three runs."""
    scheme, best = Published(system, states, STEP), math.inf
    for _ in range(3):
        start = time.process_time()
        for _ in range(steps):
            scheme.advance()
        best = min(best, (time.process_time() - start) / steps / len(states))
    return best


def reference(system: NavierStokes, state: Tensor, times: list[float]) -> Tensor:
    """The semi-discretisation on the full grid, integrated with a tolerance of 1e-10."""
    full, tight = solver._grids, replace(system, tolerance=1e-10)
    with mock.patch.object(solver, "_grids", lambda *key: full(*key)[:1]):
        return tight.solve(state, times)[0, :, 0]


def relative(fields: Tensor, exact: Tensor) -> float:
    """Relative L² error."""
    return float((fields - exact).norm() / exact.norm())


def compare(n: int, end: float, horizon: float, law: PowerLawField) -> None:
    """Print one line."""
    system = NavierStokes()
    states = law.sample(FourierBasis(), n, range(BATCH), 0, channels=1)
    exact = reference(system, states[:1], [horizon])[-1]
    ours = relative(system.solve(states[:1], [horizon])[0, -1, 0], exact)
    start = time.process_time()
    system.solve(states[:1], [end])
    seconds = time.process_time() - start
    scheme = Published(system, states[0], STEP)
    for _ in range(round(horizon / STEP)):
        scheme.advance()
    theirs = relative(scheme.vorticity()[0], exact)
    trial = max(4, 300 * 64**2 // n**2)
    step = min(
        seconds_per_step(system, states[0], trial),
        seconds_per_step(system, states[:, 0], max(2, trial // BATCH)),
    )
    published = step * end / STEP
    print(
        f"{n:>5} {law.scale:>7.1f} {1e6 * step:>10.0f} {published:>12.1f}  {theirs:.1e} "
        f"{seconds:>12.3f}  {ours:.1e} {published / seconds:>8.0f}",
        flush=True,
    )


def main() -> None:
    """Print one line per resolution and initial law."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--end", type=float, default=50.0)
    parser.add_argument("--horizon", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"viscosity 1e-3, diagonal forcing; seconds to t = {arguments.end:g} per sample "
        f"(published: extrapolated from µs/step), errors at t = {arguments.horizon:g}"
    )
    print("nodes   scale    µs/step  published s    error     fsdiff s    error    ratio")
    for n in arguments.resolutions:
        for law in (PowerLawField(), PowerLawField(scale=2 * 7**3)):
            compare(n, arguments.end, arguments.horizon, law)


if __name__ == "__main__":
    main()
