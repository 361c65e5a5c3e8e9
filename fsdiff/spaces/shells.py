"""Energy by wavenumber: modes summed over shells of |k|.

Wavenumbers are those of ``Basis.wavenumber``: of the axes that are refined, in units of the lowest.
"""

import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis


def shell_energy(mean_squares: Tensor, basis: Basis, n: int) -> Tensor:
    """Energy by shells (..., shells) from mean-square coefficients (..., *coefficients) on n nodes.

    Shell k holds the modes with k − ½ ≤ |k| < k + ½, k = 0, 1, …, up to the corners of what the
    grid resolves, so the sum over shells is the mean square of the fields. Mean-square coefficients
    are E|û_k|² of fields or the eigenvalues of their covariance. The angular frequency of a shell
    is ``k * basis.angular_frequency()``.
    """
    found, expected = tuple(mean_squares.shape[-basis.dimension :]), basis.coefficient_shape(n)
    if found != expected:
        raise ValueError(f"{n} nodes have coefficients {expected}, not {found}")
    if basis.resolved(n).ndim > basis.dimension:
        return _by_channel(mean_squares, basis, n)
    resolved = basis.resolved(n)
    # Rounding of the sides of boxes must not move what lies between two shells into the lower one.
    shell = (basis.wavenumber(n)[resolved] + 0.5 + 1e-9).floor().long().to(mean_squares.device)
    energy = (basis.multiplicity(n).to(mean_squares) * mean_squares)[..., resolved]
    shells = energy.new_zeros((*energy.shape[:-1], int(shell.max()) + 1))
    return shells.index_add_(-1, shell, energy)


def _by_channel(mean_squares: Tensor, basis: Basis, n: int) -> Tensor:
    """Shells (..., channel, shells) where each channel has a basis of its own."""
    axis = -1 - basis.dimension
    bases = basis.by_channel(mean_squares.shape[axis])
    each = zip(mean_squares.unbind(axis), bases, strict=True)
    shells = [shell_energy(values, own, n) for values, own in each]
    most = max(energy.shape[-1] for energy in shells)
    padded = [torch.nn.functional.pad(e, (0, most - e.shape[-1])) for e in shells]
    return torch.stack(padded, -2)


def whole_shells(n: int, basis: Basis) -> int:
    """The largest k of which level n resolves the whole shell, along every axis that is refined.

    On squares n − 1, or ⌈n/2⌉ − 1 in the Fourier basis.
    """
    unit = basis.angular_frequency()
    first_missing = min(
        (axis.highest(nodes) + 1) * axis.frequency / unit
        for axis, nodes in zip(basis.axes, basis.grid(n), strict=True)
        if not axis.held
    )
    return int(first_missing - 0.5 + 1e-9)
