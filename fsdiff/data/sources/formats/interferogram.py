"""Interferograms as radar processors write them: complex numbers without a header.

Pairs (real, imaginary) of little-endian float32, row by row. Nothing says how long a row is, so
that images are square.
"""

import math
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Whole
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import StorageError

SUFFIX = ".int"

PIXEL = np.dtype("<c8")


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The phase φ of a file as ``cosine`` and ``sine``, (y, x), float32; amplitudes are dropped.

    Pixels without a signal, zeros, have phase zero.
    """
    shape = (_side(path),) * 2
    return {
        name: Stored(
            Whole(shape, np.dtype(np.float32), partial(_part, path, function)),
            dimensions=("y", "x"),
        )
        for name, function in {"cosine": np.cos, "sine": np.sin}.items()
    }


def read_interferogram(path: Path) -> np.ndarray:
    """The complex numbers (y, x) of a file, complex64."""
    side = _side(path)
    return np.fromfile(path, PIXEL).reshape(side, side)


def write_interferogram(path: Path, values: np.ndarray) -> None:
    """Write complex numbers (n, n), rounded to complex64."""
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(
            f"an interferogram of shape {values.shape} cannot be told from others by its size; "
            "write a square one"
        )
    with atomic(path) as temporary:
        values.astype(PIXEL).tofile(temporary)


def _side(path: Path) -> int:
    """Pixels per side, by the size of a file."""
    size = path.stat().st_size
    side = math.isqrt(size // PIXEL.itemsize)
    if size == 0 or side**2 * PIXEL.itemsize != size:
        raise StorageError(
            f"{path} has {size} bytes, which is no square image of complex numbers in single "
            "precision: fetch it again, or cut it to a square"
        )
    return side


def _part(path: Path, function: np.ufunc) -> np.ndarray:
    return np.asarray(function(np.angle(read_interferogram(path))), np.float32)
