"""Coefficients of stabilised explicit Runge–Kutta methods of order four.

A method with s stages is stable for y' = λy with −β ≤ hλ ≤ 0 where β ≈ 0.35 s², so a diffusion
equation costs a number of evaluations that grows with the square root of its stiffness.

Construction (after Abdulle, SIAM J. Sci. Comput. 23, 2002): the stability polynomial is R = W P.
W has degree 4, and P, of degree s − 4 with P(0) = 1, is orthogonal on [−β, 0] with respect to
W(z)² / √(−z (z + β)), so that R oscillates evenly and P has a three-term recurrence, which is
carried over to the nonlinear problem. W is the truncation of exp / P at degree 4, which gives R
order four. β = 0.351 s² − 2.8 is just below the largest for which |R| ≤ 0.95 away from 0. The last
four stages apply W; their coefficients solve the eight order conditions of the whole method.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import polynomial

FEWEST_STAGES = 5


@dataclass(frozen=True)
class Scheme:
    """An explicit Runge–Kutta method with an embedded estimate of its error.

    Stage values are g_0 = y, g_1 = y + h μ_0 f(y) and, with (μ_j, ν_j) from ``recurrence``,
    g_{j+1} = g_{j−1} + ν_j (g_j − g_{j−1}) + h μ_j f(g_j); then four stages start from the last g,
    k_i = f(g + h Σ a_ij k_j) with a from ``finish``, and the step is g + h Σ b_i k_i with b from
    ``weights``. The error is estimated as h Σ d_i k_i + h d_5 f(end of the step) with d from
    ``error``, of order h⁴. Stable for −``stability`` ≤ hλ ≤ 0.
    """

    stability: float
    recurrence: tuple[tuple[float, float], ...]
    finish: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    error: tuple[float, ...]


def longest_interval(stages: int) -> float:
    """β of the method with the given number of stages."""
    return 0.351 * stages**2 - 2.8


def stages_for(stiffness: float) -> int:
    """The smallest number of stages that is stable for −``stiffness`` ≤ hλ ≤ 0."""
    return max(FEWEST_STAGES, math.ceil(math.sqrt((stiffness + 2.8) / 0.351)))


@lru_cache
def scheme(stages: int) -> Scheme:
    """The method with the given number of stages, at least ``FEWEST_STAGES``."""
    stability = longest_interval(stages)
    recurrence = _recurrence(stages - 4, stability, _factor(stages - 4, stability))
    finish = _solve_order_conditions(recurrence)
    matrix, weights = _tableau(recurrence, finish)
    rows = ((), (finish[0],), tuple(finish[1:3]), tuple(finish[3:6]))
    return Scheme(
        stability=stability,
        recurrence=tuple((float(mu), float(nu)) for mu, nu in recurrence),
        finish=tuple(tuple(float(a) for a in row) for row in rows),
        weights=tuple(float(b) for b in finish[6:]),
        error=_error_weights(matrix, weights),
    )


def _recurrence(degree: int, beta: float, factor: np.ndarray) -> np.ndarray:
    """(μ_j, ν_j) with P_{j+1} = μ_j z P_j + ν_j P_j + (1 − ν_j) P_{j−1}, shape (degree, 2).

    The discretised Stieltjes procedure with Gauss–Chebyshev nodes, exact for this weight.
    """
    count = degree + 6
    z = beta / 2 * (np.cos(np.pi * (np.arange(count) + 0.5) / count) - 1)
    weight = polynomial.polyval(z, factor) ** 2
    previous, current = np.zeros(count), np.ones(count)
    norm_previous = np.inf
    result = np.empty((degree, 2))
    for j in range(degree):
        norm = weight @ current**2
        mean = weight @ (z * current**2) / norm
        # P_{j+1} ∝ (z − mean) P_j − c P_{j−1}; with all P_j(0) = 1 the factor is 1 / (−mean − c).
        c = norm / norm_previous / result[j - 1, 0] if j else 0.0
        mu = 1 / (-mean - c)
        nu = -mean * mu
        previous, current = current, mu * z * current + nu * current + (1 - nu) * previous
        norm_previous = norm
        result[j] = mu, nu
    return result


def _factor(degree: int, beta: float) -> np.ndarray:
    """Coefficients of W for an interval [−β, 0], lowest first: the fixed point W = exp / P."""
    from scipy.optimize import root  # half a second that only those pay who need it

    scale = beta ** np.arange(5.0)
    guess = np.array([1, 0.7, 0.25, 0.06, 0.011]) * scale

    def residual(scaled: np.ndarray) -> np.ndarray:
        factor = np.append(1.0, scaled) / scale
        return (_quotient(_recurrence(degree, beta, factor)) - factor)[1:] * scale[1:]

    return np.append(1.0, root(residual, guess[1:], tol=1e-13).x) / scale


def _quotient(recurrence: np.ndarray) -> np.ndarray:
    """exp(z) / P(z) to degree 4."""
    previous, current = np.zeros(5), np.eye(5)[0]
    for mu, nu in recurrence:
        shifted = np.append(0.0, current[:-1])
        previous, current = current, mu * shifted + nu * current + (1 - nu) * previous
    result = np.array([1, 1, 1 / 2, 1 / 6, 1 / 24])
    for i in range(1, 5):
        result[i] -= current[1 : i + 1] @ result[i - 1 :: -1]
    return result


def _tableau(recurrence: np.ndarray, finish: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Butcher matrix and weights of the whole method."""
    degree = len(recurrence)
    rows = [np.zeros(degree + 4)]
    for j, (mu, nu) in enumerate(recurrence):
        row = nu * rows[j] + (1 - nu) * rows[max(j - 1, 0)]
        row[j] += mu
        rows.append(row)
    start = rows[-1]
    rows += [start.copy() for _ in range(4)]
    rows[degree + 1][degree] += finish[0]
    rows[degree + 2][degree : degree + 2] += finish[1:3]
    rows[degree + 3][degree : degree + 3] += finish[3:6]
    rows[degree + 4][degree:] += finish[6:]
    return np.array(rows[:-1]), rows[-1]


def _order_conditions(matrix: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ b Φ(τ) − 1/γ(τ) for the rooted trees τ of order one to four."""
    c = matrix.sum(1)
    elementary = _elementary_weights(matrix)
    elementary += [c**3, c * (matrix @ c), matrix @ c**2, matrix @ (matrix @ c)]
    exact = np.array([1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24])
    return np.array(elementary) @ weights - exact


def _elementary_weights(matrix: np.ndarray) -> list[np.ndarray]:
    """Φ(τ) by stage for the four trees of order up to three."""
    c = matrix.sum(1)
    return [np.ones_like(c), c, c**2, matrix @ c]


def _solve_order_conditions(recurrence: np.ndarray) -> np.ndarray:
    """The ten coefficients a_21, a_31, a_32, a_41, a_42, a_43, b_1 … b_4 of the last four stages.

    Ten unknowns, eight equations: the solution that Newton steps of least length reach from the
    classical method, shortened to the part of the step that the recurrence leaves.
    """

    def residual(finish: np.ndarray) -> np.ndarray:
        return _order_conditions(*_tableau(recurrence, finish))

    rest = 1 - _tableau(recurrence, np.zeros(10))[1].sum()
    finish = rest * np.array([1 / 2, 0, 1 / 2, 0, 0, 1, 1 / 6, 1 / 3, 1 / 3, 1 / 6])
    offsets = 1e-6 * np.eye(10)
    for _ in range(20):
        value = residual(finish)
        if np.abs(value).max() < 1e-14:
            return finish
        slopes = [(residual(finish + e) - residual(finish - e)) / 2e-6 for e in offsets]
        finish = finish - np.linalg.lstsq(np.array(slopes).T, value, rcond=1e-8)[0]
    raise ArithmeticError(f"no method with {len(recurrence) + 4} stages was found")


def _error_weights(matrix: np.ndarray, weights: np.ndarray) -> tuple[float, ...]:
    """Weights that vanish on trees of order up to three, and are 1/24 on the tall one of four."""
    with_end = np.vstack([np.pad(matrix, ((0, 0), (0, 1))), np.append(weights, 0)])
    last = slice(len(weights) - 4, None)
    conditions = np.array(_elementary_weights(with_end))[:, last]
    direction = np.linalg.svd(conditions)[2][-1]
    tall = direction @ (with_end @ (with_end @ with_end.sum(1)))[last]
    return tuple(float(d) for d in direction / (24 * tall))
