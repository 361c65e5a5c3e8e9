"""Balances of integral quantities: dA/dt = Σ rates along a solution, 0 = Σ rates in a steady state.

A balance is a data set with the attributes ``long_name`` and ``formula``; see ``evolving`` and
``steady`` for its variables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.interpolate import BSpline, make_interp_spline
from torch import Tensor

INTERIOR = slice(4, -4)
"""The frames at which the derivative of a spline is as accurate as it is between them."""

_DEGREE = 5
"""Of the splines through frames; their integrals are of order six in the distance of frames."""


@dataclass(frozen=True)
class Examination:
    """One sample of a data set, simulated anew, and what its equations say about it.

    ``fields`` has dimensions (time, channel, y, x), or (channel, y, x) for a steady state;
    ``residual``, where it is known, (equation, time) or (equation): the norm of what the solution
    leaves of its equations relative to that of their terms, and other errors of the solution.
    """

    fields: xr.DataArray
    balances: tuple[xr.Dataset, ...]
    residual: xr.DataArray | None = None


def joined(examinations: Sequence[Examination], samples: Sequence[int]) -> Examination:
    """Several samples as one, along a first dimension ``sample``."""
    index = xr.DataArray(list(samples), dims="sample", name="sample")

    def join(items: Sequence[Any]) -> Any:
        return None if items[0] is None else xr.concat(items, index, combine_attrs="override")

    balances = zip(*(item.balances for item in examinations), strict=True)
    return Examination(
        join([item.fields for item in examinations]),
        tuple(map(join, balances)),
        join([item.residual for item in examinations]),
    )


def evolving(
    long_name: str,
    formula: str,
    amount: Tensor,
    rates: Mapping[str, Tensor],
    times: Sequence[float],
    parts: Mapping[str, Tensor] | None = None,
) -> xr.Dataset:
    """The balance of A, given as ``amount`` (time), with the terms of dA/dt, each (time).

    Variables: ``amount``, ``rate(term, time)``, ``change``, which is dA/dt from the frames alone,
    and ``imbalance``, A(t) − A(0) − ∫₀ᵗ Σ rates. Derivative and integral are those of the quintic
    spline through the frames, of which there are six or more. ``parts(part, time)``, if given,
    are what A is the sum of.
    """
    values, terms = amount.numpy(), np.stack([rate.numpy() for rate in rates.values()])
    integral = spline(terms.sum(0), times).antiderivative()(times)
    variables = {
        "amount": ("time", values),
        "rate": (("term", "time"), terms),
        "change": ("time", derivative(values, times)),
        "imbalance": ("time", values - values[0] - integral),
    }
    coordinates = {"term": list(rates), "time": list(times)}
    if parts:
        variables["parts"] = (("part", "time"), np.stack([part.numpy() for part in parts.values()]))
        coordinates["part"] = list(parts)
    return xr.Dataset(variables, coordinates, {"long_name": long_name, "formula": formula})


def steady(long_name: str, formula: str, rates: Mapping[str, float]) -> xr.Dataset:
    """The balance 0 = Σ rates; variables ``rate(term)`` and ``imbalance``, their sum."""
    values = np.array(list(rates.values()))
    variables = {"rate": ("term", values), "imbalance": ((), values.sum())}
    attributes = {"long_name": long_name, "formula": formula}
    return xr.Dataset(variables, {"term": list(rates)}, attributes)


def closure(balance: xr.Dataset) -> xr.DataArray:
    """|imbalance| relative to the turnover Σ |rates|, integrated over all times if there are any.

    Dimensions are those of ``imbalance``.
    """
    turnover = abs(balance["rate"]).sum("term")
    if "time" in turnover.dims:
        turnover = turnover.integrate("time")
    return abs(balance["imbalance"]) / turnover


def frames(end: float, count: int, grading: float) -> tuple[float, ...]:
    """``count`` times from 0 to ``end``, t_j ∝ j^grading: for grading > 1 denser at the start."""
    times = end * (np.arange(count) / (count - 1)) ** grading
    return tuple(times.tolist())


def derivative(values: np.ndarray, times: Sequence[float]) -> np.ndarray:
    """Time derivative of ``values`` (time, …) at the same times; less accurate at both ends."""
    return spline(values, times).derivative()(times)


def spline(values: np.ndarray, times: Sequence[float]) -> BSpline:
    """The quintic spline through ``values`` (time, …) at six or more times."""
    return make_interp_spline(times, values, k=_DEGREE)
