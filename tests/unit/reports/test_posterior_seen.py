"""What observations show: values at places, images with blank parts, functions of few modes."""

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.membrane import Membrane
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.frames import Frames
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import GridOfPoints, Points
from fsdiff.inverse.observations.several import Several
from fsdiff.reports.plotting.posteriors.places import in_nodes
from fsdiff.reports.posteriors.seen import Dots, Elsewhere, Image, frames_seen, seen
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Axis, Box

PLANE = CosineBasis(2)
TIME = Box(
    axes=(
        Axis(kind="neumann", name="t", nodes=4, side=2.0, held=True),
        Axis(kind="periodic", name="x", nodes=5),
    )
)


def field(channels=1, n=8):
    return torch.from_numpy(np.random.default_rng(0).standard_normal((channels, n, n)))


def shown(operator, u, basis=PLANE):
    """What is seen of a field without noise."""
    channels, n = len(u), basis.resolution(u)
    data = operator.on(basis, channels, n).forward(u).numpy()
    return seen(operator, basis, channels, data, n)


def test_sensors_are_dots_with_their_noise():
    found = shown(Points(points=((0.25, 0.75), (0.5, 0.5)), noise=0.1), field(2))
    assert sorted(found) == [0, 1]
    (dots,) = found[1]
    np.testing.assert_array_equal(dots.places, [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_array_equal(dots.deviation, [0.1, 0.1])
    assert not dots.foreign


def test_a_mask_leaves_the_rest_of_the_image_blank():
    u = field()
    (image,) = shown(Mask(resolution=8, share=0.25, noise=0.1), u)[0]
    known = ~np.isnan(image.values)
    assert known.sum() == 16
    np.testing.assert_allclose(image.values[known], u[0].numpy()[known], atol=1e-12)


def test_averages_are_an_image_of_their_own_size_and_dots_on_a_line():
    u = field()
    (image,) = shown(Averages(resolution=4), u)[0]
    means = u[0].reshape(4, 2, 4, 2).mean((1, 3)).numpy()
    # Means of the series over cells, not of nodes: near, as the field is no smooth one.
    assert np.corrcoef(image.values.ravel(), means.ravel())[0, 1] > 0.95
    (dots,) = shown(Averages(resolution=4), field()[:, 0], CosineBasis(1))[0]
    np.testing.assert_allclose(dots.places[:, 0], [0.125, 0.375, 0.625, 0.875])


def test_frames_are_those_that_are_seen():
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 4, 5)))
    (image,) = shown(Frames(resolution=5, frames=(0, 2)), u, TIME)[0]
    np.testing.assert_allclose(image.values[[0, 2]], u[0, [0, 2]], atol=1e-12)
    assert np.isnan(image.values[[1, 3]]).all()


def test_modes_show_the_function_that_has_them():
    """The orthogonal projection of the field."""
    u = field()
    (image,) = shown(Modes(highest=2.0), u)[0]
    coefficients = PLANE.forward(u[0])
    coefficients[PLANE.wavenumber(8) > 2.0] = 0
    np.testing.assert_allclose(image.values, PLANE.inverse(coefficients, 8), atol=1e-12)


def test_one_channel_of_two_and_several_at_once():
    u = field(2)
    points = Points(points=((0.5, 0.5),), noise=0.1)
    of_second = Channel(channel=1, observation=points)
    assert list(shown(of_second, u)) == [1]
    both = Several(observation=(of_second, Mask(resolution=8, share=1.0)))
    found = shown(both, u)
    assert [type(item) for item in found[1]] == [Dots, Image]
    (image,) = found[0]
    np.testing.assert_allclose(image.values, u[0], atol=1e-12)
    np.testing.assert_allclose(found[1][0].values, shown(points, u[1:])[0][0].values)


def test_what_maps_give_is_of_another_quantity():
    sensors = GridOfPoints(shape=(2, 2))
    pressure = Mapped(map=DarcySensors(sensors=sensors), noise=0.01)
    (dots,) = seen(pressure, PLANE, 1, np.arange(4.0), 8)[0]
    assert dots.foreign
    np.testing.assert_allclose(dots.places, sensors.coordinates(PLANE))
    (nowhere,) = seen(Mapped(map=Membrane(), noise=0.05), PLANE, 1, np.arange(169.0), 8)[0]
    assert isinstance(nowhere, Elsewhere)
    np.testing.assert_array_equal(nowhere.values, np.arange(169))


def test_frames_are_found_in_what_has_them():
    frames = Frames(resolution=5, frames=(0,))
    assert frames_seen(frames) is frames
    nested = Several(observation=(Modes(highest=1.0), Channel(channel=0, observation=frames)))
    assert frames_seen(nested) is frames
    assert frames_seen(Modes(highest=1.0)) is None


@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)])
def test_nodes_are_counted_from_the_first(basis):
    (nodes,) = basis.axis_nodes(8)
    np.testing.assert_allclose(in_nodes(nodes[:, None], basis, 8)[:, 0], np.arange(8), atol=1e-9)


def test_places_between_nodes_and_beyond_the_last():
    """Cell centres have half a cell beside the walls; what is behind the last cell of a period is
    in the first."""
    x = np.array([[0.0], [0.25], [1.0]])
    np.testing.assert_allclose(in_nodes(x, CosineBasis(1), 8)[:, 0], [-0.5, 1.5, 7.5])
    x = np.array([[0.0], [0.1], [0.9], [0.95]])
    np.testing.assert_allclose(in_nodes(x, FourierBasis(1), 8)[:, 0], [0, 0.8, 7.2, -0.4])
