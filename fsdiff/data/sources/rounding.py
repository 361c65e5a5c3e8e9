"""Whether fields that are read can be rounded to float32, and what that takes of them."""

import logging
from collections.abc import Sequence

import numpy as np

from fsdiff.data.precision import LOSS, NOISE, rounding

logger = logging.getLogger(__name__)


def stored_type(fields: np.ndarray, channels: Sequence[str]) -> np.dtype:
    """float32 or, where that would take too much of a channel, float64; the log says what it takes.

    ``fields`` are a few samples of the data set (sample, time, channel, y, x); missing values count
    for nothing.
    """
    lost = {
        name: max(_lost(frame) for frame in fields[:, :, i].swapaxes(0, 1))
        for i, name in enumerate(channels)
    }
    # All of what is the same wherever it was looked at, and no number of single precision.
    shares = ", ".join(
        f"{format(share, '.1g') if share < 1 else 'all'} of {name}" for name, share in lost.items()
    )
    double = max(lost.values()) > LOSS
    done = "fields stay in float64: float32 would take" if double else "float32 takes"
    logger.info("%s these shares of the channels' deviations: %s", done, shares)
    return np.dtype(np.float64 if double else np.float32)


def warn_of_noise(
    fields: np.ndarray, channels: Sequence[str], types: Sequence[np.dtype], stored: np.dtype
) -> None:
    """Warn of channels that vary by little more than their rounding in files.

    ``fields`` are a few samples of the data set (sample, time, channel, y, x), ``types`` those in
    which files keep the channels. Those of the type in which they are ``stored`` are looked at when
    all samples are there.
    """
    for i, (name, kept) in enumerate(zip(channels, types, strict=True)):
        if kept.kind != "f" or kept.itemsize >= stored.itemsize:
            continue
        frames = fields[:, :, i].swapaxes(0, 1)
        lost = max(_noise(frame, kept) for frame in frames)
        if lost > NOISE:
            logger.warning(
                "channel %s: values in files are %s, the rounding of which is %.2g of their "
                "deviation: what is learned of it is mostly noise; leave it out, or write it in "
                "double precision or without its mean",
                *(name, kept.metadata["name"] if kept.metadata else kept, lost),
            )


def _noise(values: np.ndarray, kept: np.dtype) -> float:
    """The share of their deviation that rounding in files took; none where they are all equal."""
    values = values[np.isfinite(values)].astype(np.float64)
    if values.size == 0 or np.ptp(values) == 0:
        return 0.0
    if kept.metadata:  # bfloat16 has 16 bits less than single precision
        return 2.0**16 * float(rounding(values.mean(), values.std()))
    return float(rounding(values.mean(), values.std(), kept))


def _lost(values: np.ndarray) -> float:
    """The share of their deviation that float32 takes; none where it holds them exactly."""
    values = values[np.abs(values) <= np.finfo(np.float32).max].astype(np.float64)
    if (values == values.astype(np.float32)).all():
        return 0.0
    return float(rounding(values.mean(), values.std()))
