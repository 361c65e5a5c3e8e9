"""What a radar looking sideways sees of the ground: lines of sight, phases, averages of looks."""

import math
from dataclasses import dataclass

import numpy as np

WAVELENGTH = 0.05546576
"""Of Sentinel-1, 5.405 GHz, in metres."""

INCIDENCE = (29.0, 46.0)
"""Least and largest angle from the vertical in a swath, degrees."""

HEADINGS = (-13.0, 193.0)
"""Degrees east of north on ascending and descending passes; single ones differ by about one."""


@dataclass(frozen=True)
class Geometry:
    """The incidence and the heading of a right-looking radar, in radians."""

    incidence: float
    heading: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Geometry":
        """A place in the swath, and a pass of either direction."""
        incidence = random.uniform(*INCIDENCE)
        heading = random.choice(HEADINGS) + random.standard_normal()
        return cls(math.radians(incidence), math.radians(heading))

    @property
    def line_of_sight(self) -> np.ndarray:
        """The unit vector (east, north, up) from the ground to the satellite."""
        level, heading = math.sin(self.incidence), self.heading
        return np.array(
            [-level * math.cos(heading), level * math.sin(heading), math.cos(self.incidence)]
        )

    def towards(self, displacement: np.ndarray) -> np.ndarray:
        """How far a displacement (3, *shape) goes towards the satellite."""
        return np.tensordot(self.line_of_sight, displacement, 1)


def phase_of(range_change: np.ndarray) -> np.ndarray:
    """The phase, 4π/λ times what is added to the distance from the satellite, in metres."""
    return 4 * math.pi / WAVELENGTH * range_change


def fringes(range_change: np.ndarray) -> float:
    """The most turns of the phase that a change of the distance amounts to, 2 max|d|/λ."""
    return float(2 * np.abs(range_change).max() / WAVELENGTH)


def averaged_looks(
    phase: np.ndarray, coherence: np.ndarray, looks: int, random: np.random.Generator
) -> np.ndarray:
    """The mean over looks of z₁ z̄₂, with z₁ and z₂ circular complex normal, E z₁ z̄₂ = γ e^{iφ}.

    The law is exact and its cost that of one look: the entry of a complex Wishart matrix is drawn
    by Bartlett's decomposition, as t² γ e^{iφ} + t s √(1 − γ²) with t² ~ Gamma(looks) and s a
    standard complex normal.
    """
    squared = random.standard_gamma(looks, phase.shape)
    real, imaginary = random.standard_normal((2, *phase.shape))
    other = np.sqrt(squared / 2 * (1 - coherence**2)) * (real + 1j * imaginary)
    return np.asarray((squared * coherence * np.exp(1j * phase) + other) / looks)
