"""Where data lie among the nodes of a grid, as panels count them."""

import numpy as np
from scipy.interpolate import interp1d

from fsdiff.spaces.basis import Basis


def in_nodes(places: np.ndarray, basis: Basis, n: int) -> np.ndarray:
    """Physical coordinates (points, axes) of the box as numbers of nodes from the first, broken.

    What lies beyond the last cell of a periodic axis is in the first.
    """
    along = []
    for axis, nodes, x in zip(basis.axes, basis.axis_nodes(n), places.T, strict=True):
        if len(nodes) < 2:
            along.append(np.zeros(len(x)))
            continue
        at = interp1d(nodes, np.arange(len(nodes)), fill_value="extrapolate")(x)
        periodic = axis.kind == "periodic"
        along.append(np.where(periodic & (at > len(nodes) - 0.5), at - len(nodes), at))
    return np.stack(along, axis=1)
