"""The times at which solutions are wanted."""

import math
from collections.abc import Sequence
from itertools import pairwise


def check_times(times: Sequence[float]) -> None:
    """Refuse times that are not finite, do not increase or are before the initial state."""
    increasing = all(a < b for a, b in pairwise(times))
    if not times or not increasing or times[0] < 0 or not math.isfinite(times[-1]):
        raise ValueError(f"times must be finite and increasing, from 0 or later: {list(times)}")
