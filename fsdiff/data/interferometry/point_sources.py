"""Displacement of the surface of an elastic half space by sources so small that they are points.

Coordinates are east, north and up, in metres, with the source at ``depth`` below the origin.
"""

import math

import numpy as np

POISSON_RATIO = 0.25
"""That of rock whose Lamé constants are equal."""


def mogi(
    east: np.ndarray, north: np.ndarray, depth: float, volume: float, ratio: float = POISSON_RATIO
) -> np.ndarray:
    """Displacement (3, *shape) by a sphere that grows by ``volume`` cubic metres (Mogi 1958).

    u = ((1 − ν)ΔV/π)(x, y, D)/R³ with Poisson's ``ratio`` ν; 2(1 − ν)ΔV is lifted in all.
    """
    offset, distance = _from_source(east, north, depth)
    return (1 - ratio) * volume / math.pi * offset / distance**3


def point_crack(east: np.ndarray, north: np.ndarray, depth: float, volume: float) -> np.ndarray:
    """Displacement (3, *shape) by a horizontal crack that opens by ``volume`` cubic metres.

    u = (3ΔV/2π) D²(x, y, D)/R⁵, the tensile point source of Okada (1985) at dip 0, whatever
    Poisson's ratio is; ΔV is lifted in all.
    """
    offset, distance = _from_source(east, north, depth)
    return 3 * volume / (2 * math.pi) * depth**2 * offset / distance**5


def _from_source(
    east: np.ndarray, north: np.ndarray, depth: float
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors from the source to the surface, (3, *shape), and their lengths."""
    offset = np.stack(np.broadcast_arrays(east, north, np.float64(depth)))
    return offset, np.sqrt(np.square(offset).sum(0))
