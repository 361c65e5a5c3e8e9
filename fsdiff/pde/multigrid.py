"""Multigrid for symmetric nine-point stencils on n × n cells with coefficients that jump.

Coarse grids keep every other cell. Interpolation follows the operator (Alcouffe, Brandt, Dendy and
Painter 1981; Dendy 1982) and coarse operators are its Galerkin products, so that coefficients may
differ by orders of magnitude between neighbouring cells.

Grid functions are stored with a ring of zeros, flat, as (batch, (n + 2)²): a neighbour is then a
shift of the array and no formula has special cases at walls. Every operation is elementwise over
the batch, sums included, so that no sample depends on the batch it is in.
"""

import math
from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

Offset = tuple[int, int]
"""A step to a neighbouring cell: rows, columns."""

_HALF: tuple[Offset, ...] = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
_NEIGHBOURS: tuple[Offset, ...] = tuple(product((-1, 0, 1), repeat=2))
_COARSEST = 8
_STEPS = tuple(1 / (0.625 + 0.375 * math.cos(math.pi * i / 4)) for i in (1, 3))
"""Steps of the Chebyshev polynomial of degree 2 on [0.25, 1], where the eigenvalues of modes that
the coarse grid does not hold are, relative to absolute row sums."""


def _paths(step: Offset) -> dict[Offset, list[tuple[Offset, Offset]]]:
    """How coarse cells K and K + ``step`` are coupled through neighbouring fine cells.

    Maps s to pairs (offset, t): the fine cell 2K + s has 2(K + step) + t at this offset.
    """
    paths: dict[Offset, list[tuple[Offset, Offset]]] = {}
    for s, t in product(_NEIGHBOURS, repeat=2):
        offset = (2 * step[0] + t[0] - s[0], 2 * step[1] + t[1] - s[1])
        if offset in _NEIGHBOURS:
            paths.setdefault(s, []).append((offset, t))
    return paths


_PATHS = {step: _paths(step) for step in _HALF}


class Stencil:
    """A symmetric operator that couples each of n × n cells to at most its eight neighbours.

    ``halves`` maps (0, 0) to the diagonal and offsets among (0, 1), (1, −1), (1, 0), (1, 1) to the
    entries that couple each cell to the one at that offset, (batch, n + 2, n + 2). The opposite
    offsets follow by symmetry. On the ring the diagonal is 1 and all other entries are 0.
    """

    def __init__(self, halves: Mapping[Offset, Tensor]) -> None:
        self.halves = dict(halves)
        self.n = self.halves[0, 0].shape[-1] - 2
        self.diagonal = self.halves[0, 0].flatten(1)
        self._terms: list[tuple[Offset, Tensor]] = []
        for (y, x), values in self.halves.items():
            if (y, x) != (0, 0):
                entries = values.flatten(1)
                self._terms.append(((y, x), self._shift(entries, (0, 0))))
                self._terms.append(((-y, -x), self._shift(entries, (-y, -x))))

    def entries(self) -> dict[Offset, Tensor]:
        """All entries that may differ from zero by offset, (batch, n + 2, n + 2)."""
        opposite = {
            (-y, -x): torch.roll(values, (y, x), (-2, -1)) for (y, x), values in self.halves.items()
        }
        return opposite | self.halves

    def apply(self, u: Tensor) -> Tensor:
        """A u, flat."""
        return self._add_products(self.diagonal * u, u, 1)

    def residual(self, f: Tensor, u: Tensor) -> Tensor:
        """f − A u, flat."""
        return self._add_products(torch.addcmul(f, self.diagonal, u, value=-1), u, -1)

    def absolute(self) -> "Stencil":
        """The operator of absolute values."""
        return Stencil({offset: values.abs() for offset, values in self.halves.items()})

    def _add_products(self, total: Tensor, u: Tensor, sign: int) -> Tensor:
        inside = self._shift(total, (0, 0))
        for offset, entries in self._terms:
            inside.addcmul_(entries, self._shift(u, offset), value=sign)
        return total

    def _shift(self, flat: Tensor, offset: Offset) -> Tensor:
        """Values at an offset from each cell; the first and last row of the ring are left out."""
        width = self.n + 2
        start = (1 + offset[0]) * width + 1 + offset[1]
        return flat.narrow(-1, start, width * (width - 2) - 2)


class Interpolation:
    """Values on all cells from those on every other cell.

    Coarse cell K lies on fine cell 2K, counted with the ring, and gives ``weights[s]`` of its value
    to fine cell 2K + s, (batch, n // 2, n // 2). The value between two coarse cells solves the
    stencil summed across the line that joins them; the value amid four solves the stencil itself.
    """

    def __init__(self, fine: Stencil) -> None:
        self.n, self.coarse_n = fine.n, fine.n // 2
        entries = fine.entries()
        columns = [sum(v for (_, x), v in entries.items() if x == i) for i in (-1, 0, 1)]
        rows = [sum(v for (y, _), v in entries.items() if y == i) for i in (-1, 0, 1)]
        weights = {(0, 0): torch.ones_like(self._at((0, 0), entries[0, 0]))}
        for side in (-1, 1):
            for s, sums in (((0, side), columns), ((side, 0), rows)):
                weights[s] = -self._at(s, sums[1 - side]) / self._at(s, sums[1])
        for y, x in product((-1, 1), repeat=2):
            known = self._at((y, x), entries[-y, 0]) * weights[0, x]
            known.addcmul_(self._at((y, x), entries[0, -x]), weights[y, 0])
            if (-y, -x) in entries:
                known += self._at((y, x), entries[-y, -x])
            weights[y, x] = -known / self._at((y, x), entries[0, 0])
        self.weights = weights

    def add_prolonged(self, u: Tensor, coarse: Tensor) -> None:
        """Add P times a coarse grid function to the fine grid function ``u``, both flat."""
        width = self.coarse_n + 2
        inside = coarse.unflatten(-1, (width, width))[..., 1:-1, 1:-1].contiguous()
        fine = u.view(-1, self.n + 2, self.n + 2)
        for s, weights in self.weights.items():
            self._at(s, fine).addcmul_(weights, inside)

    def restrict(self, fine: Tensor) -> Tensor:
        """Pᵀ times a fine grid function, both flat."""
        fine = fine.unflatten(-1, (self.n + 2, self.n + 2))
        coarse = torch.zeros_like(self.weights[0, 0])
        for s, weights in self.weights.items():
            coarse.addcmul_(weights, self._at(s, fine))
        return pad(coarse, (1, 1, 1, 1)).flatten(-2)

    def galerkin(self, fine: Stencil) -> Stencil:
        """The coarse operator Pᵀ A P."""
        entries, n = fine.entries(), self.coarse_n
        padded = {s: pad(weights, (1, 1, 1, 1)) for s, weights in self.weights.items()}
        halves = {}
        for (dy, dx), paths in _PATHS.items():
            there = {s: w[..., 1 + dy : 1 + dy + n, 1 + dx : 1 + dx + n] for s, w in padded.items()}
            total = torch.zeros_like(self.weights[0, 0])
            for s, steps in paths.items():
                column: Tensor | None = None
                for offset, t in steps:
                    if offset not in entries:
                        continue
                    entry = self._at(s, entries[offset])
                    if column is None:
                        column = entry * there[t]
                    else:
                        column.addcmul_(entry, there[t])
                if column is not None:
                    total.addcmul_(self.weights[s], column)
            halves[dy, dx] = pad(total, (1, 1, 1, 1), value=float((dy, dx) == (0, 0)))
        return Stencil(halves)

    def _at(self, s: Offset, fine: Tensor) -> Tensor:
        """Values at fine cells 2K + s for all coarse cells K."""
        (y, x), length = s, 2 * self.coarse_n - 1
        return fine[..., 2 + y : 2 + y + length : 2, 2 + x : 2 + x + length : 2]


class Multigrid:
    """A V-cycle: a symmetric, positive definite approximation of the inverse of ``operator``.

    The smoother is the Chebyshev polynomial of degree 2 in the operator scaled by its absolute row
    sums, whose spectrum is in (0, 1] whatever the coefficients.
    """

    def __init__(self, operator: Stencil) -> None:
        self.operator = operator
        self.coarser: Multigrid | None = None
        if operator.n <= _COARSEST:
            self.inverse = _inverse(operator)
            return
        row_sums = operator.absolute().apply(torch.ones_like(operator.diagonal))
        self.scale = row_sums.reciprocal_()
        self.interpolation = Interpolation(operator)
        self.coarser = Multigrid(self.interpolation.galerkin(operator))

    def apply(self, f: Tensor) -> Tensor:
        """One cycle from zero for A u = f, flat."""
        if self.coarser is None:
            return total(self.inverse * f.unsqueeze(-2))
        residual = self.operator.residual
        u = (self.scale * f).mul_(_STEPS[0])
        u.addcmul_(self.scale, residual(f, u), value=_STEPS[1])
        coarse = self.interpolation.restrict(residual(f, u))
        self.interpolation.add_prolonged(u, self.coarser.apply(coarse))
        for step in _STEPS:
            u.addcmul_(self.scale, residual(f, u), value=step)
        return u


def total(values: Tensor) -> Tensor:
    """Sum over the last axis by halving it, in an order that depends on its length only."""
    while values.shape[-1] > 1:
        half, odd = divmod(values.shape[-1], 2)
        folded = values[..., :half] + values[..., half : 2 * half]
        if odd:
            folded[..., :1] += values[..., -1:]
        values = folded
    return values.squeeze(-1)


def _inverse(operator: Stencil) -> Tensor:
    """The dense inverse, (batch, (n + 2)², (n + 2)²)."""
    unit = torch.eye((operator.n + 2) ** 2).to(operator.diagonal)
    matrices = operator.apply(unit[:, None] * torch.ones_like(operator.diagonal))
    return torch.stack([torch.linalg.inv(matrix) for matrix in matrices.unbind(1)])
