"""Multigrid for symmetric nine-point stencils on n × n cells with coefficients that jump.

Coarse grids keep every other cell. Interpolation follows the operator (Alcouffe, Brandt, Dendy and
Painter 1981; Dendy 1982) and coarse operators are its Galerkin products, so that coefficients may
differ by orders of magnitude between neighbouring cells.

Grid functions are stored with a ring of zeros, flat, as (batch, (n + 2)²): a neighbour is then a
shift of the array and no formula has special cases at walls. Every operation is elementwise over
the batch, sums included, so that no sample depends on the batch it is in.

The hierarchy is built in the operator's precision, because Galerkin products subtract numbers that
almost cancel where coefficients jump; it is then stored and applied in single precision, which
halves the memory to be read and is as good a preconditioner.
"""

import math
from collections.abc import Mapping
from copy import copy
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

Offset = tuple[int, int]
"""A step to a neighbouring cell: rows, columns."""

_HALF: tuple[Offset, ...] = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
_NEIGHBOURS: tuple[Offset, ...] = tuple(product((-1, 0, 1), (-1, 0, 1)))
_COARSEST = 8
_STEPS = tuple(1 / (0.625 + 0.375 * math.cos(math.pi * i / 4)) for i in (1, 3))
"""Steps of the Chebyshev polynomial of degree 2 on [0.25, 1], where the eigenvalues of modes that
the coarse grid does not hold are, relative to absolute row sums."""
_PRECISION = torch.float32
"""Of the arrays that a cycle reads."""


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
        product = self.diagonal * u
        inside = self.inside(product)
        for entries, neighbours in self.products(u):
            inside.addcmul_(entries, neighbours)
        return product

    def products(self, u: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Entries off the diagonal, and views of the neighbours in ``u``, flat, that they multiply.

        Their products belong to the cells ``inside`` a flat array.
        """
        return [(entries, self._shift(u, offset)) for offset, entries in self._terms]

    def inside(self, flat: Tensor) -> Tensor:
        """A view without the first and the last row of the ring, and the corners next to them."""
        return self._shift(flat, (0, 0))

    def absolute(self) -> "Stencil":
        """The operator of absolute values."""
        return Stencil({offset: values.abs() for offset, values in self.halves.items()})

    def to(self, precision: torch.dtype) -> "Stencil":
        """The operator with rounded entries."""
        return Stencil({offset: values.to(precision) for offset, values in self.halves.items()})

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
        weights = {(0, 0): torch.ones_like(self._at((0, 0), entries[0, 0]))}
        for side in (-1, 1):
            for axis, s in ((0, (side, 0)), (1, (0, side))):
                before, here = (self._sum(entries, s, axis, step) for step in (-side, 0))
                weights[s] = -before / here
        for y, x in product((-1, 1), repeat=2):
            known = self._at((y, x), entries[-y, 0]) * weights[0, x]
            known.addcmul_(self._at((y, x), entries[0, -x]), weights[y, 0])
            if (-y, -x) in entries:
                known += self._at((y, x), entries[-y, -x])
            weights[y, x] = -known / self._at((y, x), entries[0, 0])
        self.weights = weights

    def parts(self, fine: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weights and views of the fine cells 2K + s that they belong to, in ``fine``, flat.

        P adds weights · coarse values to these cells; Pᵀ sums weights · cells.
        """
        grid = fine.unflatten(-1, (self.n + 2, self.n + 2))
        return [(weights, self._at(s, grid)) for s, weights in self.weights.items()]

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

    def to(self, precision: torch.dtype) -> "Interpolation":
        """The interpolation with rounded weights."""
        rounded = copy(self)
        rounded.weights = {s: weights.to(precision) for s, weights in self.weights.items()}
        return rounded

    def _sum(self, entries: Mapping[Offset, Tensor], s: Offset, axis: int, step: int) -> Tensor:
        """Sum at fine cells 2K + s of the entries whose offset along ``axis`` is ``step``."""
        those = (self._at(s, v) for offset, v in entries.items() if offset[axis] == step)
        return sum(those, torch.zeros(()))

    def _at(self, s: Offset, fine: Tensor) -> Tensor:
        """Values at fine cells 2K + s for all coarse cells K."""
        (y, x), length = s, 2 * self.coarse_n - 1
        return fine[..., 2 + y : 2 + y + length : 2, 2 + x : 2 + x + length : 2]


class Multigrid:
    """A V-cycle: a symmetric, positive definite approximation of the inverse of ``operator``.

    The smoother is the Chebyshev polynomial of degree 2 in the operator scaled by its absolute row
    sums, whose spectrum is in (0, 1] whatever the coefficients. Every level keeps the arrays that
    it works on and the views of their parts, which cost more to make than to use on small grids.
    """

    def __init__(self, operator: Stencil) -> None:
        rounded = operator.to(_PRECISION)
        self.f, self.u, self.r = (torch.zeros_like(rounded.diagonal) for _ in range(3))
        self.f_cells, self.u_cells = (_cells(v, operator.n) for v in (self.f, self.u))
        self.coarser: Multigrid | None = None
        if operator.n <= _COARSEST:
            self.inverse = _inverse(operator).to(_PRECISION)
            return
        self.diagonal, self.products = rounded.diagonal, rounded.products(self.u)
        self.r_inside = rounded.inside(self.r)
        row_sums = operator.absolute().apply(torch.ones_like(operator.diagonal))
        self.scale = row_sums.reciprocal_().to(_PRECISION)
        interpolation = Interpolation(operator)
        self.coarser = Multigrid(interpolation.galerkin(operator))
        rounded_interpolation = interpolation.to(_PRECISION)
        self.restriction = rounded_interpolation.parts(self.r)
        self.prolongation = rounded_interpolation.parts(self.u)

    def apply(self, f: Tensor) -> Tensor:
        """One cycle from zero for A u = f, flat, in the precision of ``f``."""
        self.f.copy_(f)
        self._cycle()
        return self.u.to(f.dtype, copy=True)

    def _cycle(self) -> None:
        """Write into ``u`` what one cycle makes of ``f``."""
        coarser = self.coarser
        if coarser is None:
            products = self.inverse * self.f_cells.flatten(-2).unsqueeze(-2)
            self.u_cells.copy_(total(products).view_as(self.u_cells))
            return
        torch.mul(self.scale, self.f, out=self.u).mul_(_STEPS[0])
        self._smooth(_STEPS[1])
        self._update_residual()
        coarser.f_cells.zero_()
        for weights, cells in self.restriction:
            coarser.f_cells.addcmul_(weights, cells)
        coarser._cycle()
        for weights, cells in self.prolongation:
            cells.addcmul_(weights, coarser.u_cells)
        for step in _STEPS:
            self._smooth(step)

    def _smooth(self, step: float) -> None:
        self._update_residual()
        self.u.addcmul_(self.scale, self.r, value=step)

    def _update_residual(self) -> None:
        torch.addcmul(self.f, self.diagonal, self.u, value=-1, out=self.r)
        for entries, neighbours in self.products:
            self.r_inside.addcmul_(entries, neighbours, value=-1)


def total(values: Tensor) -> Tensor:
    """Sum over the last axis by halving it, in an order that depends on its length only."""
    while values.shape[-1] > 1:
        half, odd = divmod(values.shape[-1], 2)
        folded = values[..., :half] + values[..., half : 2 * half]
        if odd:
            folded[..., :1] += values[..., -1:]
        values = folded
    return values.squeeze(-1)


def _cells(flat: Tensor, n: int) -> Tensor:
    """The cells without the ring, (..., n, n), a view."""
    return flat.unflatten(-1, (n + 2, n + 2))[..., 1:-1, 1:-1]


def _inverse(operator: Stencil) -> Tensor:
    """The dense inverse on the n² cells, (batch, n², n²), computed on the host."""
    n, like = operator.n, operator.diagonal
    cells = torch.eye(n * n, dtype=like.dtype, device=like.device).view(-1, 1, n, n)
    units = pad(cells, (1, 1, 1, 1)).flatten(2)
    matrices = _cells(operator.apply(units * torch.ones_like(like)), n).flatten(-2).movedim(0, -1)
    # Many small matrices: a device would take them one by one, each slower than the host.
    return torch.linalg.inv_ex(matrices.cpu()).inverse.to(like)
