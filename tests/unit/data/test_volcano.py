"""Synthetic interferograms: each of their parts has a closed form, and is drawn by itself."""

import dataclasses
import math

import numpy as np
import pytest

from fsdiff.data.hierarchy import restrict
from fsdiff.data.interferometry.atmosphere import (
    isotropic_field,
    relief_spectrum,
    turbulence_spectrum,
)
from fsdiff.data.interferometry.deformation import FRINGES, range_increase, turned
from fsdiff.data.interferometry.okada import Rectangle
from fsdiff.data.interferometry.point_sources import mogi, point_crack
from fsdiff.data.interferometry.radar import (
    WAVELENGTH,
    Geometry,
    averaged_looks,
    fringes,
    phase_of,
)
from fsdiff.data.sources.arrays import opened
from fsdiff.data.sources.files import FileData
from fsdiff.data.sources.formats.interferogram import read_interferogram, write_interferogram
from fsdiff.data.sources.volcano import VolcanoData
from fsdiff.jobs.failures import StorageError
from fsdiff.randomness import generator
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.downsampling import Circle

DEPTH = 2000.0


def plane(radii, angles=32):
    """Places on circles around the origin, and the weights of an integral over the plane."""
    r, a = np.meshgrid(radii, 2 * np.pi * np.arange(angles) / angles, indexing="ij")
    weights = np.gradient(radii)[:, None] * r * 2 * np.pi / angles
    return r * np.cos(a), r * np.sin(a), weights


def lifted(displacement):
    """The volume between the surface before and after, of a displacement of (east, north)."""
    east, north, weights = plane(np.geomspace(1.0, 1e7, 1000))
    return float((weights * displacement(east, north)[2]).sum())


@pytest.mark.parametrize("ratio", [0.25, 0.4])
def test_a_growing_sphere_lifts_more_than_its_growth(ratio):
    volume = lifted(lambda x, y: mogi(x, y, DEPTH, 1e6, ratio))
    assert volume == pytest.approx(2 * (1 - ratio) * 1e6, rel=2e-3)


def test_a_crack_lifts_what_it_opens():
    assert lifted(lambda x, y: point_crack(x, y, DEPTH, 1e6)) == pytest.approx(1e6, rel=2e-3)


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ("strike_slip", (-8.689e-3, -4.298e-3, -2.747e-3)),
        ("dip_slip", (-4.682e-3, -3.527e-2, -3.564e-2)),
        ("opening", (-2.660e-4, 1.056e-2, 3.214e-3)),
    ],
)
def test_rectangles_give_the_printed_digits_of_okada(slip, expected):
    rectangle = Rectangle(depth=4, dip=math.radians(70), length=3, width=2)
    found = rectangle.displacement(np.array([2.0]), np.array([3.0]), **{slip: 1.0})[:, 0]
    assert found == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ("strike_slip", (0.0, 5.253e-3, 0.0)),
        ("dip_slip", (0.0, 0.0, 0.0)),
        ("opening", (1.223e-2, 0.0, -1.606e-2)),
    ],
)
def test_so_do_vertical_ones(slip, expected):
    rectangle = Rectangle(depth=4, dip=math.radians(90), length=3, width=2)
    found = rectangle.displacement(np.array([0.0]), np.array([0.0]), **{slip: 1.0})[:, 0]
    assert found == pytest.approx(expected, rel=5e-4, abs=1e-12)


def test_nearly_vertical_planes_are_near_vertical_ones():
    x, y = np.meshgrid(np.linspace(-5, 8, 14), np.linspace(-6, 6, 13))
    near, exact = (
        Rectangle(depth=4, dip=dip, length=3, width=2).displacement(
            x, y, strike_slip=0.3, dip_slip=0.5, opening=1.0
        )
        for dip in (math.pi / 2 - 1e-5, math.pi / 2)
    )
    np.testing.assert_allclose(near, exact, atol=1e-5)


def test_a_small_sill_is_a_point_crack():
    x, y = np.meshgrid(np.linspace(-6, 6, 13), np.linspace(-6, 6, 13))
    sill = Rectangle(depth=2, dip=0.0, length=0.02, width=0.02).centred(x, y, 1.0)
    expected = point_crack(x, y, 2.0, 0.02**2)
    np.testing.assert_allclose(sill, expected, atol=1e-4 * np.abs(expected).max())


def test_a_large_sill_lifts_what_it_opens_whatever_its_strike():
    rectangle = Rectangle(depth=DEPTH, dip=0.0, length=3000, width=1500)
    for strike in (0.0, 1.0):
        volume = lifted(turned(rectangle, strike))
        assert volume == pytest.approx(3000 * 1500, rel=5e-3)


def test_strikes_turn_the_displacement():
    rectangle = Rectangle(depth=3000, dip=1.3, length=4000, width=2000)
    east, north = np.array([1500.0]), np.array([-700.0])
    angle = 0.7
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    there = turned(rectangle, angle)(*(rotation @ np.stack([east, north])))
    here = turned(rectangle, 0.0)(east, north)
    np.testing.assert_allclose(there[:2], rotation @ here[:2], rtol=1e-10)
    np.testing.assert_allclose(there[2], here[2], rtol=1e-10)


def test_lines_of_sight_are_unit_vectors_from_the_right_side():
    for index in range(8):
        geometry = Geometry.drawn(generator(0, index))
        east, north, up = geometry.line_of_sight
        assert math.hypot(east, north, up) == pytest.approx(1, abs=1e-12)
        assert up == pytest.approx(math.cos(geometry.incidence))
        # The satellite is to the left of where it looks: from the ground it flies with that side.
        ahead = np.array([math.sin(geometry.heading), math.cos(geometry.heading)])
        assert ahead @ [east, north] == pytest.approx(0, abs=1e-12)
        assert ahead[0] * north - ahead[1] * east > 0


def test_half_a_wavelength_is_a_fringe():
    assert fringes(np.array([0.0, -WAVELENGTH / 2])) == pytest.approx(1)
    assert phase_of(np.array(WAVELENGTH / 2)) == pytest.approx(2 * np.pi)


@pytest.mark.parametrize("unrest", ["mogi", "crack", "sill", "dyke"])
def test_sources_make_as_many_fringes_as_they_are_to(unrest):
    places = (np.arange(64) + 0.5) / 64 * 12_800
    scene, geometry = (places[None, :], places[:, None], 12_800.0), Geometry(0.6, -0.2)
    for index in range(4):
        moved = range_increase(unrest, (), geometry, scene, generator(1, index))
        assert FRINGES[0] <= fringes(moved) * (1 + 1e-9)
        assert fringes(moved) <= FRINGES[1] * (1 + 1e-9)


def structure_function(field, lag):
    return np.square(field[:, lag:] - field[:, :-lag]).mean()


def slope(spectrum, side, near, far, draws=24, n=64):
    """Of the mean structure function between two lags in nodes, in logarithms."""
    scenes = [isotropic_field(spectrum, n, side, generator(3, i)) for i in range(draws)]
    means = [np.mean([structure_function(scene, lag) for scene in scenes]) for lag in (near, far)]
    return math.log(means[1] / means[0]) / math.log(far / near)


def test_the_structure_function_has_the_slopes_of_turbulence():
    # From 10 to 20 m, and from 3.2 to 6.4 km: far from the knee on either side.
    assert slope(turbulence_spectrum, 640.0, 1, 2) == pytest.approx(5 / 3, abs=0.1)
    assert slope(turbulence_spectrum, 51_200.0, 4, 8) == pytest.approx(2 / 3, abs=0.1)
    assert turbulence_spectrum(np.array([1 / 60_000]))[0] == 0
    steep, flat = (
        np.diff(np.log(turbulence_spectrum(f)))[0] / math.log(2)
        for f in (np.array([1, 2]) / 500, np.array([1, 2]) / 8000)
    )
    assert (steep, flat) == pytest.approx((-11 / 3, -8 / 3))


def test_scenes_have_mean_zero_and_mean_square_one_on_any_grid():
    for n in (16, 33):
        scene = isotropic_field(relief_spectrum, n, 12_800.0, generator(0, 1))
        assert scene.mean() == pytest.approx(0, abs=1e-12)
        assert np.square(scene).mean() == pytest.approx(1)


def test_finer_scenes_are_cut_from_the_same_function():
    def smooth(frequency):
        return ((frequency > 0) & (frequency < 8 / 12_000)).astype(float)

    # Nodes of 40 per axis are every third of 120, from the second on.
    for spectrum, error in ((smooth, 2e-3), (relief_spectrum, 0.04), (turbulence_spectrum, 0.1)):
        coarse, fine = (isotropic_field(spectrum, n, 12_000.0, generator(0, 1)) for n in (40, 120))
        assert np.sqrt(np.square(coarse - fine[1::3, 1::3]).mean()) < error


def test_finer_phases_are_those_of_the_same_scene():
    source = VolcanoData(resolution=40, side=12_000.0)
    smooth = dataclasses.replace(source, turbulence=0.0)
    for scene, error in ((smooth, 0.05), (source, 0.3)):
        fine = dataclasses.replace(scene, resolution=120).phase(1, 0)[1::3, 1::3]
        assert np.sqrt(np.square(scene.phase(1, 0) - fine).mean()) < error


@pytest.mark.parametrize(("coherence", "looks"), [(0.6, 4), (0.95, 16)])
def test_averaged_looks_have_the_moments_of_products_of_normals(coherence, looks):
    phase = np.full((400, 500), 0.8)
    drawn = averaged_looks(phase, np.full_like(phase, coherence), looks, generator(0, looks))
    turned_back = drawn * np.exp(-0.8j)
    error = 4 / np.sqrt(phase.size)
    assert turned_back.mean() == pytest.approx(coherence, abs=error)
    # var Re = (1 + γ²)/2L and var Im = (1 − γ²)/2L for circular normals.
    assert turned_back.real.var() == pytest.approx((1 + coherence**2) / (2 * looks), rel=5 * error)
    assert turned_back.imag.var() == pytest.approx((1 - coherence**2) / (2 * looks), rel=5 * error)


def test_many_looks_leave_the_phase_noise_of_their_number():
    phase, looks, coherence = np.zeros((300, 300)), 400, 0.8
    drawn = averaged_looks(phase, np.full_like(phase, coherence), looks, generator(0))
    expected = (1 - coherence**2) / (2 * looks * coherence**2)
    assert np.angle(drawn).var() == pytest.approx(expected, rel=0.03)


QUIET = VolcanoData(
    resolution=16,
    unrest={"none": 1.0},
    turbulence=0.0,
    stratification=0.0,
    ramp=0.0,
    coherence=1.0,
    coherence_contrast=(60.0, 0.0),
)


def test_without_anything_the_phase_is_constant():
    field = QUIET.generate([0, 1], 0)["field"].values
    np.testing.assert_allclose(field[:, 0], 1, atol=1e-6)
    np.testing.assert_allclose(field[:, 1], 0, atol=1e-6)


def test_parts_add_up_and_leave_each_other_alone():
    parts = [
        {"unrest": {"mogi": 1.0}},
        {"turbulence": 0.004},
        {"stratification": 4.0},
        {"ramp": 1.0},
    ]
    whole = dataclasses.replace(QUIET, **{k: v for part in parts for k, v in part.items()})
    alone = sum(dataclasses.replace(QUIET, **part).phase(3, 5) for part in parts)
    np.testing.assert_allclose(whole.phase(3, 5), alone, atol=1e-10)
    assert all(np.abs(dataclasses.replace(QUIET, **p).phase(3, 5)).max() > 1e-3 for p in parts)


def test_a_ramp_is_linear_and_at_most_its_fringes():
    for index in range(4):
        phase = dataclasses.replace(QUIET, ramp=1.5).phase(index, 0)
        for axis in (0, 1):
            np.testing.assert_allclose(np.diff(phase, 2, axis), 0, atol=1e-12)
        step = [np.diff(phase, axis=axis)[0, 0] * 16 for axis in (0, 1)]
        assert math.hypot(*step) <= 2 * np.pi * 1.5


def test_samples_lie_on_the_circle_and_depend_on_their_index_alone():
    source = VolcanoData(resolution=16)
    both, one = source.generate([4, 7], 0)["field"].values, source.generate([7], 0)["field"].values
    np.testing.assert_array_equal(both[1], one[0])
    np.testing.assert_allclose(np.square(both).sum(1), 1, atol=1e-6)


def test_odds_must_be_of_something():
    with pytest.raises(ValueError, match="give some kind of unrest"):
        VolcanoData(unrest={"mogi": 0.0})
    with pytest.raises(ValueError, match="two sources are of kinds that have odds"):
        VolcanoData(unrest={"none": 1.0, "two": 1.0})


def test_files_of_interferograms_are_read_as_they_were_written_in_the_order_of_names(tmp_path):
    source = VolcanoData(resolution=16)
    for name, index in {"b.int": 1, "a.int": 0, "c.int": 2}.items():
        write_interferogram(tmp_path / name, source.interferogram(index, 0))
    np.testing.assert_array_equal(
        read_interferogram(tmp_path / "b.int"), source.interferogram(1, 0)
    )
    files = FileData(path=f"{tmp_path}/*.int", variables=("cosine", "sine"), basis=CosineBasis())
    files.check()
    assert (files.resolution, files.available, files.names) == (16, 3, ("cosine", "sine"))
    read = files.generate([0, 1, 2], 0)
    expected = source.generate([0, 1, 2], 0)["field"].values
    np.testing.assert_allclose(read["field"].values, expected, atol=1e-6)
    coarse = restrict(read, 15, Circle(), files.basis)["field"].values
    assert coarse.shape == (3, 2, 15, 15)
    np.testing.assert_allclose(np.square(coarse).sum(1), 1, atol=1e-6)


def test_published_files_of_128_nodes_have_131072_bytes(tmp_path):
    write_interferogram(tmp_path / "x.int", np.ones((128, 128)))
    content = (tmp_path / "x.int").read_bytes()
    assert len(content) == 131_072
    assert content[:8] == b"\x00\x00\x80?\x00\x00\x00\x00"


def test_what_is_no_square_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match="write a square one"):
        write_interferogram(tmp_path / "x.int", np.ones((4, 8)))
    (tmp_path / "x.int").write_bytes(b"12345678" * 5)
    with pytest.raises(StorageError, match="has 40 bytes"), opened(tmp_path / "x.int"):
        pass
