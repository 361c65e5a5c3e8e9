"""Contours of images, and exact distances from them at any place."""

import numpy as np

BLOCK = 2**22
"""Pairs of a place and a segment that are worked on at once."""


def contour(image: np.ndarray, level: float) -> np.ndarray:
    """The polygons at which an image (rows, columns) crosses a level, (segments, 2 ends, (y, x)).

    The image is the function that interpolates its pixels bilinearly between their centres, which
    are at (i + ½)/rows and (j + ½)/columns, and is below the level from the next pixels on, so that
    polygons are closed. Its contour meets the lines between neighbouring centres at one place each;
    these are the corners. Where a cell has four, its value in the middle decides which are joined.
    """
    rows, columns = image.shape
    padded = np.pad(np.asarray(image, np.float64), 1, constant_values=level - 1) - level
    size = np.array([rows, columns])
    segments = _segments(padded) + np.array([-0.5, -0.5])
    return np.asarray(segments / size)


def signed_distance(segments: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distances of places (y, x), arrays of one shape, from closed polygons; negative inside."""
    places = np.stack([y.ravel(), x.ravel()], axis=1)
    size = max(1, BLOCK // len(segments))
    parts = [_signed(segments, places[i : i + size]) for i in range(0, len(places), size)]
    return np.concatenate(parts).reshape(y.shape)


def enclosed_area(segments: np.ndarray) -> float:
    """The area inside closed polygons, whose segments all run the same way around it."""
    (y0, x0), (y1, x1) = segments[:, 0].T, segments[:, 1].T
    return float(0.5 * (x0 * y1 - x1 * y0).sum())


def _signed(segments: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of places (count, 2)."""
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    offset = places[:, None] - start
    squared = np.square(along).sum(1)
    share = ((offset * along).sum(-1) / np.where(squared > 0, squared, 1.0)).clip(0, 1)
    distance = np.sqrt(np.square(offset - share[..., None] * along).sum(-1).min(1))
    # A line to the right crosses the polygons an odd number of times from inside.
    rises = np.where(along[:, 0] == 0, 1.0, along[:, 0])
    reached = offset[..., 1] < along[:, 1] * (offset[..., 0] / rises)
    between = (offset[..., 0] >= 0) != (offset[..., 0] >= along[:, 0])
    inside = (reached & between).sum(1) % 2 == 1
    return np.where(inside, -distance, distance)


def _segments(values: np.ndarray) -> np.ndarray:
    """Segments in units of pixels between neighbouring nodes of ``values``, high ones to the left.

    A cell's corners and edges are counted around it: edge i goes from corner i to corner i + 1.
    """
    corners = np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]])
    following = np.roll(corners, -1, axis=0)
    high = corners > 0
    leaves, enters = high & ~(following > 0), ~high & (following > 0)
    difference = np.where(leaves | enters, corners - following, 1.0)
    share = np.where(leaves | enters, corners / difference, 0.0)
    y, x = np.indices(corners.shape[1:])
    crossing = np.stack(
        [
            np.stack([y + 0 * share[0], x + share[0]], -1),
            np.stack([y + share[1], x + 1 + 0 * share[1]], -1),
            np.stack([y + 1 + 0 * share[2], x + 1 - share[2]], -1),
            np.stack([y + 1 - share[3], x + 0 * share[3]], -1),
        ]
    )
    found = []
    middle_high = corners.mean(0) > 0
    saddle = leaves.sum(0) == 2
    for edge in range(4):
        for step in (1, 2, 3):
            other = (edge + step) % 4
            joined = leaves[edge] & enters[other]
            # Of two that enter, it is the next one around a low corner, or the one before.
            joined &= ~saddle | ((step == 1) == middle_high) & (step != 2)
            found.append(np.stack([crossing[edge][joined], crossing[other][joined]], 1))
    return np.concatenate(found)
