"""How precisely fields are stored: what rounding takes must be little beside their deviation."""

import numpy as np
from numpy.typing import ArrayLike

LOSS = 1e-4
"""The share of a channel's deviation that rounding may take."""

NOISE = 0.05
"""The share of a channel's deviation from which on its rounding is no longer a detail."""


def rounding(mean: ArrayLike, scale: ArrayLike, kind: np.dtype | type = np.float32) -> np.ndarray:
    """The largest rounding error of numbers mean ± scale of this type, as a share of the scale.

    Infinite where the scale is zero, NaN where the numbers are beyond the type's range.
    """
    size = np.abs(mean) + np.asarray(scale, np.float64)
    with np.errstate(all="ignore"):
        return np.spacing(size.astype(kind)).astype(np.float64) / 2 / scale


def sufficient_type(mean: ArrayLike, scale: ArrayLike) -> np.dtype:
    """The type for channels of these means and scales: float32, or float64 where any needs it."""
    lost = rounding(mean, scale) > LOSS
    return np.dtype(np.float64 if np.any(lost) else np.float32)
