"""Pictures, PNG or JPEG: brightness or colours between 0 and 1."""

from contextlib import ExitStack
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Whole
from fsdiff.jobs.failures import StorageError

BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")

GREY, COLOURS = ("brightness",), ("red", "green", "blue")

GREY_MODES = {"1": 255, "L": 255, "LA": 255, "I;16": 65535, "I;16B": 65535, "I": 65535}
"""How Pillow keeps pictures without colours, and what is white there."""

DEPTH = 24
"""Where a PNG says how many bits its numbers have."""

ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)
"""The tag that says how a camera was held, and where rows are columns then."""


def is_picture(path: Path) -> bool:
    """Whether a file begins as pictures do."""
    with path.open("rb") as file:
        return file.read(8).startswith(BEGINNINGS)


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """``brightness``, or ``red``, ``green`` and ``blue``, (y, x), float32, the bottom row first."""
    with Image.open(path) as picture:
        _check_depth(path, picture)
        width, height = picture.size
        if picture.getexif().get(ORIENTATION) in TURNED:
            width, height = height, width
        names = GREY if picture.mode in GREY_MODES else COLOURS
    return {
        name: Stored(
            Whole((height, width), np.dtype(np.float32), partial(_channel, path, number)),
            dimensions=("y", "x"),
        )
        for number, name in enumerate(names)
    }


def _channel(path: Path, number: int) -> np.ndarray:
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)[..., number]


@lru_cache(maxsize=1)
def _read(path: Path, *_: int) -> np.ndarray:
    """All channels (y, x, channel) of a file, which are read one after the other."""
    with Image.open(path) as stored:
        picture = ImageOps.exif_transpose(stored)
    if picture.has_transparency_data and _alpha(picture) < 255:
        raise StorageError(f"{path} is transparent in places: lay it on a background first")
    white = GREY_MODES.get(picture.mode, 255)
    if white == 255:
        picture = picture.convert("L" if picture.mode in GREY_MODES else "RGB")
    values = np.asarray(picture, np.float64)[::-1] / white
    return np.atleast_3d(values).astype(np.float32)


def _check_depth(path: Path, picture: Image.Image) -> None:
    """Refuse PNGs of which Pillow would keep the upper half of 16 bits."""
    with path.open("rb") as file:
        header = file.read(DEPTH + 1)
    deep = header.startswith(BEGINNINGS[0]) and header[DEPTH] == 16
    if deep and picture.mode not in GREY_MODES:
        raise StorageError(
            f"{path} has 16 bits for each colour, or beside opacity, of which 8 would be lost: "
            "write it as an array, or as a grey picture for each colour"
        )


def _alpha(picture: Image.Image) -> int:
    """The least opacity of a pixel."""
    return int(np.asarray(picture.convert("RGBA"))[..., 3].min())
