"""How a field is taken to a coarser grid: the maps that build a hierarchy of resolutions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor
from torch.nn.functional import normalize

from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.boxes import Box


class Downsampling(ABC):
    """A map from functions on the grid of level n to functions on that of a level m <= n."""

    def check(self, n: int, m: int, basis: Basis) -> None:
        """Raise ValueError where the map does not exist between these levels."""
        if m > n:
            raise ValueError(f"downsampling goes to coarser grids: {n} -> {m} nodes")

    def check_fields(self, channels: int, *, transformed: bool) -> None:  # noqa: B027 (most take any)
        """Raise ValueError for fields that it does not suit; transforms come before the map."""

    @abstractmethod
    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) of ``basis`` at level m."""


@dataclass(frozen=True, kw_only=True)
class Spectral(Downsampling):
    """Orthogonal projection, in the data's basis, onto the modes that the coarse grid resolves."""

    kind: Literal["spectral"] = "spectral"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) of ``basis`` at level m."""
        self.check(basis.resolution(u), m, basis)
        return basis.restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Fourier(Downsampling):
    """Truncated Fourier series, whatever the data's basis.

    With function values; Euclidean norms of Hagemann et al. (arXiv 2303.04772, §4) differ from
    these by the factor (n/m)^(d/2). Fields that are not periodic ring at the boundary. Along axes
    between walls, whose nodes lie half a cell further on than periodic ones, fields move towards
    the far end from n nodes to m, by (1/m − 1/n)/2 of the side; ``spectral`` leaves them in place.
    """

    kind: Literal["fourier"] = "fourier"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) at level m."""
        self.check(basis.resolution(u), m, basis)
        return _with_axes(basis, "periodic").restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Cosine(Downsampling):
    """Truncated cosine series, whatever the data's basis.

    Along periodic axes, whose nodes lie half a cell before those between walls, fields move towards
    the start from n nodes to m, by (1/m − 1/n)/2 of the side; ``spectral`` leaves them in place.
    """

    kind: Literal["cosine"] = "cosine"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) at level m."""
        self.check(basis.resolution(u), m, basis)
        return _with_axes(basis, "neumann").restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Average(Downsampling):
    """Mean over blocks of n_i/m_i nodes along each axis.

    With ``isometric`` multiplied by the root of the number of nodes in a block, which keeps the
    Euclidean norm of constants. Between walls coarse nodes are in the middle of their blocks. Along
    periodic axes they are the first nodes of these, as in average pooling, though masks take cells
    to be around nodes there: fields move towards the start from n nodes to m, by (1/m − 1/n)/2 of
    the side; ``spectral`` leaves them in place.
    """

    isometric: bool = False
    kind: Literal["average"] = "average"

    def check(self, n: int, m: int, basis: Basis) -> None:
        """Refuse numbers of nodes that blocks do not tile."""
        super().check(n, m, basis)
        for fine, coarse in zip(basis.grid(n), basis.grid(m), strict=True):
            if fine % coarse:
                raise ValueError(
                    f"averaging needs whole blocks, but {coarse} does not divide {fine}; use a "
                    "resolution that divides it, or spectral downsampling"
                )

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) at level m."""
        n = basis.resolution(u)
        self.check(n, m, basis)
        lead = u.shape[: u.ndim - basis.dimension]
        sizes = zip(basis.grid(n), basis.grid(m), strict=True)
        blocks = u.reshape(*lead, *(length for fine, k in sizes for length in (k, fine // k)))
        within = tuple(range(len(lead) + 1, blocks.ndim, 2))
        factor = (basis.size(n) / basis.size(m)) ** 0.5 if self.isometric else 1.0
        return factor * blocks.mean(within)


@dataclass(frozen=True, kw_only=True)
class Circle(Downsampling):
    """Orthogonal projection over its modulus: cosine and sine of a phase remain those of a phase.

    Projections of fields on the circle u₁² + u₂² = 1 lie within it; coarse fields are put back on
    it. Statistics of the data remain those of the finest grid, of somewhat less energy.
    """

    kind: Literal["circle"] = "circle"

    def check_fields(self, channels: int, *, transformed: bool) -> None:
        """Refuse what is no cosine and sine."""
        if channels != 2:
            raise ValueError(
                "the circle is one of two channels, the cosine and the sine of a phase, and fields "
                f"have {channels}; use spectral downsampling"
            )
        if transformed:
            raise ValueError(
                "transforms take fields off the circle before these are restricted: leave "
                "transforms out, or use spectral downsampling"
            )

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., 2, *grid) of ``basis`` at level m."""
        self.check(basis.resolution(u), m, basis)
        channel = u.ndim - basis.dimension - 1
        self.check_fields(u.shape[channel] if channel >= 0 else 1, transformed=False)
        return normalize(basis.restrict(u, m), dim=channel)


def _with_axes(basis: Basis, kind: AxisKind) -> Box:
    """The same box with axes of one kind."""
    return Box(axes=tuple(replace(axis, kind=kind) for axis in basis.axes))
