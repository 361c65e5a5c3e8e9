"""Splines along an axis that do at its ends what the functions of the axis do."""

import numpy as np
from torch import Tensor, from_numpy

from fsdiff.spaces.axes import Axis


def spline_matrix(axis: Axis, places: np.ndarray, others: np.ndarray, degree: int) -> Tensor:
    """The matrix (others, places) from values at places to their interpolating spline at others.

    Places, increasing, and others are physical coordinates in [0, side]. The spline has ``degree``
    1 or 3. It is periodic, or goes on beyond walls as an even function (neumann) or an odd one
    (dirichlet), so that smooth functions of the axis are met to second and fourth order up to the
    walls, and those of degree 1 have no values beyond those that they interpolate (and zero, on
    dirichlet walls). Float64.
    """
    from scipy.interpolate import CubicSpline  # a second that only those pay who need it

    if degree not in (1, 3):
        raise ValueError(f"degree = {degree}: use 1 or 3")
    known, values = _continued(axis, np.asarray(places, dtype=np.float64))
    period = known[-1] - known[0]
    at = known[0] + np.mod(others - known[0], period)
    if degree == 3:
        return from_numpy(CubicSpline(known, values, bc_type="periodic")(at))
    after = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    share = ((at - known[after - 1]) / (known[after] - known[after - 1]))[:, None]
    return from_numpy((1 - share) * values[after - 1] + share * values[after])


def _continued(axis: Axis, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places over one period, its end included, and what values there are of those at places."""
    own = np.eye(len(places))
    if not axis.periodic:
        sign = -1.0 if axis.kind == "dirichlet" else 1.0
        places = np.concatenate([places, 2 * axis.side - places[::-1]])
        own = np.concatenate([own, sign * own[::-1]])
    period = axis.side if axis.periodic else 2 * axis.side
    return np.append(places, places[0] + period), np.concatenate([own, own[:1]])
