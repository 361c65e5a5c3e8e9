"""Signed distances: those of circles and rectangles in closed form, the same on every grid."""

import numpy as np
import pytest
import torch

from fsdiff.data.contours import contour, enclosed_area, signed_distance
from fsdiff.data.sources.digit_distances import DigitDistanceData
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis()


def nodes(n):
    """Coordinates (y, x) of the nodes of a grid."""
    return np.meshgrid(*BASIS.axis_nodes(n), indexing="ij")


def disc(n, radius=0.3):
    """An image whose values fall linearly across a circle around (0.5, 0.45)."""
    y, x = nodes(n)
    return radius - np.hypot(y - 0.5, x - 0.45)


def distance_from_disc(n, radius=0.3):
    return -disc(n, radius)


def test_distances_from_a_disc_are_second_order_in_the_pixels():
    errors = []
    for pixels in (14, 28, 56):
        found = signed_distance(contour(disc(pixels), 0.0), *nodes(25))
        errors.append(np.abs(found - distance_from_disc(25)).max())
    assert errors[-1] < 1e-3
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_the_area_inside_is_that_of_the_disc():
    segments = contour(disc(56), 0.0)
    assert enclosed_area(segments) == pytest.approx(np.pi * 0.09, rel=2e-3)
    share = (signed_distance(segments, *nodes(100)) < 0).mean()
    assert share == pytest.approx(enclosed_area(segments), abs=3e-3)


def rectangle(y, x):
    """Distance from the rectangle [0.2, 0.7] × [0.35, 0.6] in (y, x), negative inside."""
    out_y, out_x = np.abs(y - 0.45) - 0.25, np.abs(x - 0.475) - 0.125
    outside = np.hypot(np.maximum(out_y, 0), np.maximum(out_x, 0))
    return outside + np.minimum(np.maximum(out_y, out_x), 0)


def test_distances_from_a_polygon_are_exact():
    corners = np.array([[0.2, 0.35], [0.2, 0.6], [0.7, 0.6], [0.7, 0.35]])
    segments = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    y, x = nodes(37)
    np.testing.assert_allclose(signed_distance(segments, y, x), rectangle(y, x), atol=1e-14)
    assert enclosed_area(segments) == pytest.approx(0.5 * 0.25)


def test_contours_are_closed_whatever_the_image():
    noise = np.random.default_rng(0).random((30, 20))
    segments = contour(noise, 0.5)
    starts, ends = (sorted(map(tuple, segments[:, i].round(9).tolist())) for i in (0, 1))
    assert starts == ends


def test_a_saddle_is_joined_as_its_middle_says():
    for middle, areas in ((0.9, 1), (-0.9, 2)):
        # Two high corners of a cell, across from each other: one region or two.
        image = np.full((4, 4), -1.0)
        image[1, 1] = image[2, 2] = 1.0 + middle
        image[1, 2] = image[2, 1] = -1.0 + middle * 0.5
        inside = signed_distance(contour(image, 0.0), *nodes(400)) < 0
        from scipy.ndimage import label

        assert label(inside)[1] == areas


def test_high_values_at_the_border_are_closed_beyond_it():
    segments = contour(np.ones((4, 4)), 0.0)
    assert enclosed_area(segments) > 0
    assert signed_distance(segments, np.array([0.5]), np.array([0.5]))[0] < 0


@pytest.fixture(scope="module")
def digits():
    """The same four digits on two grids, and as they are published."""
    made = {}
    for name, options in {
        "coarse": {"resolution": 32},
        "fine": {"resolution": 96},
        "pixel": {"resolution": 32, "method": "pixel"},
    }.items():
        source = DigitDistanceData(**options)
        made[name] = source.generate([0, 1, 2, 3], 0)["field"].values[:, 0]
    return made


def test_the_same_function_is_evaluated_on_every_grid(digits):
    # Nodes of 32 per axis are every third of 96, from the second on.
    np.testing.assert_array_equal(digits["coarse"], digits["fine"][:, 1::3, 1::3])


def test_slopes_are_one(digits):
    fine = digits["fine"]
    across = 0.5 * (np.diff(fine, axis=1)[:, :, 1:] + np.diff(fine, axis=1)[:, :, :-1])
    along = 0.5 * (np.diff(fine, axis=2)[:, 1:] + np.diff(fine, axis=2)[:, :-1])
    assert np.median(np.abs(96 * np.hypot(across, along) - 1)) < 0.02


def test_distances_in_pixels_jump_by_two_at_the_outline(digits):
    pixel = digits["pixel"] * 32
    assert np.abs(pixel).min() == 1
    sides = np.sign(pixel[:, :, 1:]) != np.sign(pixel[:, :, :-1])
    assert (np.abs(np.diff(pixel, axis=2))[sides] == 2).all()
    # The exact ones go through zero in steps of at most one spacing.
    assert np.abs(np.diff(digits["coarse"] * 32, axis=2)).max() <= 1 + 1e-5


def test_distances_in_pixels_are_the_same_function_on_every_grid(digits):
    enlarged = DigitDistanceData(resolution=64, method="pixel").generate([0, 1, 2, 3], 0)
    coarse = BASIS.restrict(torch.from_numpy(enlarged["field"].values[:, 0]), 32)
    np.testing.assert_allclose(coarse.numpy(), digits["pixel"], atol=1e-6)
    other = DigitDistanceData(resolution=64, method="pixel", pixels=64).generate([0], 0)
    assert np.abs(other["field"].values * 64).min() == 1


def test_far_distances_are_cut_off():
    near = DigitDistanceData(resolution=16, clip=0.1).generate([0], 0)["field"].values
    assert np.abs(near).max() == pytest.approx(0.1)


def test_images_without_an_outline_are_refused():
    source = DigitDistanceData(resolution=8)
    with pytest.raises(StorageError, match="so no outline where it is"):
        source.evaluate(np.zeros((1, 28, 28)))
