"""Delays of radar waves in the troposphere, and the terrain that stratified ones follow.

Hanssen, "Radar interferometry" (2001), chapter 4: along a line spectra of turbulent delays fall
like f^(−5/3) at long wavelengths and like f^(−8/3) at those shorter than the troposphere is thick.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from fsdiff.spaces.bases import FourierBasis
from fsdiff.threads import single_thread

KNEE, OUTER = 1500.0, 50_000.0
"""Wavelengths in metres: where the spectrum becomes steeper, and beyond which there is nothing."""

PERIODS = 4
"""Sides of a scene in the period of the fields that it is cut from."""

RELIEF_SLOPE, RELIEF_SHARE = 3.6, 0.1
"""The fall of the spectrum of fractal relief, and its deviation over the height of the cone."""

PLANE = FourierBasis(2)


def turbulence_spectrum(frequency: np.ndarray) -> np.ndarray:
    """Spectral density over the plane at frequencies in cycles per metre, up to a factor.

    f^(−8/3) up to the knee and f^(−11/3) beyond: slopes of the structure function are 2/3 at long
    and 5/3 at short distances.
    """
    knee = frequency * KNEE
    safe = np.where(frequency * OUTER < 1, 1.0, knee)
    return np.where(frequency * OUTER < 1, 0.0, safe ** (-8 / 3) * np.maximum(safe, 1.0) ** -1.0)


def relief_spectrum(frequency: np.ndarray) -> np.ndarray:
    """That of fractal relief, f^(−3.6), without a mean."""
    return np.where(frequency > 0, np.where(frequency > 0, frequency, 1.0) ** -RELIEF_SLOPE, 0.0)


@single_thread()
def isotropic_field(
    spectrum: Callable[[np.ndarray], np.ndarray],
    n: int,
    side: float,
    random: np.random.Generator,
) -> np.ndarray:
    """A Gaussian field on the n × n nodes of a scene, of mean zero and mean square one on it.

    It is cut from a periodic one four times as long, whose modes take their normals coarse to fine,
    so that scenes on other grids are cut from the same function, of which each has the modes that
    it resolves. Nodes are the centres of cells, where means over them are those over the scene up
    to the square of their distance. ``side`` is in metres.
    """
    level = PERIODS * n
    frequency = PLANE.omega_squared(level).sqrt().numpy() / (2 * math.pi * PERIODS * side)
    white = PLANE.white_noise(random.standard_normal(PLANE.size(level)), level).numpy()
    modes = white * np.sqrt(spectrum(frequency))
    # From the periodic nodes j/level to the centres of cells, (j + ½)/level.
    for k in np.meshgrid(*PLANE.axis_modes(level), indexing="ij"):
        modes = modes * np.exp(1j * math.pi * k / level)
    whole = PLANE.inverse(torch.from_numpy(modes), level)
    scene = whole.numpy()[:n, :n]
    centred = scene - scene.mean()
    return np.asarray(centred / np.sqrt(np.square(centred).mean()))


def terrain(
    east: np.ndarray, north: np.ndarray, side: float, random: np.random.Generator
) -> np.ndarray:
    """Heights in metres: a volcano with exponential flanks, 0.5 to 2.5 km high, and its relief."""
    height, length = random.uniform(500, 2500), random.uniform(2000, 5000)
    distance = np.hypot(east - side / 2, north - side / 2)
    relief = isotropic_field(relief_spectrum, len(distance), side, random)
    return np.asarray(height * (np.exp(-distance / length) + RELIEF_SHARE * relief))
