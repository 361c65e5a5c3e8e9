"""Magma on the move: which sources there are, where they lie and how far they lift the ground."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from fsdiff.data.interferometry.okada import Rectangle
from fsdiff.data.interferometry.point_sources import mogi, point_crack
from fsdiff.data.interferometry.radar import Geometry, fringes

Unrest = Literal["none", "mogi", "crack", "sill", "dyke", "two"]
"""What there is below a volcano: nothing, a source of one kind, or two sources of any of these."""

FRINGES = (0.3, 12.0)
"""Fewest and most that a source makes."""

TRIAL = 64
"""Nodes per side on which a source of unit strength is seen, whatever the scene's resolution."""

Displacement = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Displacement (3, *shape) by a source of unit strength at places east and north of it."""


def range_increase(
    unrest: Unrest,
    others: tuple[Unrest, ...],
    geometry: Geometry,
    scene: tuple[np.ndarray, np.ndarray, float],
    random: np.random.Generator,
) -> np.ndarray:
    """How far from the satellite the ground moves, in metres, at the places of a scene.

    A scene is coordinates (east, north) and a side. ``others`` are the kinds that two sources are
    drawn from, each with equal odds.
    """
    east, north, side = scene
    kinds = list(random.choice(others, 2)) if unrest == "two" else [unrest]
    total = np.zeros(np.broadcast_shapes(east.shape, north.shape))
    for kind in kinds:
        if kind == "none":
            continue
        centre, strength = random.uniform(side / 4, 3 * side / 4, 2), _log_uniform(FRINGES, random)
        sign, source = random.choice([-1.0, 1.0]), SOURCES[kind](random)

        def moved(
            x: np.ndarray, y: np.ndarray, centre: np.ndarray = centre, source: Displacement = source
        ) -> np.ndarray:
            return -geometry.towards(source(x - centre[0], y - centre[1]))

        trial = (np.arange(TRIAL) + 0.5) / TRIAL * side
        unit = fringes(moved(trial[None, :], trial[:, None]))
        total += sign * strength / unit * moved(east, north)
    return total


def _mogi(random: np.random.Generator) -> Displacement:
    depth = _log_uniform((1000.0, 6000.0), random)
    return lambda east, north: mogi(east, north, depth, 1.0)


def _crack(random: np.random.Generator) -> Displacement:
    depth = _log_uniform((1000.0, 6000.0), random)
    return lambda east, north: point_crack(east, north, depth, 1.0)


def _sill(random: np.random.Generator) -> Displacement:
    """1.5 to 3.5 km deep, 2 to 6 km long and wide, nearly horizontal."""
    dip, depth = math.radians(random.uniform(0, 5)), random.uniform(1500, 3500)
    length, width = random.uniform(2000, 6000, 2)
    rectangle = Rectangle(
        depth=depth + width / 2 * math.sin(dip), dip=dip, length=length, width=width
    )
    return turned(rectangle, random.uniform(0, 2 * math.pi))


def _dyke(random: np.random.Generator) -> Displacement:
    """Steep, its top 0.2 to 2 km deep, up to 6 km high and 10 km long."""
    dip, top = math.radians(random.uniform(75, 90)), random.uniform(200, 2000)
    height, length = random.uniform(500, 6000), random.uniform(500, 10_000)
    rectangle = Rectangle(depth=top + height, dip=dip, length=length, width=height / math.sin(dip))
    return turned(rectangle, random.uniform(0, 2 * math.pi))


SOURCES: dict[str, Callable[[np.random.Generator], Displacement]] = {
    "mogi": _mogi,
    "crack": _crack,
    "sill": _sill,
    "dyke": _dyke,
}
"""Kind → a source of unit strength drawn at random."""


def turned(rectangle: Rectangle, strike: float) -> Displacement:
    """Displacement by an opening of one below the origin, its strike in radians east of north."""
    sine, cosine = math.sin(strike), math.cos(strike)

    def displacement(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        along, across = east * sine + north * cosine, north * sine - east * cosine
        x, y, up = rectangle.centred(along, across, 1.0)
        return np.stack([x * sine - y * cosine, x * cosine + y * sine, up])

    return displacement


def _log_uniform(ends: tuple[float, float], random: np.random.Generator) -> float:
    return math.exp(random.uniform(math.log(ends[0]), math.log(ends[1])))
