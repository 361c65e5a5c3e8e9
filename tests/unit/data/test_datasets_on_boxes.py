"""Data that are drawn on rectangles, on intervals, and as functions of time."""

import math

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import TypeAdapter, ValidationError

from fsdiff.data.sources.burgers import BurgersData
from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData
from fsdiff.measures.initial import GaussianRandomField, PowerLawField, Zero
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box


def relative(a, b):
    a, b = (torch.as_tensor(np.asarray(x)).double() for x in (a, b))
    return float((a - b).norm() / b.norm())


# Rectangles


def test_flows_in_a_rectangle_are_restricted_states_of_the_solver():
    source = NavierStokesData(
        resolution=16, time=(0.0, 0.5), length=(1.0, 1.5), forcing="kolmogorov"
    )
    data = source.generate([3], seed=2)
    assert data.field.shape == (1, 2, 1, 11, 16)
    np.testing.assert_allclose(data.y, np.arange(11) / 11)
    np.testing.assert_allclose(data.x, 1.5 * np.arange(16) / 16)
    space = source.space
    assert space.grid(source.nodes) == (17, 24)
    assert [axis.side for axis in space.axes] == [1 / 1.5, 1.0]
    initial = PowerLawField().sample(space, 24, [3], 2, channels=1)
    system = NavierStokes(forcing="kolmogorov", length=(1.0, 1.5))
    states = system.solve(initial - initial.mean((-2, -1), True), [0.0, 0.5])
    assert relative(data.field.values, space.restrict(states, 16)) < 1e-6
    # Every mode that the grid resolves is carried: time 0 is the initial field.
    assert relative(data.field.values[:, 0], space.restrict(initial, 16)) < 1e-6


def test_patterns_in_a_rectangle_are_states_of_the_solver_from_lengths_in_its_longer_side():
    source = ReactionDiffusionData(resolution=18, time=0.3, length=(3.0, 2.0))
    data = source.generate([4], seed=2)
    assert data.field.shape == (1, 1, 18, 12)
    np.testing.assert_allclose(data.y, 3 * ((np.arange(18) + 0.5) / 18 - 0.5))
    np.testing.assert_allclose(data.x, 2 * ((np.arange(12) + 0.5) / 12 - 0.5))
    box = Box(
        axes=(
            Axis(kind="neumann", name="y", nodes=18, side=1.0),
            Axis(kind="neumann", name="x", nodes=12, side=2 / 3),
        )
    )
    initial = GaussianRandomField().sample(box, 18, [4], 2, channels=2)
    states = ReactionDiffusion(length=(3.0, 2.0)).solve(initial, [0.3])[:, 0, :1]
    assert relative(data.field.values, states) < 1e-6


@pytest.mark.parametrize("kind", [NavierStokesData, ReactionDiffusionData])
def test_equal_sides_are_a_square(kind):
    pair = kind(resolution=16, time=0.2, length=(1.3, 1.3))
    square = kind(resolution=16, time=0.2, length=1.3)
    xr.testing.assert_identical(pair.generate([1], 0), square.generate([1], 0))
    assert pair.basis == square.basis
    assert pair.basis in (FourierBasis(), CosineBasis())


@pytest.mark.parametrize("kind", [NavierStokesData, ReactionDiffusionData])
def test_rectangles_of_nearly_equal_sides_have_nearly_the_law_of_the_square(kind):
    """Lengths of laws do not jump where a side is changed."""
    square, near = (kind(resolution=16, length=length).space for length in (2.0, (2.0, 2.02)))
    law = GaussianRandomField()
    a, b = (law.eigenvalues(space, 16) for space in (square, near))
    assert a.shape == b.shape
    assert relative(b, a) < 0.03


@pytest.mark.parametrize("kind", [NavierStokesData, ReactionDiffusionData])
def test_sides_that_leave_no_nodes_are_refused(kind):
    with pytest.raises(ValidationError, match=r"leave 1 along the other; use resolution >= \d+"):
        TypeAdapter(kind).validate_python({"resolution": 16, "length": [1.0, 15.0]})
    least = {NavierStokesData: 60, ReactionDiffusionData: 30}[kind]
    assert min(kind(resolution=least, length=(1.0, 15.0)).space.grid(least)) >= 2


@pytest.mark.parametrize("length", [0.0, [1.0], [1.0, -1.0], [1.0, 1.0, 1.0]])
@pytest.mark.parametrize("kind", [NavierStokesData, ReactionDiffusionData])
def test_sides_are_checked(kind, length):
    with pytest.raises(ValidationError, match="length"):
        TypeAdapter(kind).validate_python({"length": length})


# Flows that take too long


def test_flows_that_need_far_too_many_steps_are_refused_before_they_are_simulated():
    source = NavierStokesData(initial=PowerLawField(scale=1e15))
    with pytest.raises(ValueError, match=r"about 1e\+08 time steps .* lower the scale or variance"):
        source.check()
    slow = NavierStokesData(initial=PowerLawField(scale=1e15), time=0.1)
    slow.check()
    assert "about 5e+05 time steps until time = 0.1; lower the scale" in slow.remarks[0]
    assert NavierStokesData().remarks == ()


def test_the_number_of_steps_is_foreseen():
    """Where velocities limit them and stay as they are: without viscosity, at a loose tolerance."""
    source = NavierStokesData(
        resolution=16, viscosity=0.0, forcing="none", tolerance=1e-2, time=1.0,
        initial=PowerLawField(scale=1e6),
    )  # fmt: skip
    taken = []
    with pytest.MonkeyPatch.context() as patch:
        from fsdiff.pde import stepping

        advance = stepping.advance
        patch.setattr(stepping, "advance", lambda *args: taken.append(0) or advance(*args))
        source.generate([0], 0)
    assert 0.4 < len(taken) / source.steps < 2.5


def test_diffusion_that_is_too_fast_is_refused_beforehand():
    with pytest.raises(ValueError, match=r"diffusivity_v = 1000: 128 cells .* lower diffusivity_v"):
        ReactionDiffusionData(diffusivity_v=1e3, time=100.0).check()
    ReactionDiffusionData().check()


def test_fronts_that_no_grid_resolves_are_refused_beforehand():
    steep = {"initial": PowerLawField(1e15, 25.0, 2.0)}
    with pytest.raises(ValueError, match=r"viscosity = 0\.1: fronts .* use viscosity >= \d+"):
        BurgersData(**steep).check()
    BurgersData(**steep, time=1e-9).check()
    BurgersData(viscosity=1e-3).check()
    assert BurgersData(viscosity=1e-3).remarks == ()
    (told,) = BurgersData(viscosity=1e-4).remarks
    assert told.startswith("fronts need about 5") or told.startswith("fronts need about 6")


def test_a_named_forcing_that_does_not_fit_is_refused_beforehand():
    with pytest.raises(ValueError, match=r"1\.5 periods along x"):
        NavierStokesData(length=(1.0, 1.5)).check()
    with pytest.raises(ValueError, match="use at least 49"):
        NavierStokesData(resolution=16, wavenumber=16).check()


# Functions of time


SOURCES = [
    NavierStokesData(resolution=16, time=0.4, time_nodes=5, amplitude=1.0),
    ReactionDiffusionData(resolution=12, time=0.6, time_nodes=4, channels=("v", "u")),
    ReactionDiffusionData(resolution=12, time=0.6, time_nodes=4, length=(1.0, 2.0)),
    BurgersData(resolution=32, time=0.5, time_nodes=6),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_functions_of_time_are_the_frames_at_the_centres_of_its_cells(source):
    data = source.generate([2, 5], 1)
    count, end = source.time_nodes, source.time
    centres = (np.arange(count) + 0.5) * end / count
    np.testing.assert_allclose(data.t, centres)
    assert data.t.attrs == {"long_name": "time", "units": "1"}
    assert data.field.dims == ("sample", "channel", "t", *"yx"[-source.space.dimension :])
    assert "time" not in data.coords
    assert source.values == len(source.channels)
    frames = type(source)(**{**vars(source), "time": tuple(centres.tolist()), "time_nodes": None})
    series = frames.generate([2, 5], 1)
    assert series.field.dims[1] == "time"
    np.testing.assert_array_equal(data.field, series.field.values.swapaxes(1, 2))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_the_axis_of_time_is_held_and_of_no_slope_at_its_ends(source):
    time, *space = source.basis.axes
    assert (time.kind, time.name, time.nodes, time.held) == (
        "neumann",
        "t",
        source.time_nodes,
        True,
    )
    assert [axis.kind for axis in space] == [axis.kind for axis in source.space.axes]
    n = source.resolution
    assert source.basis.grid(n) == (source.time_nodes, *source.space.grid(n))
    assert source.basis.grid(n // 2) == (source.time_nodes, *source.space.grid(n // 2))


def test_an_axis_of_time_may_be_refined_with_space():
    source = ReactionDiffusionData(resolution=16, time=0.5, time_nodes=8, time_refined=True)
    assert source.basis.grid(16) == (8, 16, 16)
    assert source.basis.grid(8) == (4, 8, 8)


def test_cosines_in_time_are_exact_on_it():
    """A field that decays like cos(πt/T) in time has one coefficient, whatever the nodes."""
    source = ReactionDiffusionData(resolution=8, time=3.0, time_nodes=6)
    basis, times = source.basis, torch.tensor(source.times)
    field = torch.cos(math.pi * times / 3.0).double()[:, None, None].expand(6, 8, 8)
    coefficients = basis.forward(field)
    assert float(coefficients[1, 0, 0]) == pytest.approx(0.5**0.5)
    assert float(coefficients.square().sum()) == pytest.approx(0.5)


def test_time_may_begin_later():
    whole = BurgersData(resolution=16, time=(0.5, 1.0), time_nodes=2).times
    np.testing.assert_allclose(whole, (0.625, 0.875))


def test_samples_of_functions_of_time_depend_on_seed_and_index_only():
    for source in SOURCES:
        whole = source.generate(range(3), seed=3)
        xr.testing.assert_identical(whole.isel(sample=[2]), source.generate([2], seed=3))


@pytest.mark.parametrize("kind", [NavierStokesData, ReactionDiffusionData, BurgersData])
@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"time": [0.1, 0.2, 0.3], "time_nodes": 4}, "give the end of the time axis, or its start"),
        ({"time": [0.3, 0.2], "time_nodes": 4}, "increasing"),
        ({"time": 0.2, "time_nodes": 1}, "greater than or equal to 2"),
        ({"time": 0.2, "time_refined": True}, "there is no time axis; give time_nodes"),
        ({"resolution": 16, "time_nodes": 32, "time_refined": True}, "at most as many nodes as"),
    ],
)
def test_axes_of_time_are_checked(kind, block, named):
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(kind).validate_python(block)


# Waves


def test_waves_on_coarse_grids_are_restrictions_of_those_on_fine_ones():
    """The push-forward of a law of functions, fronts and all."""
    fine, coarse = (
        BurgersData(resolution=n, viscosity=5e-3, time=(0.0, 0.3, 1.0)).generate([3], 1)
        for n in (256, 32)
    )
    assert fine.field.dims == ("sample", "time", "channel", "x")
    restricted = FourierBasis(1).restrict(torch.from_numpy(fine.field.values), 32)
    assert relative(coarse.field.values, restricted) < 1e-5


def test_initial_waves_have_the_published_law():
    """N(0, 625 (−Δ + 25)^−2) without its constant mode."""
    source = BurgersData(resolution=64, initial_resolution=64, time=(0.0, 1e-6))
    fields = source.generate(range(200), 0).field[:, 0, 0]
    energy = FourierBasis(1).energy(torch.from_numpy(fields.values).double()).mean(0)
    expected = 2 * 625 / ((2 * math.pi * torch.arange(1, 6).double()) ** 2 + 25) ** 2
    # Means of 400 squared normals; five standard deviations.
    assert ((energy[1:6] / expected - 1).abs() < 5 * (2 / 400) ** 0.5).all()
    assert energy[0] < 1e-12


def test_waves_keep_their_mean_and_lose_energy():
    source = BurgersData(
        resolution=64, time=(0.0, 0.2, 1.0), viscosity=0.02, initial=GaussianRandomField()
    )
    fields = source.generate(range(3), 0).field.values[:, :, 0].astype(float)
    np.testing.assert_allclose(fields.mean(-1), fields[:, :1].mean(-1).repeat(3, 1), atol=1e-6)
    assert (np.diff((fields**2).mean(-1)) < 0).all()


def test_waves_on_a_longer_interval_are_the_same_in_its_unit():
    near, far = (
        BurgersData(resolution=32, viscosity=0.05 * length, length=length, time=length / 2)
        for length in (1.0, 4.0)
    )
    a, b = near.generate([0], 0), far.generate([0], 0)
    assert relative(b.field.values, a.field.values) < 1e-5
    np.testing.assert_allclose(b.x, 4 * a.x)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"resolution": 64, "initial_resolution": 48}, "leave it out or raise it"),
        ({"viscosity": 0.0}, "greater than"),
        ({"length": [1.0, 2.0]}, "length"),
    ],
)
def test_settings_of_waves_are_checked(block, named):
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(BurgersData).validate_python(block)


# Random fields


def test_random_fields_may_be_of_any_box():
    axes = (
        Axis(kind="neumann", name="t", nodes=5, held=True),
        Axis(kind="dirichlet", name="depth", nodes=12, side=0.5),
        Axis(kind="periodic", name="x", nodes=24),
    )
    basis = Box(axes=axes)
    fine, coarse = (
        RandomFieldData(n, basis, GaussianRandomField(), ("a", "b"), length=3.0).generate([7], 1)
        for n in (24, 12)
    )
    assert fine.field.dims == ("sample", "channel", "t", "depth", "x")
    assert fine.field.shape == (1, 2, 5, 12, 24)
    np.testing.assert_allclose(fine.depth, 1.5 * (np.arange(12) + 0.5) / 12)
    restricted = basis.restrict(torch.from_numpy(fine.field.values), 12)
    assert relative(coarse.field.values, restricted) < 1e-5


@pytest.mark.parametrize("dimension", [1, 3])
def test_random_fields_of_intervals_and_cubes_are_those_of_their_law(dimension):
    basis, law = FourierBasis(dimension), PowerLawField()
    data = RandomFieldData(8, basis, law).generate([2], 4)
    assert data.field.dims == ("sample", "channel", *"zyx"[-dimension:])
    assert relative(data.field.values, law.sample(basis, 8, [2], 4, channels=1)) < 1e-6


def test_a_flow_without_forcing_from_rest_stays_at_rest():
    source = NavierStokesData(resolution=8, initial=Zero(), forcing="none", length=(1.0, 2.0))
    assert not source.generate([0], 0).field.values.any()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_initial_states_are_those_that_solutions_start_from(source):
    assert source.initial_states([2, 5], 1) is None
    fields = type(source)(**{**vars(source), "time_nodes": None})
    initial = fields.initial_states([2, 5], 1)
    assert initial.dims == ("sample", "channel", *"yx"[-source.space.dimension :])
    soon = type(source)(**{**vars(source), "time_nodes": None, "time": (1e-12, 0.1)})
    first = soon.generate([2, 5], 1)["field"].isel(time=0)
    np.testing.assert_allclose(initial, first, rtol=1e-5, atol=1e-5)
