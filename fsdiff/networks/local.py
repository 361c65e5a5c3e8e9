"""A local operator that is the same on every grid: differences over a fixed distance.

Spectral layers with few modes see no detail and pointwise layers no neighbours; fronts need both.
The stencil's arms have a fixed length on the domain, not in grid spacings, so refining the grid
does not change the operator (Liu-Schiaffini et al., arXiv 2402.16845, treat such kernels).
"""

import math

import torch
from torch import Tensor, nn

from fsdiff.networks.embeddings import scaled_linear


class NeighbourDifference(nn.Module):
    """W (Σ_i u(x + δ e_i) + u(x − δ e_i) − 2 u(x)) for channels-last fields, δ = 1/``cells``.

    Beyond the boundary fields are continued evenly (cosine basis) or periodically (Fourier basis);
    between nodes they are interpolated linearly.
    """

    def __init__(self, width: int, cells: int, periodic: bool) -> None:
        super().__init__()
        self.cells, self.periodic = cells, periodic
        self.mix = scaled_linear(width, width, 0.5)

    def forward(self, u: Tensor) -> Tensor:
        """(batch, n, n, width) → the same."""
        arm = u.shape[1] / self.cells
        near = math.floor(arm)
        difference = _second_difference(u, near, self.periodic, 1 - (arm - near))
        if arm > near:
            difference = difference + _second_difference(u, near + 1, self.periodic, arm - near)
        return self.mix(difference)


def _second_difference(u: Tensor, shift: int, periodic: bool, weight: float) -> Tensor:
    """weight · (Σ over both axes of u shifted by ±shift nodes, minus 2u)."""
    return _SecondDifference.apply(u, shift, periodic, weight)


class _SecondDifference(torch.autograd.Function):
    """The stencil is symmetric, so it is its own adjoint; in place, it costs a few passes."""

    @staticmethod
    def forward(ctx, u: Tensor, shift: int, periodic: bool, weight: float) -> Tensor:
        ctx.arguments = (shift, periodic, weight)
        return _apply_stencil(u, *ctx.arguments)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _apply_stencil(gradient, *ctx.arguments), None, None, None


def _apply_stencil(u: Tensor, shift: int, periodic: bool, weight: float) -> Tensor:
    if shift == 0:
        return torch.zeros_like(u)
    result = -4 * u
    for axis in (1, 2):
        n = u.shape[axis]
        result.narrow(axis, shift, n - shift).add_(u.narrow(axis, 0, n - shift))
        result.narrow(axis, 0, n - shift).add_(u.narrow(axis, shift, n - shift))
        first, last = u.narrow(axis, 0, shift), u.narrow(axis, n - shift, shift)
        if periodic:
            first, last = last, first
        else:
            first, last = first.flip(axis), last.flip(axis)
        result.narrow(axis, 0, shift).add_(first)
        result.narrow(axis, n - shift, shift).add_(last)
    return result if weight == 1 else result.mul_(weight)
