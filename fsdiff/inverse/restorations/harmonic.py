"""Harmonic inpainting of functions that are seen at some nodes of a grid."""

import torch
from torch import Tensor

from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.some import Some
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask as Present
from fsdiff.spaces.modes import apply_along
from fsdiff.spaces.splines import spline_matrix


def suits(observation: Observation) -> bool:
    """Whether data are values at nodes that a mask leaves, or some of these."""
    return _mask_of(observation) is not None


def restore(observation: Observation, basis: Basis, channels: int, n: int, data: Tensor) -> Tensor:
    """Δu = 0 where nothing is seen, physical fields (case, channel, *grid) of data (case, datum).

    The equation is solved on the grid of the mask, by ``HarmonicFilling``: with the data at the
    nodes that are seen, however noisy, no flux through neumann walls and zero on dirichlet ones. On
    grids of other levels the solution is interpolated linearly, so that on none it has values
    beyond those of the data and of walls. It changes by O(h²) from grid to grid. Float64. Raises
    ValueError for other observations.
    """
    mask = _mask_of(observation)
    if mask is None:
        raise ValueError(f"harmonic inpainting needs values at nodes, not {observation.kind}")
    level = mask.resolution
    nodes = _nodes(observation, mask, basis, channels)
    shape = (channels, *basis.grid(level))
    present = torch.zeros(shape, dtype=torch.bool)
    present.view(-1)[nodes] = True
    fields = torch.zeros(len(data), *shape, dtype=torch.float64)
    fields.flatten(1)[:, nodes] = data.double()
    filled = HarmonicFilling(Present(present, basis), level)(fields)
    return _on_level(filled, basis, level, n)


def _mask_of(observation: Observation) -> Mask | None:
    seen = observation.observation if isinstance(observation, Some) else observation
    return seen if isinstance(seen, Mask) else None


def _nodes(observation: Observation, mask: Mask, basis: Basis, channels: int) -> Tensor:
    """Where each datum lies among the nodes of all channels, (datum,)."""
    first = basis.size(mask.resolution) * torch.arange(channels)[:, None]
    every = (first + torch.from_numpy(mask.kept(basis))).flatten()
    return every[list(observation.data)] if isinstance(observation, Some) else every


def _on_level(fields: Tensor, basis: Basis, level: int, n: int) -> Tensor:
    """Fields of one level at the nodes of another."""
    if n == level:
        return fields
    found = []
    for channel, own in enumerate(basis.by_channel(fields.shape[1])):
        along = zip(own.axes, own.axis_nodes(level), own.axis_nodes(n), strict=True)
        matrices = [spline_matrix(axis, places, nodes, 1) for axis, places, nodes in along]
        found.append(apply_along(fields[:, channel], matrices))
    return torch.stack(found, 1)
