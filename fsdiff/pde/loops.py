"""The inner loops of the reaction–diffusion solver, compiled by numba: one pass over memory each.

Every operation is rounded as torch rounds it on processors with fused multiply–add, so that results
are the same to the bit; whether they are is for the caller to try. Needs the extra ``fast``.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

BLOCK = 1024
"""Numbers of each array that are worked on at a time."""

MOST_TERMS = 6
"""Of a weighted sum."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled when first called, and kept for other processes where there is a place for it."""
    settings = {"error_model": "numpy"}
    try:
        return numba.njit(cache=True, **settings)(function)
    except RuntimeError:  # neither the package's folder nor the user's may be written to
        return numba.njit(**settings)(function)


def _multiply_add(context: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """a·b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        of_it = ir.FunctionType(kind, [kind, kind, kind])
        return builder.call(builder.module.declare_intrinsic("llvm.fma", [kind], of_it), arguments)

    return a(a, a, a), generate


_fma = intrinsic(_multiply_add)


def _cell(
    u: Any, v: Any, around_u: Any, around_v: Any, constants: tuple[Any, ...]
) -> tuple[Any, Any]:
    """(u_t, v_t) of a cell, whose neighbours add up to ``around_u`` and ``around_v``."""
    exchange_u, exchange_v, minus_k, minus_growth, minus_decay = constants
    reaction = _fma(u, _fma(u, u, minus_growth), v)
    u_t = _fma(around_u, exchange_u, minus_k) - reaction
    return u_t, _fma(around_v, exchange_v, _fma(v, minus_decay, u))


def _mixed(before: Any, after: Any, weight: Any) -> Any:
    """before + weight (after − before), as ``torch.lerp`` has it."""
    if abs(weight) < 0.5:
        return _fma(weight, after - before, before)
    return _fma(-(after - before), 1 - weight, after)


def _fill_ghosts(state: np.ndarray, n_y: int, n_x: int) -> None:
    """Cells beyond the walls repeat those inside."""
    row, last = n_x + 2, (n_y + 1) * (n_x + 2)
    for k in range(2):
        for first in range(row, last, row):
            state[k, first] = state[k, first + 1]
            state[k, first + n_x + 1] = state[k, first + n_x]
        for j in range(row):
            state[k, j] = state[k, row + j]
            state[k, last + j] = state[k, last - row + j]


def _around(species: np.ndarray, first: int, row: int, cells: int) -> tuple[np.ndarray, ...]:
    """A row of cells of one species, and those west, north, south and east of them.

    Indices then count from 0, and compilers make vectors of the loop.
    """
    return (
        species[first : first + cells],
        species[first - 1 : first - 1 + cells],
        species[first + row : first + row + cells],
        species[first - row : first - row + cells],
        species[first + 1 : first + 1 + cells],
    )


_cell, _mixed, _fill_ghosts, _around = (
    numba.njit(inline="always")(function) for function in (_cell, _mixed, _fill_ghosts, _around)
)


def _derivative(
    state: np.ndarray, out: np.ndarray, n_y: int, n_x: int, constants: tuple[Any, ...]
) -> None:
    row = n_x + 2
    for first in range(row + 1, (n_y + 1) * row, row):
        u, u_west, u_north, u_south, u_east = _around(state[0], first, row, n_x)
        v, v_west, v_north, v_south, v_east = _around(state[1], first, row, n_x)
        u_out, v_out = out[0, first : first + n_x], out[1, first : first + n_x]
        for j in range(n_x):
            around_u = (u_west[j] + u_north[j]) + (u_south[j] + u_east[j])
            around_v = (v_west[j] + v_north[j]) + (v_south[j] + v_east[j])
            u_out[j], v_out[j] = _cell(u[j], v[j], around_u, around_v, constants)
    _fill_ghosts(out, n_y, n_x)


def _stage(
    before: np.ndarray,
    state: np.ndarray,
    out: np.ndarray,
    weight: Any,
    change: Any,
    n_y: int,
    n_x: int,
    constants: tuple[Any, ...],
) -> None:
    row = n_x + 2
    for first in range(row + 1, (n_y + 1) * row, row):
        u, u_west, u_north, u_south, u_east = _around(state[0], first, row, n_x)
        v, v_west, v_north, v_south, v_east = _around(state[1], first, row, n_x)
        u_out, v_out = out[0, first : first + n_x], out[1, first : first + n_x]
        u_old, v_old = before[0, first : first + n_x], before[1, first : first + n_x]
        for j in range(n_x):
            around_u = (u_west[j] + u_north[j]) + (u_south[j] + u_east[j])
            around_v = (v_west[j] + v_north[j]) + (v_south[j] + v_east[j])
            u_t, v_t = _cell(u[j], v[j], around_u, around_v, constants)
            u_out[j] = _fma(u_t, change, _mixed(u_old[j], u[j], weight))
            v_out[j] = _fma(v_t, change, _mixed(v_old[j], v[j], weight))
    _fill_ghosts(out, n_y, n_x)


def _add(out: np.ndarray, term: np.ndarray, weight: Any) -> None:
    for j in range(len(out)):
        out[j] = _fma(term[j], weight, out[j])


_add = numba.njit(inline="always")(_add)


def _combine(
    count: int,
    weights: np.ndarray,
    one: np.ndarray,
    two: np.ndarray,
    three: np.ndarray,
    four: np.ndarray,
    five: np.ndarray,
    six: np.ndarray,
    out: np.ndarray,
) -> None:
    # A block at a time, which stays in the processor's fastest cache.
    for first in range(0, len(out), BLOCK):
        last = min(first + BLOCK, len(out))
        there, start = out[first:last], one[first:last]
        for j in range(len(there)):
            there[j] = start[j] * weights[0]
        if count > 1:
            _add(there, two[first:last], weights[1])
        if count > 2:
            _add(there, three[first:last], weights[2])
        if count > 3:
            _add(there, four[first:last], weights[3])
        if count > 4:
            _add(there, five[first:last], weights[4])
        if count > 5:
            _add(there, six[first:last], weights[5])


combine = _compiled(_combine)
"""Write the weighted sum of the first ``count`` of six flat arrays into another one."""

derivative = _compiled(_derivative)
"""Write the derivative of a flat state (2, (n_y + 2)(n_x + 2)) into another one."""

stage = _compiled(_stage)
"""Write before + weight (state − before) + change · derivative of the state into another one."""
