"""Spectral convolutions on channels-last fields, by truncated transforms.

With K of n modes kept per axis, the transform is two thin matrix products; no full FFT is needed.
Matrices are those of ``fsdiff.bases``, so a layer is the same operator on every grid.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from fsdiff.bases import cosine_matrix


class CosineConvolution(nn.Module):
    """Channel mixing of the cosine modes k_1, k_2 < modes; for homogeneous Neumann data."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        scale = 1 / math.sqrt(width)
        self.weight = nn.Parameter(scale * torch.randn(modes * modes, width, width))

    def forward(self, u: Tensor) -> Tensor:
        """(batch, n, n, width) → the same."""
        batch, n, _, width = u.shape
        k = check_modes(self.modes, n, n)
        synthesis = cosine_matrix(n, k, u.dtype, u.device)
        analysis = synthesis / n
        coefficients = (analysis @ u.reshape(batch, n, n * width)).view(batch * k, n, width)
        coefficients = (analysis @ coefficients).view(batch, k * k, width)
        mixed = torch.bmm(coefficients.transpose(0, 1), self.weight).transpose(0, 1)
        rows = synthesis.T @ mixed.reshape(batch * k, k, width)
        return (synthesis.T @ rows.view(batch, k, n * width)).view(batch, n, n, width)


class FourierConvolution(nn.Module):
    """Channel mixing of the Fourier modes |k_1| < modes, 0 <= k_2 < modes (Li et al. 2020)."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        scale = 1 / math.sqrt(width)
        shape = ((2 * modes - 1) * modes, width, width, 2)
        self.weight = nn.Parameter(scale * math.sqrt(0.5) * torch.randn(shape))

    def forward(self, u: Tensor) -> Tensor:
        """(batch, n, n, width) → the same."""
        batch, n, _, width = u.shape
        k = check_modes(self.modes, n, (n - 1) // 2 + 1)
        rows, columns = _fourier_matrices(n, k, u.dtype, u.device)
        # Along the last axis real to complex, as one real product with (cos, −sin) stacked.
        analysis = torch.view_as_real(columns).permute(0, 2, 1).reshape(2 * k, n) / n
        spectrum = (analysis @ u.reshape(batch * n, n, width)).view(batch, n, k, 2, width)
        spectrum = torch.complex(spectrum[..., 0, :], spectrum[..., 1, :])
        spectrum = (rows / n) @ spectrum.reshape(batch, n, k * width)
        spectrum = spectrum.view(batch, -1, width).transpose(0, 1)
        mixed = torch.bmm(spectrum, torch.view_as_complex(self.weight)).transpose(0, 1)
        mixed = rows.mH @ mixed.reshape(batch, 2 * k - 1, k * width)
        mixed = torch.view_as_real(mixed.view(batch * n, k, width)).permute(0, 1, 3, 2)
        # Back to real values: Σ_k Re(û_k e^{ikx}), modes k > 0 counted with their conjugates.
        twice = torch.full((k, 1, 1), 2.0, dtype=u.dtype, device=u.device)
        twice[0] = 1.0
        synthesis = (torch.view_as_real(columns) * twice).permute(1, 0, 2).reshape(n, 2 * k)
        return (synthesis @ mixed.reshape(batch * n, 2 * k, width)).view(batch, n, n, width)


def check_modes(modes: int, n: int, resolved: int) -> int:
    """Refuse grids that do not resolve a layer's modes."""
    if modes > resolved:
        raise ValueError(
            f"a spectral layer with {modes} modes needs a finer grid than {n} nodes, which resolve "
            f"{resolved}; use modes <= {resolved} or a higher coarsest resolution"
        )
    return modes


@lru_cache(maxsize=64)
def _fourier_matrices(
    n: int, modes: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """e^{−2πi k x_j} for |k| < modes, (2·modes − 1, n), and for 0 <= k < modes, (modes, n)."""
    k = torch.cat([torch.arange(modes), torch.arange(1 - modes, 0)])
    phase = torch.outer(k, torch.arange(n)) % n
    full = torch.polar(torch.ones((), dtype=torch.float64), -2 * math.pi * phase.double() / n)
    full = full.to(device, torch.complex64 if dtype == torch.float32 else torch.complex128)
    return full, full[:modes].clone()


CONVOLUTIONS = {"fourier": FourierConvolution, "cosine": CosineConvolution}
