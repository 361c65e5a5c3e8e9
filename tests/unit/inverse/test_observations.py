"""What is observed of functions: adjoints, the same on all grids, noise that is reproducible."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from fsdiff import parts
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.frames import Frames
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import GridOfPoints, Points, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.observations.some import Some
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.kernel import Matern
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.masks import Mask as Gaps

CHANNELS = 2

OBSERVATIONS = {
    "random_points": RandomPoints(number=7),
    "mask": Mask(resolution=8, share=0.3),
    "blocks": Mask(resolution=12, share=0.5, block=4),
    "averages": Averages(resolution=4),
    "blur": LowPass(resolution=6, width=0.1),
    "projection": LowPass(resolution=6),
    "modes": Modes(highest=2.5),
    "channel": Channel(channel=1, observation=RandomPoints(number=7)),
    "several": Several(observation=(RandomPoints(number=3), Averages(resolution=3))),
    "some": Some(observation=RandomPoints(number=7), data=(5, 0, 9)),
}


@pytest.fixture(params=OBSERVATIONS.values(), ids=OBSERVATIONS)
def observation(request, any_basis):
    """All kinds, for all bases."""
    if request.param.kind == "modes" and isinstance(any_basis, ChannelBasis):
        pytest.skip("channels have different modes")
    return request.param


def functions(basis, n, count=2, seed=0):
    """Smooth random functions of two channels."""
    return Bessel(power=1.5).sample(basis, n, range(count), seed, channels=CHANNELS)


def dot(basis, u, v):
    """The inner product, summed over channels."""
    return (u * v).sum(-1 - basis.dimension).mean(basis.grid_axes())


def test_adjoint(observation, any_basis):
    """⟨H u, v⟩ = ⟨u, H* v⟩."""
    observed = observation.on(any_basis, CHANNELS, 12)
    u = functions(any_basis, 12)
    v = torch.randn(2, observed.size, generator=torch.Generator().manual_seed(0)).double()
    left, right = (observed.forward(u) * v).sum(-1), dot(any_basis, u, observed.vjp(u, v))
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


def test_a_function_is_observed_alike_on_all_grids(observation, any_basis):
    """H on a coarse grid is the restriction of H on a finer one."""
    u = functions(any_basis, 8)
    coarse = observation.on(any_basis, CHANNELS, 8).forward(u)
    fine = observation.on(any_basis, CHANNELS, 24).forward(any_basis.prolong(u, 24))
    torch.testing.assert_close(coarse, fine, rtol=1e-11, atol=1e-11)


def test_noise_depends_on_seed_and_index_only(any_basis):
    """The same whatever the grid, and the other cases; with the deviation that is asked for."""
    observation = RandomPoints(number=5, noise=(0.1, 0.2, 0.3, 0.4, 0.5))
    u = functions(any_basis, 8, count=3)
    y = observation.draw(u, any_basis, 4, [0, 1, 2])
    exact = observation.on(any_basis, CHANNELS, 8).forward(u)
    fine = observation.draw(any_basis.prolong(u, 16)[1:2], any_basis, 4, [1])
    torch.testing.assert_close(fine[0], y[1], rtol=1e-11, atol=1e-11)
    noiseless = RandomPoints(number=5).draw(u, any_basis, 4, [0, 1, 2])
    torch.testing.assert_close(noiseless, exact)
    ratio = (y - exact) / torch.tensor(observation.noise * CHANNELS)
    unit = RandomPoints(number=5, noise=1.0).draw(u, any_basis, 4, [0, 1, 2]) - exact
    torch.testing.assert_close(ratio, unit)
    assert not torch.allclose(unit[0], unit[1])


def test_values_at_nodes_are_nodal_values(any_basis):
    """A mask on the grid of the field picks its values."""
    u = functions(any_basis, 12)
    mask = Mask(resolution=12, share=0.4)
    expected = u.flatten(2)[..., torch.from_numpy(mask.kept(any_basis))].flatten(1)
    found = mask.on(any_basis, CHANNELS, 12).forward(u)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_values_between_nodes_are_those_of_the_series():
    """cos 3πx in 1-D, sines beside complex exponentials in 2-D."""
    places = np.array([0.0, 0.123, 0.5, 0.987])
    x = torch.from_numpy(CosineBasis(1).nodes(8))
    u = torch.cos(3 * np.pi * x)[None]
    found = Points(points=[(p,) for p in places]).on(CosineBasis(1), 1, 8).forward(u)
    np.testing.assert_allclose(found, np.cos(3 * np.pi * places), atol=1e-12)
    box = Box(
        axes=(
            Axis(kind="dirichlet", name="y", nodes=8, side=0.5),
            Axis(kind="periodic", name="x", nodes=16, side=2.0),
        )
    )

    def function(y, x):
        return np.sin(2 * np.pi * 2 * y) * (1 + np.sin(np.pi * x * 3) - 0.3 * np.cos(np.pi * x))

    nodes = np.meshgrid(*box.axis_nodes(16), indexing="ij")
    points = [(0.1, 1.9), (0.33, 0.01), (0.5, 2.0), (0.0, 0.7)]
    field = torch.from_numpy(function(*nodes))[None]
    found = Points(points=points).on(box, 1, 16).forward(field)
    np.testing.assert_allclose(found, [function(*p) for p in points], atol=1e-12)


@pytest.mark.parametrize("basis", [CosineBasis(1), SineBasis(1), FourierBasis(1)])
def test_averages_are_integrals(basis):
    """Means over thirds of the side, by quadrature of values at points."""
    u = functions(basis, 8, count=1)[:, :1]

    def value(x):
        return float(Points(points=[(x,)]).on(basis, 1, 8).forward(u))

    edges = np.linspace(0, 1, 4)
    means = [3 * quad(value, a, b, epsabs=1e-10)[0] for a, b in pairwise(edges)]
    found = Averages(resolution=3).on(basis, 1, 8).forward(u)[0]
    np.testing.assert_allclose(found, means, atol=1e-9)


def test_blur_multiplies_modes(any_basis):
    """exp(−½ width² |ω|²) of the modes of the coarse grid, along refined axes."""
    u = functions(any_basis, 12)
    width = 0.07
    coarse = any_basis.restrict(u, 6)
    omega = any_basis.wavenumber(6) * any_basis.angular_frequency()
    expected = any_basis.multiply(coarse, torch.exp(-0.5 * (width * omega) ** 2))
    found = LowPass(resolution=6, width=width).on(any_basis, CHANNELS, 12).forward(u)
    torch.testing.assert_close(found, expected.flatten(1), rtol=1e-11, atol=1e-11)


def test_modes_are_orthonormal_coefficients(any_basis):
    """All modes of a grid have the energy of the field; some have that of their wavenumbers."""
    if isinstance(any_basis, ChannelBasis):
        any_basis = any_basis.bases[0]
    u = functions(any_basis, 12)
    found = Modes(highest=2.5).on(any_basis, CHANNELS, 12).forward(u)
    low = any_basis.wavenumber(12) <= 2.5 + 1e-9
    energy = (any_basis.energy(u) * low).sum((1, *any_basis.grid_axes()))
    torch.testing.assert_close(found.square().sum(-1), energy)


def test_frames_are_all_nodes_at_some_times():
    basis = Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=4, held=True),
            Axis(kind="periodic", name="x", nodes=12),
        )
    )
    u = functions(basis, 12)
    frames = Frames(resolution=12, frames=(0, 2))
    found = frames.on(basis, CHANNELS, 12).forward(u)
    torch.testing.assert_close(found, u[:, :, [0, 2]].flatten(1), rtol=1e-11, atol=1e-11)
    with pytest.raises(ValueError, match="frames: 7 is none of those along t, 0 to 3"):
        Frames(resolution=12, frames=(0, 7)).on(basis, 1, 12)
    with pytest.raises(ValueError, match="axis = time: there is none; the axes are t, x"):
        Frames(resolution=12, frames=(0,), axis="time").on(basis, 1, 12)


def test_blocks_are_kept_whole_and_at_all_times():
    """Shares of blocks are exact, and the same places are seen in all frames."""
    square = Mask(resolution=12, share=0.5, block=3).kept(CosineBasis(2))
    kept = np.zeros((12, 12), bool)
    kept.flat[square] = True
    blocks = kept.reshape(4, 3, 4, 3).mean((1, 3))
    assert set(blocks.flat) == {0.0, 1.0}
    assert blocks.sum() == 8
    series = Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=3, held=True),
            Axis(kind="periodic", name="x", nodes=12),
        )
    )
    seen = np.zeros((3, 12), bool)
    seen.flat[Mask(resolution=12, share=0.25).kept(series)] = True
    assert (seen == seen[0]).all()
    assert seen[0].sum() == 3


def test_points_on_an_interval_of_points():
    """On a Gram basis functions are evaluated by Nyström's extension; its adjoint is weighted."""
    basis = GramBasis(points=(0.1, 0.2, 0.45, 0.7, 0.95), covariance=Matern(length=0.3))
    sensors = Points(points=[(0.2,), (0.6,)])
    observed = sensors.on(basis, 1, 5)
    u = torch.randn(3, 1, 5, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(observed.forward(u), basis.evaluate(u, [0.2, 0.6])[:, 0])
    v = torch.tensor([[1.0, -2.0]]).double()
    weights = torch.from_numpy(basis.weights())
    left = (observed.forward(u) * v).sum(-1)
    torch.testing.assert_close(left, (weights * u * observed.adjoint(v)).sum((-2, -1)))
    with pytest.raises(ValueError, match="observed at points or by their modes"):
        Averages(resolution=5).on(basis, 1, 5)


@pytest.mark.parametrize(("highest", "count"), [(2, 3), (4.5, 5), (99, 5)])
def test_modes_on_an_interval_of_points(highest, count):
    """Coefficients of eigenfunctions, with noise that counts as many; the adjoint is weighted."""
    basis = GramBasis(points=(0.1, 0.2, 0.45, 0.7, 0.95), covariance=Matern(length=0.3))
    modes = Modes(highest=highest, noise=0.1)
    observed = modes.on(basis, CHANNELS, 5)
    assert observed.size == len(modes.deviations(basis, CHANNELS)) == CHANNELS * count
    random = torch.Generator().manual_seed(0)
    u = torch.randn(3, CHANNELS, 5, generator=random).double()
    v = torch.randn(3, observed.size, generator=random).double()
    torch.testing.assert_close(observed.forward(u), basis.forward(u)[..., :count].flatten(1))
    weighted = torch.from_numpy(basis.weights()) * u * observed.adjoint(v)
    torch.testing.assert_close((observed.forward(u) * v).sum(-1), weighted.sum((-2, -1)))


def test_of_one_channel_there_is_no_range():
    with pytest.raises(ValueError, match="channel = 1: fields have one, 0"):
        Channel(channel=1, observation=RandomPoints()).on(CosineBasis(2), 1, 8)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (Points(points=[(0.5, 0.5), (0.5, 1.5)]), "x = 1.5 is outside of the box"),
        (Points(points=[(0.5,)]), "give 2 coordinates for each, y, x"),
        (GridOfPoints(shape=(3,)), "give 2 numbers, one for each axis"),
        (Channel(channel=2, observation=RandomPoints()), "fields have 2, counted from 0 to 1"),
        (Points(points=[(0.5, np.nan)]), "x = nan is outside of the box"),
        (RandomPoints(number=3, noise=(0.1, 0.2)), "2 numbers for 3 data of a channel"),
    ],
)
def test_what_does_not_exist_is_not_observed(observation, message):
    with pytest.raises(ValueError, match=message):
        observation.draw(functions(CosineBasis(2), 8), CosineBasis(2), 0, [0, 1])


def test_sensors_in_physical_coordinates():
    """A grid of sensors divides each side evenly; fewer random ones are the first of more."""
    box = Box(axes=(Axis(kind="neumann", name="x", nodes=8, side=3.0),))
    np.testing.assert_allclose(GridOfPoints(shape=(2,)).coordinates(box), [[1.0], [2.0]])
    few, many = (RandomPoints(number=k, seed=1).coordinates(box) for k in (3, 9))
    np.testing.assert_array_equal(few, many[:3])
    assert many.max() > 1


def test_observations_are_parts():
    """Blocks make them, nested ones too, and describe them."""
    for observation in OBSERVATIONS.values():
        assert parts.build("observation", parts.described(observation)) == observation
    assert parts.kinds("observation").keys() >= {"points", "mask", "channel", "several", "frames"}


def test_places_in_coordinates_of_data_are_those_of_the_box():
    """Latitudes that fall, longitudes all around, and levels at uneven heights."""
    box = Box(
        axes=(
            Axis(kind="neumann", name="height", nodes=3, held=True, side=2.0),
            Axis(kind="neumann", name="latitude", nodes=10, side=0.25),
            Axis(kind="periodic", name="longitude", nodes=40),
        )
    )
    own = box.axis_nodes(40)
    nodes = [np.array([1000.0, 500.0, 100.0]), 47.25 - 90 / 0.25 * own[1], 360 * own[2] - 180]
    places = [(1000.0, 47.25, -180.0), (300.0, 2.25, 90.0), (100.0, 47.25 - 45, 350.0)]
    found = Points(points=places, measured="data").placed(nodes, box)
    expected = [
        (own[0][0], 0.0, 0.0),
        ((own[0][1] + own[0][2]) / 2, 0.125, 0.75),
        (own[0][2], 0.125, 530 / 360 - 1),
    ]
    assert found.measured == "box"
    np.testing.assert_allclose(found.points, expected, atol=1e-12)
    inside = Points(points=expected)
    assert inside.placed(nodes, box) is inside
    several = Several(
        observation=(Channel(channel=0, observation=Points(points=places, measured="data")),)
    )
    assert several.placed(nodes, box).observation[0].observation == found
    for place, message in (
        ((100.0, 48.0, 0.0), "latitude = 48 is outside of the data, .* from -42.75 to 47.25"),
        ((100.0, 40.0), "points: give 3 coordinates for each, height, latitude, longitude"),
    ):
        with pytest.raises(ValueError, match=message):
            Points(points=[place], measured="data").placed(nodes, box)
    with pytest.raises(ValueError, match=r"points are coordinates of data \(measured: data\)"):
        Points(points=places, measured="data").check(box, 1)


def test_some_of_the_data_are_those_with_their_numbers():
    basis, sensors = (
        CosineBasis(2),
        RandomPoints(number=7, noise=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
    )
    u = functions(basis, 8)
    chosen = Some(observation=sensors, data=(5, 0))
    whole, some = (one.on(basis, CHANNELS, 8).forward(u) for one in (sensors, chosen))
    assert torch.equal(some, whole[:, [5, 0]])
    assert chosen.deviations(basis, CHANNELS).tolist() == pytest.approx([0.6, 0.1])
    np.testing.assert_array_equal(chosen.coordinates(basis), sensors.coordinates(basis)[[5, 0]])
    for data, message in (((14,), "data = 14: there are 14"), ((1, 1), "data: each number once")):
        with pytest.raises(ValueError, match=message):
            Some(observation=sensors, data=data).check(basis, CHANNELS)


def test_some_know_names_places_and_gaps_as_what_they_are_of():
    line = CosineBasis(1)
    places = Points(points=((10.0,), (20.0,), (30.0,)), measured="data")
    chosen = Some(observation=Channel(channel="p", observation=places), data=(2, 0))
    found = chosen.named(("a", "p")).placed([np.array([5.0, 15.0, 25.0, 35.0])], line)
    assert found.observation.channel == 1
    np.testing.assert_allclose(np.ravel(found.observation.observation.points), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(found.coordinates(line), [[0.75], [0.25]])
    present = torch.ones(1, 8, dtype=torch.bool)
    present[:, :4] = False
    gaps = Gaps(present, line)
    sensors = GridOfPoints(shape=(7,))
    assert Some(observation=sensors, data=(6, 0, 5)).where_present(gaps, line).data == (6, 5)
    assert Some(observation=Mask(resolution=8, share=1.0), data=(7,)).where_present(gaps, line)
    with pytest.raises(ValueError, match="some: all of these data are where the fields have no"):
        Some(observation=sensors, data=(0, 1)).where_present(gaps, line)


def test_arrays_and_lists_are_taken_as_tuples():
    """So that observations can be compared, and what is known of them kept."""
    array = RandomPoints(number=2, noise=np.array([0.1, 0.2], np.float32))
    assert array.noise == pytest.approx((0.1, 0.2))
    for observation in (
        array,
        Points(points=np.array([[0.5]]), noise=torch.tensor(0.1)),
        Several(observation=[array]),
        Some(observation=array, data=np.array([1])),
    ):
        assert isinstance(hash(observation), int)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (-0.1, "noise: standard deviations are finite, and zero or more"),
        ((0.1, np.nan), "noise: standard deviations are finite"),
        (np.eye(2), r"noise of shape \(2, 2\): give .*; errors are independent"),
    ],
)
def test_noise_is_a_deviation(noise, message):
    with pytest.raises(ValueError, match=message):
        RandomPoints(number=2, noise=noise)


def test_frames_are_in_the_order_of_their_data():
    for frames in ((2, 0), (1, 1)):
        with pytest.raises(ValueError, match="give each once, in increasing order"):
            Frames(resolution=8, frames=frames, axis="x").check(CosineBasis(1), 1)


def test_fewer_sensors_elsewhere_have_the_noise_of_some():
    noise = (0.1, 0.2, 0.3, 0.4, 0.5)
    sensors, random = RandomPoints(number=5, noise=noise), np.random.default_rng(0)
    some = [sensors.another(CosineBasis(1), random, 1) for _ in range(20)]
    assert {len(each.noise) for each in some} == {1, 2, 3, 4, 5}
    assert all(len(each.noise) == each.number for each in some)
    assert all(set(each.noise) <= set(noise) for each in some)
