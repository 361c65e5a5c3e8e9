"""What training data tell a model: moments of each channel, with which fields are normalised."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.fitting import TRANSFORMED, transforms_in
from fsdiff.data.masking import mask_in
from fsdiff.data.precision import LOSS, sufficient_type
from fsdiff.data.transforms import Transforms
from fsdiff.spaces import coherence
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.spaces.spectrum import MeasuredSpectrum

MOMENTS = ("mean", "scale", "spectrum")
"""What files hold of the data's statistics."""

COHERENCE = "coherence"
"""What they hold besides where channels share a basis."""


@dataclass(frozen=True)
class Statistics:
    """What training data tell a model: per channel mean, scale and mean-square coefficients.

    ``spectrum`` (channel, *coefficients) belongs to normalised fields on ``resolution`` nodes. The
    frames of series are channels, time by time. With ``transforms`` all of these are those of
    transformed fields; fields that go in and come out are physical. Where nodes have no values,
    ``mask`` says so; mean and scale are those of all others, the spectrum that of fields which are
    filled. ``coherence`` (channel, channel, *coefficients), with real and imaginary parts along a
    last axis where coefficients have both, are the correlations of channels mode by mode, where
    they share a basis and were measured.
    """

    mean: Tensor
    scale: Tensor
    spectrum: Tensor
    resolution: int
    transforms: Transforms | None = None
    mask: Mask | None = None
    coherence: Tensor | None = None

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Statistics":
        """Those that models are given, from a data set's file: of transformed fields, if any."""
        transforms = transforms_in(dataset)
        return cls._read(dataset, "" if transforms is None else TRANSFORMED, transforms)

    @classmethod
    def physical(cls, dataset: xr.Dataset) -> "Statistics":
        """Those of the physical fields in a data set's file, whatever models see of them."""
        return cls._read(dataset, "", None)

    @classmethod
    def measure(
        cls,
        fields: Tensor,
        basis: Basis,
        transforms: Transforms | None = None,
        mask: Mask | None = None,
    ) -> "Statistics":
        """Those of physical fields (samples, channel, *grid), measured in double precision.

        With transforms they are those of transformed fields. Where nodes have no values according
        to ``mask``, fields must be filled there.

        Where the basis of a channel has no constants its mean is taken as zero, as what is left of
        a field that vanishes at the walls would not. Raises ValueError where a channel does not
        vary.
        """
        values = fields.double() if transforms is None else transforms.forward(fields)
        mean = _average(values, basis, mask)
        mean = mean * torch.tensor([own.constants for own in basis.by_channel(len(mean))])
        deviation = values - _per_node(mean, basis.dimension)
        variance = _average(deviation.square(), basis, mask)
        constant = ~(variance.sqrt() > torch.finfo(values.dtype).eps * mean.abs())
        if constant.any():
            numbers = ", ".join(map(str, constant.nonzero().flatten().tolist()))
            raise ValueError(f"channel {numbers} is constant over all fields: leave it out")
        coefficients = basis.forward(deviation)
        energy = coefficients.abs().square().mean(0)
        spectrum = energy / _per_node(variance, basis.dimension)
        resolution, known = basis.resolution(fields), None
        if coherence.measurable(basis, len(mean), resolution):
            moments = coherence.products(coefficients) / len(fields)
            known = in_parts(coherence.coherence(moments, len(fields), basis))
        return cls(mean, variance.sqrt(), spectrum, resolution, transforms, mask, known)

    def measured(self, basis: Basis) -> MeasuredSpectrum:
        """The spectrum, as that of functions of a basis."""
        known = self.coherence
        if known is not None and known.ndim > self.spectrum.ndim + 1:
            known = torch.view_as_complex(known)
        return MeasuredSpectrum(self.spectrum, basis, self.resolution, known)

    @cached_property
    def precision(self) -> torch.dtype:
        """Of physical fields: float64 where float32 has too few digits for what varies in them."""
        if self.transforms is None:
            enough = sufficient_type(self.mean.numpy(), self.scale.numpy()) == np.float32
        else:
            enough = bool((self.transforms.rounding(self.mean, self.scale) <= LOSS).all())
        return torch.float32 if enough else torch.float64

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is numbers, by name, for a model's file."""
        functions = self.transforms.functions if self.transforms else {}
        held = {} if self.mask is None else {"present": self.mask.present.to(torch.uint8)}
        joint = {} if self.coherence is None else {COHERENCE: self.coherence}
        return {name: getattr(self, name) for name in MOMENTS} | functions | held | joint

    def normalise(self, fields: Tensor) -> Tensor:
        """Physical (…, channel, *grid), transformed, to zero mean and unit mean square.

        In float64 where they have or need it, as after a transform; what is left has digits enough
        in float32.
        """
        if self.transforms is not None:
            fields = self.transforms.forward(fields)
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        mean, scale = self._moments(fields)
        return (fields - mean) / scale

    def denormalise(self, fields: Tensor) -> Tensor:
        """The inverse of ``normalise``, in float64 where float32 would not do."""
        kind = torch.promote_types(fields.dtype, self.precision)
        fields = fields.to(kind if self.transforms is None else torch.float64)
        mean, scale = self._moments(fields)
        fields = fields * scale + mean
        return fields if self.transforms is None else self.transforms.inverse(fields).to(kind)

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale at every node, in the precision of fields."""
        dimension = self.spectrum.ndim - 1
        mean, scale = (_per_node(values.to(like), dimension) for values in (self.mean, self.scale))
        return mean, scale

    @classmethod
    def _read(cls, dataset: xr.Dataset, prefix: str, transforms: Transforms | None) -> "Statistics":
        """Those in variables of a data set's file whose names begin with a prefix."""
        mean, scale, spectrum = (dataset[f"{prefix}{name}"] for name in MOMENTS)
        return cls(
            mean=_tensor(mean).flatten(),
            scale=_tensor(scale).flatten(),
            spectrum=_tensor(spectrum).flatten(0, mean.ndim - 1),
            resolution=_level(spectrum),
            transforms=transforms,
            mask=mask_in(dataset),
            coherence=_tensor(dataset[known]) if (known := prefix + COHERENCE) in dataset else None,
        )


def in_parts(values: Tensor) -> Tensor:
    """Complex numbers as real and imaginary parts, along a last axis; real ones as they are."""
    return torch.view_as_real(values) if values.is_complex() else values


def _tensor(variable: xr.DataArray) -> Tensor:
    return torch.from_numpy(variable.values.copy())


def _level(spectrum: xr.DataArray) -> int:
    """The level whose modes these are: the length of their first axis unless it is said."""
    first = next(name for name in spectrum.dims if str(name).startswith("mode_"))
    return int(spectrum.attrs.get("level", spectrum.sizes[first]))


def _average(values: Tensor, basis: Basis, mask: Mask | None) -> Tensor:
    """The mean of fields (samples, channel, *grid) over samples and the nodes that have values."""
    if mask is None:
        return values.mean((0, *basis.grid_axes()))
    return mask.mean(values.mean(0))


def _per_node(values: Tensor, dimension: int) -> Tensor:
    """Values (channel) as they are at every node of a grid, (channel, 1, …)."""
    return values.view(-1, *[1] * dimension)
