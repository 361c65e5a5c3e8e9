"""The Fourier–Galerkin method for the vorticity equation on one grid of a periodic rectangle."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fsdiff.pde.exponential import Weights
from fsdiff.pde.stepping import norm

_EDGE = 0.85
"""Modes beyond this share of the cutoff are the highest."""


class SpectralGrid:
    """The modes |k_i| ≤ cutoffs_i < n_i/3 along (y, x) and the operators on them.

    Coefficients are stored as ``rfft2`` lays them out, seen as real numbers: (n_y, n_x//2 + 1, 2).
    What steps and grids are chosen by are wavenumbers of the axis with fewer nodes, so that the
    flow in a rectangle of several equal squares takes the same steps as that in one of them.
    """

    def __init__(
        self,
        nodes: tuple[int, int],
        sides: tuple[float, float],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.nodes, self.sides = nodes, sides
        self.cutoffs = tuple((n - 1) // 3 for n in nodes)
        signed = np.fft.fftfreq(nodes[0], 1 / nodes[0]).round()[:, None]
        positive = np.arange(nodes[1] // 2 + 1.0)
        kept = torch.from_numpy((abs(signed) <= self.cutoffs[0]) & (positive <= self.cutoffs[1]))
        along_y, along_x = signed / sides[0], positive / sides[1]
        squared = (2 * math.pi) ** 2 * torch.from_numpy(np.sqrt(along_y**2 + along_x**2)) ** 2
        k_y, k_x = torch.from_numpy(along_y), torch.from_numpy(along_x)
        potential = 2j * math.pi * kept / torch.where(squared > 0, squared, 1.0)
        symbol = 4 * math.pi**2 * kept
        self.dtype, self.device = dtype, device
        self.squared = squared.to(device)
        self.highest, self.highest_squared = self._highest(squared)
        complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
        self.u_symbol = (potential * k_y).to(device, complex_dtype)
        self.v_symbol = (potential * -k_x).to(device, complex_dtype)
        self.product_symbol = self._interleave(symbol * (k_x**2 - k_y**2))
        self.difference_symbol = self._interleave(symbol * k_x * k_y)
        self.kept = self._interleave(kept)

    def analyse(self, field: Tensor) -> Tensor:
        """The projection of a field (n_y, n_x) onto the kept modes."""
        return torch.view_as_real(torch.fft.rfft2(field, norm="forward")) * self.kept

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """Values on the nodes, (n_y, n_x)."""
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
        """Norm of what a state on this or a finer grid has beyond 0.85 of this grid's cutoffs."""
        fewest = min(self.nodes)
        first = int(_EDGE * ((fewest - 1) // 3)) + 1
        y, x = (-(-first * n // fewest) for n in self.nodes)
        rows = state[y : len(state) - y + 1, :x]
        return math.hypot(norm(state[:, x:]), norm(rows))

    def weights(self, viscosity: float, step: float) -> Weights:
        """Coefficients of a time step."""
        return Weights.of(viscosity * self.squared, step).map(self._interleave)

    def _velocity(self, state: Tensor) -> tuple[Tensor, Tensor]:
        vorticity = torch.view_as_complex(state)
        return self._inverse(vorticity * self.u_symbol), self._inverse(vorticity * self.v_symbol)

    def _inverse(self, coefficients: Tensor) -> Tensor:
        return torch.fft.irfft2(coefficients, s=self.nodes, norm="forward")

    def _interleave(self, symbol: Tensor) -> Tensor:
        """A real array over modes, repeated for the real and imaginary parts."""
        pairs = symbol[..., None].expand(*symbol.shape, 2)
        return pairs.to(self.device, self.dtype).contiguous()

    def _highest(self, squared: Tensor) -> tuple[float, float]:
        """|ω| of the last kept mode along an axis, and |ω|² of that in the corner."""
        fewest = min(self.nodes)
        cutoff = (fewest - 1) // 3
        spacings = [side / n for side, n in zip(self.sides, self.nodes, strict=True)]
        side = self.sides[self.nodes.index(fewest)] * min(spacings) / max(spacings)
        y, x = (cutoff * n // fewest for n in self.nodes)
        return 2 * math.pi * cutoff / side, float(squared[y, x])


@lru_cache(maxsize=8)
def grids(
    nodes: tuple[int, int], sides: tuple[float, float], dtype: torch.dtype, device: torch.device
) -> list[SpectralGrid]:
    """The grid of given nodes along (y, x) and coarser ones, for which transforms are fast."""
    fewest = min(nodes)
    sizes = [base * 2**power for power in range(1, 12) for base in (8, 10, 12)]
    coarser = sorted({size for size in sizes if size <= 0.9 * fewest}, reverse=True)
    y, x = nodes
    shapes = [(_fast(size * y / fewest), _fast(size * x / fewest)) for size in coarser]
    return [SpectralGrid(shape, sides, dtype, device) for shape in [nodes, *shapes]]


def transfer(coefficients: Tensor, source: SpectralGrid, target: SpectralGrid) -> Tensor:
    """The same function on another grid, without the modes that it does not keep."""
    if source is target:
        return coefficients
    y, x = (min(pair) + 1 for pair in zip(source.cutoffs, target.cutoffs, strict=True))
    out = coefficients.new_zeros((target.nodes[0], target.nodes[1] // 2 + 1, 2))
    out[:y, :x] = coefficients[:y, :x]
    out[1 - y :, :x] = coefficients[1 - y :, :x]
    return out


def _fast(size: float) -> int:
    """The least number of nodes, even and of small factors, that is not below ``size``."""
    bases = (8, 9, 10, 12, 15)
    return min(n for power in range(1, 13) for base in bases if (n := base * 2**power) >= size)
