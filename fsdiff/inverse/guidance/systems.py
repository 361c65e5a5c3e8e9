"""Linear systems in the space of data, (Γ + H V H*) w = d with V diagonal in the basis."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import torch
from torch import Tensor

from fsdiff.inverse.observations.maps import ForwardMapLike, functionals
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.symbols import on_coefficients

logger = logging.getLogger(__name__)


class System(Protocol):
    """A covariance of data that can be inverted."""

    def solve(self, residual: Tensor) -> Tensor:
        """w for d (batch, size), float64."""


LARGE = 4096
"""The number of modes from which on those that matter least are summed in single precision."""

LEAST = 0.02
"""Their largest share of the variance of the data, so that rounding is about 10⁻⁸ of that."""


@dataclass(frozen=True, eq=False)
class Rows:
    """H in coefficients, the matrix (size, columns) of H* applied to each datum.

    ``columns`` tells which entries of coefficients of all channels, real and imaginary parts apart,
    the columns are, and ``multiplicity`` how many functions each stands for. ``shape`` is that of
    the coefficients, (channel, *coefficients).
    """

    matrix: Tensor
    columns: Tensor
    multiplicity: Tensor
    shape: tuple[int, ...]

    @classmethod
    def of(cls, observed: ForwardMapLike, u: Tensor, basis: Basis) -> "Rows":
        """The derivative at a field u (1, channel, *grid), float64."""
        fields = functionals(observed, u)
        coefficients = basis.forward(fields)
        n = basis.resolution(fields)
        multiplicity = basis.multiplicity(n).to(u.device).expand(coefficients.shape[1:])
        matrix, weights = _real(coefficients).flatten(1), _doubled(multiplicity, coefficients)
        columns = torch.nonzero((weights > 0) & (matrix != 0).any(0)).flatten()
        return cls(matrix[:, columns], columns, weights[columns], tuple(coefficients.shape[1:]))

    def gram(self, symbol: Tensor, complex_coefficients: bool) -> Tensor:
        """H V H*, (size, size), for V (channel, *coefficients), or joint for all channels."""
        if symbol.ndim > len(self.shape):
            return self._joint_gram(symbol, complex_coefficients)
        values = symbol.flatten()
        if complex_coefficients:
            values = values.repeat_interleave(2)
        weights = self.multiplicity * values[self.columns]
        if len(weights) < LARGE:
            return _squared(self.matrix * weights.sqrt())
        least = self._least(weights)
        first = torch.nonzero(~least).flatten()
        most = _squared(self.matrix[:, first] * weights[first].sqrt())
        return most + _squared(self._single * (weights * least).sqrt().float()).double()

    def explained(self, system: "Dense", symbol: Tensor, complex_coefficients: bool) -> Tensor:
        """What data take from the energy of each channel: tr V H*(Γ + H V H*)⁻¹ H V, (channel).

        V is (channel, *coefficients).
        """
        values = symbol.flatten()
        if complex_coefficients:
            values = values.repeat_interleave(2)
        white = torch.linalg.solve_triangular(system.factor, self.matrix, upper=False)
        each = white.square().sum(0) * values[self.columns].square() * self.multiplicity
        energy = torch.zeros_like(values).index_add(0, self.columns, each)
        return energy.view(self.shape[0], -1).sum(1)

    def _joint_gram(self, symbol: Tensor, complex_coefficients: bool) -> Tensor:
        """H V H* where channels know of each other."""
        size, entries = len(self.matrix), torch.Size(self.shape).numel()
        whole = self.matrix.new_zeros(size, entries * (2 if complex_coefficients else 1))
        whole[:, self.columns] = self.matrix
        if complex_coefficients:
            coefficients = torch.view_as_complex(whole.view(size, *self.shape, 2))
        else:
            coefficients = whole.view(size, *self.shape)
        spread = _real(on_coefficients(symbol, coefficients)).flatten(1)[:, self.columns]
        gram = (self.matrix * self.multiplicity) @ spread.T
        return (gram + gram.T) / 2

    def _least(self, weights: Tensor) -> Tensor:
        """The modes that contribute least to the variance of the data, together ``LEAST`` of it."""
        contributions, order = (weights * self._squares).sort()
        total = contributions.cumsum(0)
        least = torch.zeros_like(weights, dtype=torch.bool)
        least[order] = total <= LEAST * total[-1]
        return least

    @cached_property
    def _squares(self) -> Tensor:
        return self.matrix.square().mean(0)

    @cached_property
    def _single(self) -> Tensor:
        return self.matrix.float()


def _squared(matrix: Tensor) -> Tensor:
    """A Aᵀ, whose halves off the diagonal are computed once."""
    half = len(matrix) // 2
    if half < 64:
        return matrix @ matrix.T
    first, second = matrix[:half], matrix[half:]
    cross = first @ second.T
    rows = [torch.cat([_squared(first), cross], 1), torch.cat([cross.T, _squared(second)], 1)]
    return torch.cat(rows)


def _real(coefficients: Tensor) -> Tensor:
    return torch.view_as_real(coefficients) if coefficients.is_complex() else coefficients


def _doubled(weights: Tensor, coefficients: Tensor) -> Tensor:
    flat = weights.flatten()
    return flat.repeat_interleave(2) if coefficients.is_complex() else flat


class Dense:
    """A covariance as a matrix, with its Cholesky factor."""

    def __init__(self, covariance: Tensor) -> None:
        self.factor = factored(covariance)

    def solve(self, residual: Tensor) -> Tensor:
        """By two triangular systems."""
        return torch.cholesky_solve(residual.T, self.factor).T

    def whitened(self, residual: Tensor) -> Tensor:
        """L⁻¹ d of d (batch, size) with L Lᵀ = Γ + H V H*, alike."""
        return torch.linalg.solve_triangular(self.factor, residual.T, upper=False).T

    def log_density(self, residual: Tensor) -> Tensor:
        """ln N(d; 0, Γ + H V H*) of d (batch, size), (batch,)."""
        squares, size = self.whitened(residual).square().sum(-1), residual.shape[-1]
        return -0.5 * (squares + self.log_determinant + size * math.log(2 * math.pi))

    @cached_property
    def log_determinant(self) -> Tensor:
        """ln det(Γ + H V H*)."""
        return 2 * self.factor.diagonal().log().sum()


def factored(matrix: Tensor) -> Tensor:
    """Cholesky factors of covariances (..., size, size).

    Where data without noise repeat each other, or are more than there is to know, what they must
    have in common is known only once: combinations of them that have no variance get as much as
    any, so that they tell nothing, whether they contradict each other or not. A factor may exist
    by rounding alone; then what is left of a datum, all before it given, is next to nothing.
    """
    factor, info = torch.linalg.cholesky_ex(matrix)
    left = factor.diagonal(dim1=-2, dim2=-1).square()
    failed = (info > 0) | ~(left > ROUNDING * matrix.diagonal(dim1=-2, dim2=-1)).all(-1)
    if not failed.any():
        return factor
    if not matrix.isfinite().all():
        raise FloatingPointError("what is known of the data is not finite: check their noise")
    # In units of each datum, as those of one channel may be much larger than those of another.
    units = matrix.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
    units = torch.where(units > 0, units, 1.0)[..., None]
    values, vectors = torch.linalg.eigh(matrix / units / units.mT)
    largest = values[..., -1:]
    if bool((values[..., 0] < -KNOWN_ONCE * largest[..., 0]).any()):
        raise FloatingPointError(
            "what is known of the data has no positive covariance: give the observation some noise"
        )
    told = torch.where(values > KNOWN_ONCE * largest, values, largest.clamp_min(1e-300))
    mended = units * torch.linalg.cholesky((vectors * told[..., None, :]) @ vectors.mT)
    return torch.where(failed[..., None, None], mended, factor)


ROUNDING = 1e-11
"""Share of the variance of a datum below which what is left of it counts as rounding.

Residuals of fields in single precision are divided by it: draws would be made of their rounding.
"""

KNOWN_ONCE = 1e-8
"""Share of the largest variance of combinations of data below which one counts as none."""


class Iterative:
    """A covariance as an operator, inverted by conjugate gradients.

    ``units`` (size,) are the sizes of data, those of one channel as a rule being others than those
    of the next. ``remedy`` is what helps where they do not converge, which is warned of once.
    """

    def __init__(
        self,
        apply: Callable[[Tensor], Tensor],
        *,
        units: Tensor,
        iterations: int,
        tolerance: float,
        remedy: str,
    ) -> None:
        self.apply, self.units, self.remedy = apply, units, remedy
        self.iterations, self.tolerance = iterations, tolerance

    def solve(self, residual: Tensor) -> Tensor:
        """Until what is left of d, in its units, is below the tolerance, or iterations end."""

        def apply(data: Tensor) -> Tensor:
            return self.apply(data / self.units) / self.units

        left = residual / self.units
        solution, direction = torch.zeros_like(left), left
        square = _inner(left, left)
        enough = (self.tolerance**2 * square).clamp_min(1e-300)
        for _ in range(self.iterations):
            if bool((square <= enough).all()):
                break
            applied = apply(direction)
            curvature = _inner(direction, applied)
            # A sample that has arrived stays; so does one whose operator turns out not positive.
            going = (square > enough) & (curvature > 0)
            length = torch.where(going, square / torch.where(going, curvature, 1.0), 0.0)
            solution = solution + length * direction
            left = left - length * applied
            last, square = square, _inner(left, left)
            ratio = torch.where(going & (last > 0), square / torch.where(last > 0, last, 1.0), 0.0)
            direction = left + ratio * direction
        if bool((square > enough).any()):
            _warn("conjugate gradients", self.iterations, self.tolerance, self.remedy)
        return solution / self.units


class MinimalResidual:
    """An operator on data that need be neither symmetric nor positive, as networks tell it.

    Inverted by generalised minimal residuals (Saad and Schultz, 1986), whose residual never grows,
    from the right of a system that is ``known`` and like it, or of the ``units`` (size,) of data.
    """

    def __init__(
        self,
        apply: Callable[[Tensor], Tensor],
        *,
        units: Tensor,
        known: System | None,
        iterations: int,
        tolerance: float,
        remedy: str,
    ) -> None:
        self.apply, self.units, self.known, self.remedy = apply, units, known, remedy
        self.iterations, self.tolerance = iterations, tolerance

    def solve(self, residual: Tensor) -> Tensor:
        """Until what is left of d, in its units, is below the tolerance, or iterations end."""
        size = _inner(scaled := residual / self.units, scaled).sqrt()
        basis, triangle = [scaled / size.clamp_min(1e-300)], _Triangle(size)
        going = size > 0
        for _ in range(self.iterations):
            if not bool(going.any()):
                break
            # A sample that has arrived stays, whatever is drawn with it.
            new = torch.where(going, self.apply(self._from(basis[-1])) / self.units, 0.0)
            column = []
            for direction in basis:
                column.append(_inner(direction, new))
                new = new - column[-1] * direction
            length = _inner(new, new).sqrt()
            basis.append(new / length.clamp_min(1e-300))
            left = triangle.extended(column, length)
            going = going & (left > self.tolerance * size)
        if bool(going.any()):
            _warn("minimal residuals", self.iterations, self.tolerance, self.remedy)
        pairs = zip(triangle.solved(), basis, strict=False)
        return self._from(sum((y * v for y, v in pairs), torch.zeros_like(scaled)))

    def _from(self, data: Tensor) -> Tensor:
        """What data in their units stand for."""
        return data / self.units if self.known is None else self.known.solve(data * self.units)


class _Triangle:
    """Least squares with an upper Hessenberg matrix, column by column, by plane rotations.

    The first entry of the right-hand side is ``size`` (batch, 1), and all others are zero.
    """

    def __init__(self, size: Tensor) -> None:
        self.columns: list[list[Tensor]] = []
        self.rotations: list[tuple[Tensor, Tensor]] = []
        self.right = [size]

    def extended(self, column: list[Tensor], below: Tensor) -> Tensor:
        """With a column more and what is below its diagonal; the size of what is left."""
        for i, (c, s) in enumerate(self.rotations):
            column[i : i + 2] = [
                c * column[i] + s * column[i + 1],
                c * column[i + 1] - s * column[i],
            ]
        length = torch.hypot(column[-1], below)
        some, divisor = length > 0, length.clamp_min(1e-300)
        c, s = torch.where(some, column[-1] / divisor, 1.0), below / divisor
        self.rotations.append((c, s))
        self.columns.append([*column[:-1], length])
        self.right[-1:] = [c * self.right[-1], -s * self.right[-1]]
        return self.right[-1].abs()

    def solved(self) -> list[Tensor]:
        """The solution, zero where a column says nothing."""
        found: list[Tensor] = []
        for i in reversed(range(len(self.columns))):
            beyond = zip(self.columns[i + 1 :], found, strict=True)
            left = self.right[i] - sum(column[i] * y for column, y in beyond)
            pivot = self.columns[i][i]
            found.insert(0, torch.where(pivot > 0, left / pivot.clamp_min(1e-300), 0.0))
        return found


@lru_cache
def _warn(method: str, iterations: int, tolerance: float, remedy: str) -> None:
    """Say it once, as the next steps of a sampler have the same system."""
    logger.warning(
        "%s have not come to %g of the data in %d iterations, so draws are led "
        "less than they should be: %s",
        method,
        tolerance,
        iterations,
        remedy,
    )


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)
