"""Which data lie at nodes that have values."""

import numpy as np

from fsdiff.inverse.observations.base import Component, Whole
from fsdiff.inverse.observations.some import Some
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask


def present_at(places: np.ndarray, mask: Mask, basis: Basis) -> np.ndarray:
    """Whether the nodes nearest to places (places, axes) have values, (channel, places).

    Of all channels, at places in coordinates of the box.
    """
    own = basis.axis_nodes(basis.resolution(mask.present))
    nearest = []
    for axis, nodes, along in zip(basis.axes, own, places.T, strict=True):
        apart = np.abs(along[:, None] - nodes)
        nearest.append(np.minimum(apart, axis.side - apart if axis.periodic else apart).argmin(1))
    return mask.present.numpy()[(slice(None), *nearest)]


def some_present(observation: Whole, places: np.ndarray, mask: Mask, basis: Basis) -> Component:
    """An observation of values at places, of those near nodes that have some; ValueError if none.

    The same one if all have.
    """
    there = present_at(places, mask, basis).flatten()
    if there.all():
        return observation
    if not there.any():
        raise ValueError(f"{observation.kind}: all places are where the data have no values")
    return Some(observation=observation, data=tuple(np.flatnonzero(there).tolist()))
