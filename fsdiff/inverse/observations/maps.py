"""Maps from functions on one grid to data: linear ones with adjoints, others with derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.modes import apply_along


class ForwardMapLike(Protocol):
    """u ↦ G(u), from fields (..., channel, *grid) on one grid to data (..., size).

    Adjoints are those of the inner product of the basis, summed over channels, and of the Euclidean
    one of data. ``affine`` tells that the derivative is the same at all fields.
    """

    @property
    def size(self) -> int:
        """How many numbers the data are."""

    @property
    def affine(self) -> bool:
        """Whether the derivative does not depend on the field."""

    def forward(self, u: Tensor) -> Tensor:
        """G(u)."""

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """G′(u) applied to a direction (..., channel, *grid)."""

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """G′(u)*, the adjoint, applied to data (..., size)."""


def node_weights(basis: Basis, n: int, like: Tensor) -> Tensor:
    """Weights of the nodes in the inner product, whose sum is one; broadcasts over fields."""
    if isinstance(basis, GramBasis):
        return torch.from_numpy(basis.weights()).to(like)
    return torch.ones((), dtype=like.dtype, device=like.device) / basis.size(n)


class LinearMap:
    """What linear maps have beside ``forward`` and ``adjoint``."""

    affine = True

    def forward(self, u: Tensor) -> Tensor:
        """H u."""
        raise NotImplementedError

    def adjoint(self, data: Tensor) -> Tensor:
        """H* applied to data (..., size), fields (..., channel, *grid)."""
        raise NotImplementedError

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """H, at every u."""
        return self.forward(direction)

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """H*, at every u."""
        return self.adjoint(data)


@dataclass(frozen=True, eq=False)
class Functionals(LinearMap):
    """Functionals of each channel that are products of functionals along the axes.

    ``matrices`` has for each channel and axis the functionals of nodal values, (functionals, nodes)
    in float64. If ``scattered``, functional p is the product of the p-th of all axes; if not, the
    functionals are all products, in the order of a grid, of which those in ``kept`` are observed.
    Data are channel by channel.
    """

    basis: Basis
    n: int
    matrices: Sequence[Sequence[Tensor]]
    scattered: bool = False
    kept: Tensor | None = None

    @property
    def size(self) -> int:
        """Functionals of all channels."""
        return len(self.matrices) * self._each

    def forward(self, u: Tensor) -> Tensor:
        """Data (..., size) of fields (..., channel, *grid)."""
        own = self._matrices(u)
        fields = u.unbind(-1 - self.basis.dimension)
        return torch.cat([self._observe(v, m) for v, m in zip(fields, own, strict=True)], -1)

    def adjoint(self, data: Tensor) -> Tensor:
        """H* of data (..., size), fields (..., channel, *grid)."""
        parts = zip(data.split(self._each, -1), self._matrices(data), strict=True)
        fields = torch.stack([self._spread(v, m) for v, m in parts], -1 - self.basis.dimension)
        return fields / node_weights(self.basis, self.n, data)

    def _observe(self, u: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """One channel (..., *grid) → (..., functionals)."""
        if not self.scattered:
            values = apply_along(u, matrices).flatten(-len(matrices))
            return values if self.kept is None else values[..., self.kept.to(u.device)]
        *others, last = matrices
        values = u @ last.T
        for matrix in reversed(others):
            values = (values * matrix.T).sum(-2)
        return values

    def _spread(self, data: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """The transpose of ``_observe``."""
        if not self.scattered:
            shape = [len(matrix) for matrix in matrices]
            if self.kept is not None:
                everywhere = data.new_zeros(*data.shape[:-1], torch.Size(shape).numel())
                data = everywhere.index_copy(-1, self.kept.to(data.device), data)
            return apply_along(data.unflatten(-1, shape), [matrix.T for matrix in matrices])
        *others, last = matrices
        values = data
        for matrix in others:
            values = values[..., None, :] * matrix.T
        return values @ last

    def _matrices(self, like: Tensor) -> Sequence[Sequence[Tensor]]:
        key = (like.dtype, like.device)
        if key not in self._converted:
            self._converted[key] = [[matrix.to(like) for matrix in own] for own in self.matrices]
        return self._converted[key]

    @cached_property
    def _converted(self) -> dict[tuple[torch.dtype, torch.device], list[list[Tensor]]]:
        return {}

    @cached_property
    def _each(self) -> int:
        """Functionals of a channel."""
        if self.kept is not None:
            return len(self.kept)
        lengths = [len(matrix) for matrix in self.matrices[0]]
        return lengths[0] if self.scattered else torch.Size(lengths).numel()


def functionals(observed: ForwardMapLike, u: Tensor) -> Tensor:
    """G′(u)* of each datum at one field u (1, channel, *grid), (size, channel, *grid).

    From one solution where the map knows how.
    """
    if hasattr(observed, "jacobian"):
        return observed.jacobian(u)[0]
    unit = torch.eye(observed.size, dtype=u.dtype).to(u.device)
    return observed.vjp(u.expand(observed.size, *u.shape[1:]), unit)
