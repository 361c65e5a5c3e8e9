"""The Fourier–Galerkin method for the vorticity equation on one grid of the periodic square."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from fsdiff.pde.exponential import Weights
from fsdiff.spaces.bases import FourierBasis

_EDGE = 0.85
"""Modes beyond this share of the cutoff are the highest."""


class SpectralGrid:
    """The modes |k_x|, |k_y| ≤ cutoff < n/3 and the operators on them.

    Coefficients are stored as ``rfft2`` lays them out, seen as real numbers: (n, n//2 + 1, 2).
    """

    def __init__(self, n: int, dtype: torch.dtype, device: torch.device) -> None:
        self.n, self.cutoff = n, (n - 1) // 3
        basis = FourierBasis()
        k_y, k_x = (torch.from_numpy(k).double() for k in basis.axis_modes(n))
        k_y = k_y[:, None]
        kept = (k_y.abs() <= self.cutoff) & (k_x <= self.cutoff)
        squared = basis.omega_squared(n)
        potential = 2j * math.pi * kept / squared.clamp_min(1.0)
        symbol = 4 * math.pi**2 * kept
        self.dtype, self.device = dtype, device
        self.squared = squared.to(device)
        complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
        self.u_symbol = (potential * k_y).to(device, complex_dtype)
        self.v_symbol = (potential * -k_x).to(device, complex_dtype)
        self.product_symbol = self._interleave(symbol * (k_x**2 - k_y**2))
        self.difference_symbol = self._interleave(symbol * k_x * k_y)
        self.kept = self._interleave(kept)

    def analyse(self, field: Tensor) -> Tensor:
        """The projection of a field (n, n) onto the kept modes."""
        return torch.view_as_real(torch.fft.rfft2(field, norm="forward")) * self.kept

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """Values on the nodes, (n, n)."""
        return self._inverse(torch.view_as_complex(coefficients))

    def advection(self, state: Tensor, forcing: Tensor) -> Tensor:
        """The coefficients of f − u·∇ω.

        −u·∇ω = −(∂_x² − ∂_y²)(uv) − ∂_x∂_y(v² − u²), which takes four transforms (Basdevant, J.
        Comput. Phys. 50, 1983).
        """
        u, v = self._velocity(state)
        product = torch.view_as_real(torch.fft.rfft2(u * v, norm="forward"))
        difference = (v - u).mul_(v.add_(u))
        difference = torch.view_as_real(torch.fft.rfft2(difference, norm="forward"))
        slope = torch.addcmul(forcing, self.product_symbol, product)
        return slope.addcmul_(self.difference_symbol, difference)

    def speed(self, state: Tensor) -> float:
        """The largest |u| + |v| over the nodes."""
        u, v = self._velocity(state)
        return u.abs_().add_(v.abs_()).max().item()

    def edge(self, state: Tensor) -> float:
        """Norm of what a state on this or a finer grid has beyond 0.85 of this grid's cutoff."""
        first = int(_EDGE * self.cutoff) + 1
        rows = state[first : len(state) - first + 1, :first]
        return math.hypot(norm(state[:, first:]), norm(rows))

    def weights(self, viscosity: float, step: float) -> Weights:
        """Coefficients of a time step."""
        return Weights.of(viscosity * self.squared, step).map(self._interleave)

    def _velocity(self, state: Tensor) -> tuple[Tensor, Tensor]:
        vorticity = torch.view_as_complex(state)
        return self._inverse(vorticity * self.u_symbol), self._inverse(vorticity * self.v_symbol)

    def _inverse(self, coefficients: Tensor) -> Tensor:
        return torch.fft.irfft2(coefficients, s=(self.n, self.n), norm="forward")

    def _interleave(self, symbol: Tensor) -> Tensor:
        """A real array over modes, repeated for the real and imaginary parts."""
        pairs = symbol[..., None].expand(*symbol.shape, 2)
        return pairs.to(self.device, self.dtype).contiguous()


@lru_cache(maxsize=8)
def grids(n: int, dtype: torch.dtype, device: torch.device) -> list[SpectralGrid]:
    """The grid of n nodes per axis and coarser ones, of sizes for which transforms are fast."""
    sizes = [base * 2**power for power in range(1, 12) for base in (8, 10, 12)]
    coarser = sorted({size for size in sizes if size <= 0.9 * n}, reverse=True)
    return [SpectralGrid(size, dtype, device) for size in [n, *coarser]]


def transfer(coefficients: Tensor, source: SpectralGrid, target: SpectralGrid) -> Tensor:
    """The same function on another grid, without the modes that it does not keep."""
    if source is target:
        return coefficients
    kept = min(source.cutoff, target.cutoff) + 1
    out = coefficients.new_zeros((target.n, target.n // 2 + 1, 2))
    out[:kept, :kept] = coefficients[:kept, :kept]
    out[1 - kept :, :kept] = coefficients[1 - kept :, :kept]
    return out


def norm(coefficients: Tensor) -> float:
    """Euclidean norm."""
    return torch.linalg.vector_norm(coefficients).item()
