"""Energy by wavenumber: modes summed over shells of |k|."""

from torch import Tensor

from fsdiff.spaces.bases import Basis


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
    resolved = basis.resolved(n)
    shell = basis.wavenumber(n)[resolved].round().long().to(mean_squares.device)
    energy = (basis.multiplicity(n).to(mean_squares) * mean_squares)[..., resolved]
    shells = energy.new_zeros((*energy.shape[:-1], int(shell.max()) + 1))
    return shells.index_add_(-1, shell, energy)


def whole_shells(n: int, basis: Basis) -> int:
    """The largest k whose modes n nodes resolve along every axis: n − 1, or ⌈n/2⌉ − 1 (Fourier)."""
    largest = basis.wavenumber(n)[basis.resolved(n)].max() / basis.dimension**0.5
    return int(largest.round())
