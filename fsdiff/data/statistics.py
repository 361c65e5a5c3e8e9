"""What training data tell a model: moments of each channel, with which fields are normalised."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.precision import sufficient_type
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.spectrum import MeasuredSpectrum

MOMENTS = ("mean", "scale", "spectrum")
"""What the weights' file holds of the data's statistics."""


@dataclass(frozen=True)
class Statistics:
    """What training data tell a model: per channel mean, scale and mean-square coefficients.

    ``spectrum`` (channel, *coefficients) belongs to normalised fields on ``resolution`` nodes. The
    frames of series are channels, time by time.
    """

    mean: Tensor
    scale: Tensor
    spectrum: Tensor
    resolution: int

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Statistics":
        """Those stored in a data set's file."""
        mean, scale, spectrum = (dataset[name].values.copy() for name in MOMENTS)
        return cls(
            mean=torch.from_numpy(mean).flatten(),
            scale=torch.from_numpy(scale).flatten(),
            spectrum=torch.from_numpy(spectrum).flatten(0, mean.ndim - 1),
            resolution=_level(dataset["spectrum"]),
        )

    @classmethod
    def measure(cls, fields: Tensor, basis: Basis) -> "Statistics":
        """Those of physical fields (samples, channel, *grid), measured in double precision.

        In a basis without constants the mean is taken as zero, as what is left of a field that
        vanishes at the walls would not. Raises ValueError where a channel does not vary.
        """
        values, everything = fields.double(), (0, *basis.grid_axes())
        mean = values.mean(everything) * float(basis.constants)
        deviation = values - _per_node(mean, basis.dimension)
        variance = deviation.square().mean(everything)
        constant = ~(variance.sqrt() > torch.finfo(values.dtype).eps * mean.abs())
        if constant.any():
            numbers = ", ".join(map(str, constant.nonzero().flatten().tolist()))
            raise ValueError(f"channel {numbers} is constant over all fields: leave it out")
        energy = basis.forward(deviation).abs().square().mean(0)
        spectrum = energy / _per_node(variance, basis.dimension)
        return cls(mean, variance.sqrt(), spectrum, basis.resolution(fields))

    def measured(self, basis: Basis) -> MeasuredSpectrum:
        """The spectrum, as that of functions of a basis."""
        return MeasuredSpectrum(self.spectrum, basis, self.resolution)

    @property
    def precision(self) -> torch.dtype:
        """Of physical fields: float64 where float32 has too few digits for what varies in them."""
        kind = sufficient_type(self.mean.numpy(), self.scale.numpy())
        return torch.float32 if kind == np.float32 else torch.float64

    def normalise(self, fields: Tensor) -> Tensor:
        """Physical (…, channel, *grid) to zero mean and unit mean square.

        In float64 where they have or need it; what is left has digits enough in float32.
        """
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        mean, scale = self._moments(fields)
        return (fields - mean) / scale

    def denormalise(self, fields: Tensor) -> Tensor:
        """The inverse of ``normalise``, in float64 where float32 would not do."""
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        mean, scale = self._moments(fields)
        return fields * scale + mean

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale at every node, in the precision of fields."""
        dimension = self.spectrum.ndim - 1
        return tuple(_per_node(values.to(like), dimension) for values in (self.mean, self.scale))


def _per_node(values: Tensor, dimension: int) -> Tensor:
    """Values (channel) as they are at every node of a grid, (channel, 1, …)."""
    return values.view(-1, *[1] * dimension)


def _level(spectrum: xr.DataArray) -> int:
    """The level whose modes these are: the length of their first axis unless it is said."""
    first = next(name for name in spectrum.dims if str(name).startswith("mode_"))
    return int(spectrum.attrs.get("level", spectrum.sizes[first]))
