"""An exponential Runge–Kutta step of order four with an embedded estimate of its error.

For y' = −λ y + N(y) with λ ≥ 0 diagonal, the linear part is integrated exactly and N by the
quadrature of Cox and Matthews (J. Comput. Phys. 176, 2002, eqs. 26–29), which is exact where N is
constant. The slope N at the end of a step is the first of the next, so that comparing it with the
last stage gives an estimate of order three at no cost (as Balac and Mahé, Comput. Phys. Commun.
184, 2013, do for the integrating factor).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

IMAGINARY_STABILITY = 2.8
"""The step is stable for N = iωy, λ = 0 where step · |ω| is less than this (exactly, √8)."""

_TAYLOR_RADIUS = 0.5
_TAYLOR_TERMS = 13
_ESTIMATE_SHARE = 0.2
"""Of the half step's weight, h/2 φ_1(−λh/2), which falls with λ more slowly than that of the last
stage, on the safe side; where λ = 0 the estimate is h/10 times the difference of the slopes."""


@dataclass(frozen=True)
class Weights:
    """Diagonal coefficients of one step size, of the shape of the decay rates."""

    half_decay: Tensor
    decay: Tensor
    half_slope: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor

    @staticmethod
    def of(rates: Tensor, step: float) -> "Weights":
        """The coefficients for decay ``rates`` λ (float64) and a positive ``step``."""
        z = -step * rates
        phi_1, phi_2, phi_3 = _phi(z)
        half = _phi(z / 2)[0]
        return Weights(
            half_decay=torch.exp(z / 2),
            decay=torch.exp(z),
            half_slope=step / 2 * half,
            first=step * (phi_1 - 3 * phi_2 + 4 * phi_3),
            middle=2 * step * (phi_2 - 2 * phi_3),
            last=step * (4 * phi_3 - phi_2),
        )

    def map(self, function: Callable[[Tensor], Tensor]) -> "Weights":
        """The same with ``function`` applied to every array."""
        return Weights(*(function(value) for value in vars(self).values()))


def advance(
    derivative: Callable[[Tensor], Tensor], state: Tensor, slope: Tensor, weights: Weights
) -> tuple[Tensor, Tensor, Tensor]:
    """One step from ``state``, where N is ``slope``: the end, N there, and the estimated error.

    ``derivative`` returns N at a state in a new tensor.
    """
    decayed = weights.half_decay * state
    middle = torch.addcmul(decayed, weights.half_slope, slope)
    second = derivative(middle)
    third = derivative(torch.addcmul(decayed, weights.half_slope, second))
    change = torch.sub(third, slope, alpha=0.5).mul_(weights.half_slope)
    fourth = derivative(torch.addcmul(change, weights.half_decay, middle, value=0.5).mul_(2))
    end = (weights.decay * state).addcmul_(weights.first, slope)
    end.addcmul_(weights.middle, second.add_(third)).addcmul_(weights.last, fourth)
    end_slope = derivative(end)
    error = fourth.sub_(end_slope).mul_(weights.half_slope).mul_(_ESTIMATE_SHARE)
    return end, end_slope, error


def _phi(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """φ_1 … φ_3, φ_j(z) = (φ_{j−1}(z) − 1/(j−1)!)/z with φ_0 = exp, at z ≤ 0."""
    small = z.abs() < _TAYLOR_RADIUS
    near, far = torch.where(small, z, 0.0), torch.where(small, -1.0, z)
    series = torch.zeros_like(z)
    for term in range(_TAYLOR_TERMS, 0, -1):
        # φ_3(z) = Σ z^j / (j + 3)! by Horner's rule, the factor 1/3! last.
        series = (1 + series) * near / (term + 3)
    series = (1 + series) / 6
    phi_1 = torch.expm1(far) / far
    phi_2 = (phi_1 - 1) / far
    phi_3 = torch.where(small, series, (phi_2 - 0.5) / far)
    phi_2 = torch.where(small, 0.5 + z * phi_3, phi_2)
    return torch.where(small, 1 + z * phi_2, phi_1), phi_2, phi_3
