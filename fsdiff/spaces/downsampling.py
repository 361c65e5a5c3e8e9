"""How a field is taken to a coarser grid: the maps that build a hierarchy of resolutions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fsdiff.spaces.bases import Basis, CosineBasis, FourierBasis


class Downsampling(ABC):
    """A map from functions on n nodes per axis to functions on m <= n nodes per axis."""

    def check(self, n: int, m: int) -> None:
        """Raise ValueError where the map does not exist between these numbers of nodes."""
        if m > n:
            raise ValueError(f"downsampling goes to coarser grids: {n} -> {m} nodes")

    @abstractmethod
    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) of ``basis`` on m nodes per axis."""


@dataclass(frozen=True, kw_only=True)
class Spectral(Downsampling):
    """Orthogonal projection, in the data's basis, onto the modes that the coarse grid resolves."""

    kind: Literal["spectral"] = "spectral"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) of ``basis`` on m nodes per axis."""
        self.check(u.shape[-1], m)
        return basis.restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Fourier(Downsampling):
    """Truncated Fourier series, whatever the data's basis.

    With function values; Euclidean norms of Hagemann et al. (arXiv 2303.04772, §4) differ from
    these by the factor (n/m)^(d/2). Fields that are not periodic ring at the boundary.
    """

    kind: Literal["fourier"] = "fourier"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) on m nodes per axis."""
        self.check(u.shape[-1], m)
        return FourierBasis(basis.dimension).restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Cosine(Downsampling):
    """Truncated cosine series, whatever the data's basis."""

    kind: Literal["cosine"] = "cosine"

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) on m nodes per axis."""
        self.check(u.shape[-1], m)
        return CosineBasis(basis.dimension).restrict(u, m)


@dataclass(frozen=True, kw_only=True)
class Average(Downsampling):
    """Mean over blocks of (n/m)^d nodes.

    With ``isometric`` multiplied by (n/m)^(d/2), which keeps the Euclidean norm of constants.
    """

    isometric: bool = False
    kind: Literal["average"] = "average"

    def check(self, n: int, m: int) -> None:
        """Refuse numbers of nodes that blocks do not tile."""
        super().check(n, m)
        if n % m:
            raise ValueError(
                f"averaging needs whole blocks, but {m} does not divide {n}; use a resolution that "
                "divides it, or spectral downsampling"
            )

    def __call__(self, u: Tensor, m: int, basis: Basis) -> Tensor:
        """Fields (..., *grid) on m nodes per axis."""
        n = u.shape[-1]
        self.check(n, m)
        lead = u.shape[: u.ndim - basis.dimension]
        blocks = u.reshape(*lead, *(m, n // m) * basis.dimension)
        within = tuple(range(len(lead) + 1, blocks.ndim, 2))
        factor = (n // m) ** (basis.dimension / 2) if self.isometric else 1.0
        return factor * blocks.mean(within)
