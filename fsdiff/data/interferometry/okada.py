"""Displacement of the surface of an elastic half space by a rectangular dislocation.

Okada, "Surface deformation due to shear and tensile faults in a half-space", Bulletin of the
Seismological Society of America 75 (1985), equations (25) to (29).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fsdiff.data.interferometry.point_sources import POISSON_RATIO

TINY = 1e-12
"""Relative to R: smaller sums are zero but for rounding."""

VERTICAL = 1e-6
"""Cosines of dips below which those of vertical planes are used."""


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A rectangle in the ground: its lower edge at ``depth``, its sides ``length`` and ``width``.

    In Okada's coordinates x is along strike, from the beginning of the lower edge, and the plane
    rises towards positive y at the angle ``dip`` (radians).
    """

    depth: float
    dip: float
    length: float
    width: float

    def displacement(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        strike_slip: float = 0.0,
        dip_slip: float = 0.0,
        opening: float = 0.0,
        ratio: float = POISSON_RATIO,
    ) -> np.ndarray:
        """Displacement (3, *shape) along x, y and upwards at places of the surface.

        It has the unit of the slips and the opening; Poisson's ``ratio`` is that of the half space.
        """
        sine, cosine = math.sin(self.dip), math.cos(self.dip)
        up_dip, q = y * cosine + self.depth * sine, y * sine - self.depth * cosine
        total = np.zeros((3, *np.broadcast_shapes(x.shape, y.shape)))
        for sign, xi, eta in self._corners(x, up_dip):
            corner = _Corner((xi, eta, q), sine, cosine, 1 - 2 * ratio)
            shear = strike_slip * corner.strike_slip() + dip_slip * corner.dip_slip()
            total += sign * (opening * corner.opening() - shear) / (2 * math.pi)
        return total

    def centred(self, along: np.ndarray, across: np.ndarray, opening: float) -> np.ndarray:
        """Displacement by an opening, at places measured from above the rectangle's centre."""
        x, y = along + self.length / 2, across + self.width / 2 * math.cos(self.dip)
        return self.displacement(x, y, opening=opening)

    def _corners(
        self, x: np.ndarray, up_dip: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Chinnery's sum: sign, ξ and η of each corner."""
        yield 1, x, up_dip
        yield -1, x, up_dip - self.width
        yield -1, x - self.length, up_dip
        yield 1, x - self.length, up_dip - self.width


class _Corner:
    """The terms of one corner at ``place`` (ξ, η, q); ``medium`` is μ/(λ + μ)."""

    def __init__(
        self,
        place: tuple[np.ndarray, np.ndarray, np.ndarray],
        sine: float,
        cosine: float,
        medium: float,
    ) -> None:
        xi, eta, q = np.broadcast_arrays(*place)
        self.xi, self.eta, self.q = xi, eta, q
        self.sine, self.cosine, self.medium = sine, cosine, medium
        self.radius = np.sqrt(xi**2 + eta**2 + q**2)
        self.along, self.down = eta * cosine + q * sine, eta * sine - q * cosine
        self.angle = np.arctan(_quotient(xi * eta, q * self.radius))
        # Straight up-dip of a corner R + η = 0, and the limits of the terms are these.
        beyond = self.radius + eta
        straight = beyond <= TINY * self.radius
        self.per_eta = _quotient(1.0, np.where(straight, 0.0, self.radius * beyond))
        gone = np.log(np.where(straight, self.radius - eta, 1.0))
        self.logarithm = np.where(straight, -gone, np.log(np.where(straight, 1.0, beyond)))
        behind = self.radius + xi
        self.per_xi = _quotient(
            1.0, np.where(behind <= TINY * self.radius, 0.0, self.radius * behind)
        )

    def strike_slip(self) -> np.ndarray:
        """Equation (25), times −2π."""
        q, i1, i2, _, i4, _ = self.q, *self._integrals()
        return np.stack(
            [
                self.xi * q * self.per_eta + self.angle + i1 * self.sine,
                self.along * q * self.per_eta
                + q * self.cosine * self.radius * self.per_eta
                + i2 * self.sine,
                self.down * q * self.per_eta
                + q * self.sine * self.radius * self.per_eta
                + i4 * self.sine,
            ]
        )

    def dip_slip(self) -> np.ndarray:
        """Equation (26), times −2π."""
        q, i1, _, i3, _, i5 = self.q, *self._integrals()
        both = self.sine * self.cosine
        return np.stack(
            [
                q / self.radius - i3 * both,
                self.along * q * self.per_xi + self.cosine * self.angle - i1 * both,
                self.down * q * self.per_xi + self.sine * self.angle - i5 * both,
            ]
        )

    def opening(self) -> np.ndarray:
        """Equation (27), times 2π."""
        q, i1, _, i3, _, i5 = self.q, *self._integrals()
        turned = self.xi * q * self.per_eta - self.angle
        return np.stack(
            [
                q**2 * self.per_eta - i3 * self.sine**2,
                -self.down * q * self.per_xi - self.sine * turned - i1 * self.sine**2,
                self.along * q * self.per_xi + self.cosine * turned - i5 * self.sine**2,
            ]
        )

    def _integrals(self) -> tuple[np.ndarray, ...]:
        """I₁ to I₅, equations (28) or, of vertical planes, (29)."""
        if abs(self.cosine) < VERTICAL:
            return self._vertical_integrals()
        below = self.radius + self.down
        chord = np.hypot(self.xi, self.q)
        numerator = self.eta * (chord + self.q * self.cosine)
        numerator = numerator + chord * (self.radius + chord) * self.sine
        denominator = self.xi * (self.radius + chord) * self.cosine
        i5 = 2 * self.medium / self.cosine * np.arctan(_quotient(numerator, denominator))
        i4 = self.medium / self.cosine * (np.log(below) - self.sine * self.logarithm)
        tangent = self.sine / self.cosine
        i3 = self.medium * (self.along / (self.cosine * below) - self.logarithm) + tangent * i4
        i2 = -self.medium * self.logarithm - i3
        i1 = -self.medium * self.xi / (self.cosine * below) - tangent * i5
        return i1, i2, i3, i4, i5

    def _vertical_integrals(self) -> tuple[np.ndarray, ...]:
        below = self.radius + self.down
        i1 = -self.medium / 2 * self.xi * self.q / below**2
        i3 = self.eta / below + self.along * self.q / below**2 - self.logarithm
        i3 = self.medium / 2 * i3
        i2 = -self.medium * self.logarithm - i3
        i4 = -self.medium * self.q / below
        i5 = -self.medium * self.xi * self.sine / below
        return i1, i2, i3, i4, i5


def _quotient(numerator: np.ndarray | float, denominator: np.ndarray) -> np.ndarray:
    """A quotient, zero where the denominator is: as the arctangents and terms in question are."""
    nonzero = denominator != 0
    return np.where(nonzero, numerator / np.where(nonzero, denominator, 1.0), 0.0)
