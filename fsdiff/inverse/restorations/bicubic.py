"""Bicubic interpolation of functions that are seen on a coarse grid."""

import torch
from torch import Tensor

from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.modes import apply_along
from fsdiff.spaces.splines import spline_matrix


def suits(observation: Observation) -> bool:
    """Whether data are those of a coarse grid: means over its cells, or a blurred function."""
    return isinstance(observation, Averages | LowPass)


def restore(observation: Observation, basis: Basis, channels: int, n: int, data: Tensor) -> Tensor:
    """The cubic spline through data (case, datum) as physical fields (case, channel, *grid).

    Data are taken for the function's values in the middles of cells, or at the nodes of their grid,
    as those of pictures are: of smooth functions blur, and a mean's difference from the value in
    its middle, a twenty-fourth of the squared width of a cell times the second derivative, stay.
    Splines are periodic or even or odd at walls, as the functions of each axis are; they are
    products of splines along the axes, whatever the dimension. On a finer level it is the same
    function. Float64. Raises ValueError for other observations.
    """
    if not isinstance(observation, Averages | LowPass):
        raise ValueError(f"bicubic interpolation needs data of a grid, not {observation.kind}")
    observation.check(basis, channels)
    coarse = data.double().unflatten(-1, (channels, *basis.grid(observation.resolution)))
    fields = []
    for channel, own in enumerate(basis.by_channel(channels)):
        along = zip(own.axes, observation.places(own), own.axis_nodes(n), strict=True)
        matrices = [spline_matrix(axis, places, nodes, 3) for axis, places, nodes in along]
        fields.append(apply_along(coarse[:, channel], matrices))
    return torch.stack(fields, 1)
