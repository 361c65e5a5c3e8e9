"""Products of Fourier, cosine and sine functions on boxes: grids, transforms, white noise.

Along periodic axes coefficients are those of ``rfftn`` over all of them: complex, with k ≥ 0 only
along the last periodic axis. Along the others they are the orthonormal cosines or sines,
√2 cos(πkx/L) and √2 sin(πkx/L) (e_0 = 1). Coefficients are real where no axis is periodic.

Only the modes that a grid resolves exist on it: k < n for cosines and sines, |k| < n/2 for Fourier
modes. Grid functions beyond them, the Fourier Nyquist modes (even n) and the sine modes k = n, are
set to zero. With this the spaces V_n are nested, ``restrict`` is the orthogonal projection onto the
coarser space and ``prolong`` its adjoint.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis, shape_text
from fsdiff.spaces.basis import Basis, Shaped
from fsdiff.spaces.modes import apply_along, in_floats


class TrigonometricBasis(Basis):
    """Products of trigonometric functions, one per axis.

    The axes at the reference shape have a_i nodes, the longest refined one N; at level n an axis
    has ⌊a_i n/N + ½⌋ nodes (at least one, or two between walls at zero), and a_i if it is held.
    """

    def grid(self, n: int) -> tuple[int, ...]:
        """Nodes along each axis at level ``n``."""
        longest = self._longest
        return tuple(
            axis.nodes if axis.held else n if axis.nodes == longest else _nodes(axis, n, longest)
            for axis in self.axes
        )

    def resolution(self, u: Shaped) -> int:
        """The level whose grid a field (..., *grid) lives on; ValueError if it is of no level."""
        shape = tuple(u.shape[-self.dimension :])
        if len(shape) == self.dimension:
            n = shape[self._leading]
            if n and shape == self.grid(n):
                return n
        fits = len(shape) == self.dimension and n
        expected = f", such as {shape_text(self.grid(n))}" if fits else ""
        raise ValueError(
            f"fields of shape {tuple(u.shape)} are on no grid of this basis: its last "
            f"{self.dimension} dimensions are ({', '.join(axis.name for axis in self.axes)})"
            f"{expected}"
        )

    def forward(self, u: Tensor) -> Tensor:
        """Coefficients of the resolved modes, (..., *coefficients)."""
        self.resolution(u)
        u = in_floats(u)
        matrices = [
            None if axis.periodic else axis.functions(nodes, nodes, u) / nodes
            for axis, nodes in zip(self.axes, u.shape[-self.dimension :], strict=True)
        ]
        u = apply_along(u, matrices)
        periodic = self._periodic_axes
        if not periodic:
            return u
        coefficients = torch.fft.rfftn(u, dim=periodic, norm="forward")
        for axis in periodic:
            if u.shape[axis] % 2 == 0:
                coefficients.select(axis, u.shape[axis] // 2).zero_()
        return coefficients

    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Evaluate the series on the nodes of level n, which must not be coarser."""
        grid, shape = self.grid(n), tuple(coefficients.shape[-self.dimension :])
        stored = zip(self.axes, shape, self.coefficient_shape(n), strict=True)
        if any(m != most if axis.periodic else m > most for axis, m, most in stored):
            raise ValueError(f"coefficients of shape {shape} do not belong to {n} nodes")
        coefficients = in_floats(coefficients)
        if periodic := self._periodic_axes:
            lengths = [grid[axis] for axis in periodic]
            coefficients = torch.fft.irfftn(coefficients, s=lengths, dim=periodic, norm="forward")
        matrices = [
            None if axis.periodic else axis.functions(nodes, modes, coefficients).T
            for axis, nodes, modes in zip(self.axes, grid, shape, strict=True)
        ]
        return apply_along(coefficients, matrices)

    def resample(self, u: Tensor, n: int) -> Tensor:
        """Keep the modes that both grids resolve and evaluate them at level n."""
        self.resolution(u)
        u = in_floats(u)
        sizes = zip(self.axes, u.shape[-self.dimension :], self.grid(n), strict=True)
        u = apply_along(u, [_resampling(axis, m, nodes, u) for axis, m, nodes in sizes])
        return self._resample_periodic(u, self.grid(n)) if self._periodic_axes else u

    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Those of the grid; n // 2 + 1 along the last periodic axis."""
        shape = list(self.grid(n))
        if self.half_axis is not None:
            shape[self.half_axis] = shape[self.half_axis] // 2 + 1
        return tuple(shape)

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """Signed wavenumbers along each axis; k ≥ 0 along the last periodic one."""
        return tuple(
            np.arange(nodes // 2 + 1) if number == self.half_axis else axis.wavenumbers(nodes)
            for number, (axis, nodes) in enumerate(zip(self.axes, self.grid(n), strict=True))
        )

    def multiplicity(self, n: int) -> Tensor:
        """2 where the conjugate is not stored, else 1; 0 on modes that are not resolved."""
        count = np.ones(self.coefficient_shape(n))
        sizes = zip(self.axes, self.grid(n), self._sparse_modes(n), strict=True)
        for number, (axis, nodes, k) in enumerate(sizes):
            count = count * (np.abs(k) <= axis.highest(nodes))
            if number == self.half_axis:
                count = np.where(k > 0, 2.0 * count, count)
        return torch.from_numpy(count)

    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """A normal for each real mode, (a − ib)/√2 for each conjugate pair.

        Modes take their normals in the order of the levels that first resolve them (ring by ring,
        |k|_∞ = 0, 1, 2, …, on a square), then of their wavenumbers.
        """
        first, alone, own, mirror = _order(self, n)
        kind = float if self.half_axis is None else complex
        shape, lead = self.coefficient_shape(n), normals.shape[:-1]
        flat = np.zeros((*lead, prod(shape)), dtype=kind)
        flat[..., own[alone]] = normals[..., first[alone]]
        pairs = ~alone
        if pairs.any():
            real, imaginary = normals[..., first[pairs]], normals[..., first[pairs] + 1]
            values = (real - 1j * imaginary) / np.sqrt(2)
            flat[..., own[pairs]] = values
            stored = mirror[pairs] >= 0
            flat[..., mirror[pairs][stored]] = values[..., stored].conj()
        return torch.from_numpy(flat.reshape(*lead, *shape))

    def first_levels(self, number: int, wavenumbers: np.ndarray) -> np.ndarray:
        """The coarsest level that resolves each of these wavenumbers along an axis."""
        axis, longest = self.axes[number], self._longest
        needed = axis.resolving(wavenumbers)
        if axis.held:
            return np.ones_like(needed)
        levels = -((longest - 2 * longest * needed) // (2 * axis.nodes))
        return levels if axis.nodes == longest else np.where(needed <= axis.fewest, 1, levels)

    @property
    def _longest(self) -> int:
        return max(axis.nodes for axis in self.refined_axes)

    @property
    def _leading(self) -> int:
        """The axis whose number of nodes is the level."""
        longest = self._longest
        return max(
            number
            for number, axis in enumerate(self.axes)
            if axis.nodes == longest and not axis.held
        )

    @property
    def _periodic_axes(self) -> list[int]:
        """The periodic axes as negative dimensions, that of which half is stored last."""
        numbers = zip(self.grid_axes(), self.axes, strict=True)
        return [number for number, axis in numbers if axis.periodic]

    def _resample_periodic(self, u: Tensor, grid: Sequence[int]) -> Tensor:
        """Truncated or continued Fourier series along the periodic axes."""
        axes = self._periodic_axes
        coefficients = torch.fft.rfftn(u, dim=axes, norm="forward")
        for axis in axes:
            m, n = u.shape[axis], grid[axis]
            kept = (min(m, n) - 1) // 2
            gap = list(coefficients.shape)
            parts = [coefficients.narrow(axis, 0, kept + 1)]
            if axis == axes[-1]:
                gap[axis] = n // 2 - kept
                parts += [coefficients.new_zeros(gap)]
            else:
                gap[axis] = n - 2 * kept - 1
                parts += [coefficients.new_zeros(gap), coefficients.narrow(axis, m - kept, kept)]
            coefficients = torch.cat(parts, axis)
        lengths = [grid[axis] for axis in axes]
        return torch.fft.irfftn(coefficients, s=lengths, dim=axes, norm="forward")


def _nodes(axis: Axis, n: int, longest: int) -> int:
    return max(axis.fewest, (2 * axis.nodes * n + longest) // (2 * longest))


def _resampling(axis: Axis, m: int, n: int, like: Tensor) -> Tensor | None:
    """The matrix (n, m) from values on m nodes to values on n nodes; None for the identity."""
    if axis.periodic or (axis.kind == "neumann" and m == n):
        return None
    modes = min(m, n)
    return axis.functions(n, modes, like).T @ (axis.functions(m, modes, like) / m)


@lru_cache(maxsize=64)
def _order(basis: TrigonometricBasis, n: int) -> tuple[np.ndarray, ...]:
    """Which normals the resolved modes take: (first normal, whether one only, own, mirror).

    One mode of each pair {k, −k}: the last non-zero wavenumber along periodic axes, counted from
    the last axis, is positive. ``own`` is its flat index among the coefficients and ``mirror`` that
    of its conjugate, −1 where that is not stored.
    """
    shape, periodic = basis.coefficient_shape(n), [axis.periodic for axis in basis.axes]
    own = np.flatnonzero(basis.multiplicity(n).numpy())
    places = np.stack(np.unravel_index(own, shape))
    modes = np.stack([k[at] for k, at in zip(basis.axis_modes(n), places, strict=True)])
    chosen, undecided = np.zeros(own.shape, bool), np.ones(own.shape, bool)
    for k in modes[periodic][::-1]:
        chosen |= undecided & (k > 0)
        undecided &= k == 0
    chosen |= undecided
    own, places, modes, alone = (x[..., chosen] for x in (own, places, modes, undecided))
    levels = np.max([basis.first_levels(axis, k) for axis, k in enumerate(modes)], axis=0)
    order = np.lexsort((*modes[::-1], levels))
    own, places, modes, alone = (x[..., order] for x in (own, places, modes, alone))
    count = np.where(alone, 1, 2)
    mirrored = [
        (-at) % size if p else at for at, size, p in zip(places, shape, periodic, strict=True)
    ]
    half = basis.half_axis
    mirror = np.full(own.shape, -1)
    if half is not None:
        stored = ~alone & (modes[half] == 0)
        mirror[stored] = np.ravel_multi_index([at[stored] for at in mirrored], shape)
    return np.cumsum(count) - count, alone, own, mirror
