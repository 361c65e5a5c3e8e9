"""A basis for each channel, such as sines for pressure beside cosines for permeability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis, Shaped
from fsdiff.spaces.trigonometric import TrigonometricBasis


@dataclass(frozen=True, kw_only=True)
class ChannelBasis(Basis):
    """One basis per channel of fields (..., channel, *grid), all on the same grids.

    Coefficients (..., channel, *coefficients) lie in each channel as its own basis has them, and
    symbols such as ``omega_squared`` have shape (channel, *coefficients). The bases may differ in
    what functions do at walls, ``neumann`` or ``dirichlet``; ``axes`` are neumann where they do,
    and ``axis_modes`` those of the first channel.
    """

    bases: Annotated[tuple[Basis, ...], Field(min_length=1)]
    kind: Literal["by_channel"] = "by_channel"

    def __post_init__(self) -> None:
        """Refuse bases that are on different grids."""
        if not self.bases:
            raise ValueError("bases: give one for each channel")
        for basis in self.bases:
            if not isinstance(basis, TrigonometricBasis):
                raise ValueError(
                    f"bases: one is {basis.kind}, and channels may differ in what functions do at "
                    "walls alone: give it as the basis of all channels"
                )
        grids = {tuple(_with_walls(axis) for axis in basis.axes) for basis in self.bases}
        if len(grids) > 1:
            raise ValueError("bases: give axes of the same names, sides, nodes and periodicity")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Those of all channels, neumann where channels differ."""
        each = zip(*(basis.axes for basis in self.bases), strict=True)
        return tuple(axes[0] if len(set(axes)) == 1 else _with_walls(axes[0]) for axes in each)

    @property
    def dimension(self) -> int:
        """How many axes there are."""
        return self.bases[0].dimension

    def by_channel(self, channels: int) -> tuple[Basis, ...]:
        """The basis of each channel."""
        if channels != len(self.bases):
            expected = len(self.bases)
            raise ValueError(f"fields have {channels} channels and the basis is for {expected}")
        return self.bases

    def repeated(self, times: int) -> Basis:
        """The basis of series of fields, whose frames are channels, time by time."""
        return self if times == 1 else ChannelBasis(bases=self.bases * times)

    def select(self, channels: Sequence[int]) -> Basis:
        """The basis of some of the channels."""
        return ChannelBasis(bases=tuple(self.bases[channel] for channel in channels))

    def symbol(self, function: Callable[[Basis], Tensor]) -> Tensor:
        """A symbol of each channel's own basis, (channel, *coefficients)."""
        return torch.stack([function(basis) for basis in self.bases])

    def grid(self, n: int) -> tuple[int, ...]:
        """Nodes along each axis at level ``n``."""
        return self.bases[0].grid(n)

    def resolution(self, u: Shaped) -> int:
        """The level whose grid a field (..., channel, *grid) lives on."""
        return self.bases[0].resolution(u)

    def forward(self, u: Tensor) -> Tensor:
        """Coefficients (..., channel, *coefficients)."""
        return self._each(lambda basis, field: basis.forward(field), u)

    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Field values (..., channel, *grid) at level n."""
        return self._each(lambda basis, field: basis.inverse(field, n), coefficients)

    def resample(self, u: Tensor, n: int) -> Tensor:
        """The functions at level n."""
        return self._each(lambda basis, field: basis.resample(field, n), u)

    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Shape of the coefficients of a channel."""
        return self.bases[0].coefficient_shape(n)

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """Those of the first channel."""
        return self.bases[0].axis_modes(n)

    def multiplicity(self, n: int) -> Tensor:
        """That of each channel's own basis, (channel, *coefficients)."""
        return self.symbol(lambda basis: basis.multiplicity(n))

    def omega_squared(self, n: int) -> Tensor:
        """That of each channel's own basis, (channel, *coefficients)."""
        return self.symbol(lambda basis: basis.omega_squared(n))

    def wavenumber(self, n: int) -> Tensor:
        """That of each channel's own basis, (channel, *coefficients)."""
        return self.symbol(lambda basis: basis.wavenumber(n))

    def stencil_symbol(self, n: int) -> Tensor:
        """That of each channel's own basis, (channel, *coefficients)."""
        return self.symbol(lambda basis: basis.stencil_symbol(n))

    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """Coefficients of white noise from normals (..., channel, size(n))."""
        bases = enumerate(self.by_channel(normals.shape[-2]))
        each = [basis.white_noise(normals[..., channel, :], n) for channel, basis in bases]
        return torch.stack(each, -1 - self.dimension)

    def _each(self, function: Callable[[Basis, Tensor], Tensor], u: Tensor) -> Tensor:
        """A map of fields applied to each channel in its own basis."""
        axis = -1 - self.dimension
        if u.ndim < -axis:
            raise ValueError(f"fields of shape {tuple(u.shape)} have no channels")
        pairs = zip(self.by_channel(u.shape[axis]), u.unbind(axis), strict=True)
        return torch.stack([function(basis, field) for basis, field in pairs], axis)


def _with_walls(axis: Axis) -> Axis:
    return axis if axis.periodic else replace(axis, kind="neumann")
