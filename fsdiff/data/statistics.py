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
            resolution=int(dataset["spectrum"].sizes["mode_y"]),
        )

    def measured(self, basis: Basis) -> MeasuredSpectrum:
        """The spectrum, as that of functions of a basis."""
        return MeasuredSpectrum(self.spectrum, basis, self.resolution)

    @property
    def precision(self) -> torch.dtype:
        """Of physical fields: float64 where float32 has too few digits for what varies in them."""
        kind = sufficient_type(self.mean.numpy(), self.scale.numpy())
        return torch.float32 if kind == np.float32 else torch.float64

    def normalise(self, fields: Tensor) -> Tensor:
        """Physical (…, channel, y, x) to zero mean and unit mean square.

        In float64 where they have or need it; what is left has digits enough in float32.
        """
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        return (fields - self._per_node(self.mean, fields)) / self._per_node(self.scale, fields)

    def denormalise(self, fields: Tensor) -> Tensor:
        """The inverse of ``normalise``, in float64 where float32 would not do."""
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        return fields * self._per_node(self.scale, fields) + self._per_node(self.mean, fields)

    @staticmethod
    def _per_node(values: Tensor, like: Tensor) -> Tensor:
        return values.to(like)[:, None, None]
