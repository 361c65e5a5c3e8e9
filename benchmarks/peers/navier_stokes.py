"""The vorticity equation as the data of Li et al. (arXiv 2010.08895, A.3.3) were made."""

import math

import torch
from torch import Tensor

from fsdiff.pde.navier_stokes import NavierStokes


class CrankNicolsonEuler:
    """Crank–Nicolson for viscosity, explicit Euler for convection, the 2/3 rule.

    Complex transforms of all modes, six in a step, as in the published code; that took steps of
    10⁻⁴. ``vorticity`` has shape (..., n, n), and all fields advance together.
    """

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

    def advance(self, steps: int) -> Tensor:
        """The vorticity after so many further steps."""
        for _ in range(steps):
            self._step()
        return torch.fft.ifft2(self.state).real

    def _step(self) -> None:
        d_x, d_y = 2j * math.pi * self.k_x, 2j * math.pi * self.k_y
        stream = self.state * self.inverse_laplacian
        u = torch.fft.ifft2(d_y * stream).real
        v = torch.fft.ifft2(-d_x * stream).real
        w_x = torch.fft.ifft2(d_x * self.state).real
        w_y = torch.fft.ifft2(d_y * self.state).real
        convection = torch.fft.fft2(u * w_x + v * w_y) * self.dealias
        right = self.step * (self.forcing - convection) + self.explicit * self.state
        self.state = right / self.implicit


def advance(system: NavierStokes, vorticity: Tensor, step: float, steps: int) -> Tensor:
    """The vorticity after ``steps`` steps of the published scheme."""
    return CrankNicolsonEuler(system, vorticity, step).advance(steps)
