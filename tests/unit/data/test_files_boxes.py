"""Files on rectangles, intervals and boxes: axes by their attributes and names, sides, kinds."""

import netCDF4
import numpy as np
import pytest
import torch

from fsdiff.data.sources.files import FileData
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box

CF = {
    "longitude": {"units": "degrees_east", "standard_name": "longitude", "axis": "X"},
    "latitude": {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"},
    "time": {"units": "days since 2000-01-01", "standard_name": "time", "axis": "T"},
    "height": {"units": "m", "axis": "Z"},
}


def netcdf(path, axes, values=None, about=CF, name="t2m"):
    """A file with one field over axes {dimension: positions or a length}; and its values."""
    sizes = {key: at if isinstance(at, int) else len(at) for key, at in axes.items()}
    if values is None:
        values = np.random.default_rng(0).standard_normal(tuple(sizes.values())).astype("f4")
    with netCDF4.Dataset(path, "w") as file:
        for key, at in axes.items():
            file.createDimension(key, sizes[key])
            if not isinstance(at, int):
                variable = file.createVariable(key, "f8", key)
                variable.setncatts(about.get(key, {}))
                variable[:] = at
        file.createVariable(name, "f4", tuple(axes))[:] = values
    return values


def read(path, **options):
    source = FileData(str(path), **options)
    source.check()
    return source, source.generate(range(source.available), 0)


def refused(path, named, **options):
    with pytest.raises(ValueError, match=named):
        read(path, **options)


LATITUDES, LONGITUDES = np.linspace(87.5, -87.5, 8), np.arange(16) * 22.5
TIMES = np.arange(3.0)
GLOBE = {"time": TIMES, "latitude": LATITUDES, "longitude": LONGITUDES}


def test_a_globe_is_periodic_from_west_to_east_and_turned_to_the_north(tmp_path):
    values = netcdf(tmp_path / "a.nc", GLOBE)
    source, data = read(tmp_path / "a.nc", frames="samples")
    assert source.basis == Box(
        axes=(
            Axis(kind="neumann", name="latitude", nodes=8, side=0.555555556),
            Axis(kind="periodic", name="longitude", nodes=16, side=1.0),
        )
    )
    assert data["field"].dims == ("sample", "channel", "latitude", "longitude")
    np.testing.assert_array_equal(data["field"][:, 0], values[:, ::-1])
    np.testing.assert_allclose(data["latitude"], LATITUDES[::-1])
    assert data["latitude"].attrs["units"] == "degrees_north"
    assert data["longitude"].attrs == {"long_name": "longitude", "units": "degrees_east"}
    assert source.resolution == 16


def test_attributes_decide_before_names(tmp_path):
    about = {"a": CF["latitude"], "x": CF["time"], "lat": CF["longitude"]}
    axes = {"x": TIMES, "lat": LONGITUDES, "a": LATITUDES}
    values = netcdf(tmp_path / "a.nc", axes, about=about)
    source, data = read(tmp_path / "a.nc", frames="samples")
    assert [axis.name for axis in source.basis.axes] == ["a", "lat"]
    assert [axis.kind for axis in source.basis.axes] == ["neumann", "periodic"]
    np.testing.assert_array_equal(data["field"][:, 0], values.swapaxes(1, 2)[:, ::-1])


@pytest.mark.parametrize("attribute", ["units", "standard_name", "axis"])
def test_any_of_the_attributes_suffices(tmp_path, attribute):
    said = {key: CF[name][attribute] for key, name in (("p", "longitude"), ("q", "latitude"))}
    about = {key: {attribute: text} for key, text in said.items()}
    netcdf(tmp_path / "a.nc", {"sample": 3, "q": LATITUDES, "p": LONGITUDES}, about=about)
    source, _ = read(tmp_path / "a.nc", axes={"p": "periodic", "q": "neumann"})
    assert [axis.name for axis in source.basis.axes] == ["q", "p"]


@pytest.mark.parametrize(
    "spelling", ["degrees_{}", "degree_{0[0]}", "degree{0[0]}", "degrees{0[0]}", "° {0[0]}"]
)
@pytest.mark.parametrize("write", [str, str.upper])
def test_degrees_are_those_of_the_globe_however_they_are_spelt(tmp_path, spelling, write):
    """As the CF conventions allow, in letters of either case."""
    about = {
        name: {"units": write(spelling.format(direction))}
        for name, direction in (("p", "east"), ("q", "north"))
    }
    netcdf(tmp_path / "a.nc", {"sample": 3, "q": LATITUDES, "p": LONGITUDES}, about=about)
    source, data = read(tmp_path / "a.nc")
    assert [axis.kind for axis in source.basis.axes] == ["neumann", "periodic"]
    assert [axis.side for axis in source.basis.axes] == [0.555555556, 1.0]
    np.testing.assert_array_equal(data["q"], LATITUDES[::-1])


def test_times_since_a_date_and_heights_are_known_in_either_case(tmp_path):
    about = {"a": {"units": "Hours Since 2000-01-01"}, "b": {"axis": "z"}}
    netcdf(tmp_path / "a.nc", {"sample": 2, "a": TIMES, "b": np.arange(4) + 0.5}, about=about)
    source, data = read(tmp_path / "a.nc", axes={"b": "neumann"})
    assert [axis.name for axis in source.basis.axes] == ["b"]
    assert data["time"].attrs["units"] == "Hours"
    np.testing.assert_array_equal(data["time"], TIMES)


def test_a_region_has_no_periodic_axis(tmp_path):
    region = {"latitude": np.arange(15.0, 61.25, 1.25), "longitude": np.arange(225.0, 286, 1.25)}
    netcdf(tmp_path / "a.nc", {"time": TIMES, **region})
    source, _ = read(tmp_path / "a.nc", frames="samples")
    assert [axis.kind for axis in source.basis.axes] == ["neumann"] * 2
    assert [axis.nodes for axis in source.basis.axes] == [37, 49]
    assert source.basis.axes[1].side == 1.0
    assert source.basis.axes[0].side == pytest.approx(37 / 49, rel=1e-8)
    assert source.basis.grid(98) == (74, 98)


def test_a_circle_may_end_where_it_begins(tmp_path):
    around = np.linspace(0, 360, 17)
    values = np.random.default_rng(0).standard_normal((3, 8, 17)).astype("f4")
    values[..., -1] = values[..., 0]
    netcdf(tmp_path / "a.nc", GLOBE | {"longitude": around}, values)
    source, data = read(tmp_path / "a.nc", frames="samples")
    assert source.basis.axes[1].nodes == 16
    np.testing.assert_array_equal(data["field"][:, 0], values[:, ::-1, :-1])
    values[1, 3, -1] += 1
    netcdf(tmp_path / "b.nc", GLOBE | {"longitude": around}, values)
    refused(tmp_path / "b.nc", "values there differ in sample 0", frames="samples")


def test_kinds_are_said_by_name_or_letter(tmp_path):
    netcdf(tmp_path / "a.nc", GLOBE)
    options = {"frames": "samples", "axes": {"latitude": "dirichlet", "x": "neumann"}}
    source, _ = read(tmp_path / "a.nc", **options)
    assert [axis.kind for axis in source.basis.axes] == ["dirichlet", "neumann"]
    refused(
        tmp_path / "a.nc",
        "axes.lon: .*a.nc has no such axis, only latitude, longitude",
        frames="samples",
        axes={"lon": "periodic"},
    )


def test_kinds_that_nothing_tells_are_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4, 6)))
    options = {"dimensions": ("sample", "y", "x")}
    refused(tmp_path / "a.npy", r"ends of axis y\? Say so, axes: \{y: periodic\}, neu", **options)


@pytest.mark.parametrize("basis", [CosineBasis(), FourierBasis()])
def test_a_basis_is_that_of_all_axes_of_a_rectangle(tmp_path, basis):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((3, 4, 6)))
    source, data = read(tmp_path / "a.npy", basis=basis, dimensions=("sample", "y", "x"))
    expected = [
        Axis(kind=basis.axis_kind, name=name, nodes=n, side=side)
        for name, n, side in (("y", 4, 0.666666667), ("x", 6, 1.0))
    ]
    assert list(source.basis.axes) == expected
    for name, nodes in zip("yx", source.basis.axis_nodes(6), strict=True):
        np.testing.assert_array_equal(data[name], nodes)
    assert source.resolution == 6


def test_squares_keep_their_basis(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((3, 6, 6)))
    options = {"dimensions": ("sample", "y", "x"), "length": 2.0}
    source, data = read(tmp_path / "a.npy", basis=CosineBasis(), **options)
    assert source.basis == CosineBasis()
    np.testing.assert_array_equal(data["x"], 2 * CosineBasis().nodes(6))


def test_sides_that_differ_on_as_many_nodes_make_a_box(tmp_path):
    nodes = (np.arange(6) + 0.5) / 6
    about = {"y": {"units": "m"}, "x": {"units": "m"}}
    netcdf(tmp_path / "a.nc", {"sample": 3, "y": nodes, "x": 4 * nodes}, about=about)
    source, _ = read(tmp_path / "a.nc", basis=CosineBasis())
    assert [axis.side for axis in source.basis.axes] == [0.25, 1.0]


def test_sides_are_said_where_files_have_no_positions(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((3, 4, 4)))
    options = {"basis": FourierBasis(), "dimensions": ("sample", "y", "x")}
    source, data = read(tmp_path / "a.npy", length={"y": 3.0, "x": 6.0}, **options)
    assert [axis.side for axis in source.basis.axes] == [0.5, 1.0]
    np.testing.assert_allclose(data["y"], np.arange(4) * 0.75)
    np.testing.assert_allclose(data["x"], np.arange(4) * 1.5)
    refused(
        tmp_path / "a.npy", "length.z: .* no such axis, only y, x", length={"z": 1.0}, **options
    )


def test_intervals(tmp_path):
    values = np.random.default_rng(0).standard_normal((5, 12)).astype("f4")
    np.save(tmp_path / "a.npy", values)
    source, data = read(tmp_path / "a.npy", basis=FourierBasis(1), dimensions=("sample", "x"))
    assert source.basis == FourierBasis(1)
    assert source.resolution == 12
    assert data["field"].dims == ("sample", "channel", "x")
    np.testing.assert_array_equal(data["field"][:, 0], values)
    netcdf(tmp_path / "b.nc", {"sample": 5, "t": 4, "x": np.arange(12) / 12})
    source, data = read(tmp_path / "b.nc", axes={"x": "periodic"})
    assert source.basis.axes == (Axis(kind="periodic", name="x", nodes=12),)
    assert data["field"].dims == ("sample", "time", "channel", "x")


def test_volumes_with_heights(tmp_path):
    heights = np.array([50.0, 150.0, 250.0])
    axes = {"time": TIMES, "height": heights, "latitude": LATITUDES, "longitude": LONGITUDES}
    values = netcdf(tmp_path / "a.nc", axes)
    source, data = read(tmp_path / "a.nc", frames="samples", axes={"height": "neumann"})
    assert [axis.name for axis in source.basis.axes] == ["height", "latitude", "longitude"]
    # Metres are no degrees: a side of its own.
    assert source.basis.axes[0].side == 1.0
    assert source.basis.axes[1].side == pytest.approx(200 / 360)
    np.testing.assert_array_equal(data["field"][:, 0], values[:, :, ::-1])
    assert data["height"].attrs["units"] == "m"
    refused(tmp_path / "a.nc", "where the basis is one of functions of y, x", basis=CosineBasis())


def test_levels_are_channels_as_ever(tmp_path):
    about = CF | {"level": {"units": "hPa", "axis": "Z"}}
    axes = {"time": TIMES, "level": np.array([500.0, 850.0])}
    axes |= {"latitude": LATITUDES, "longitude": LONGITUDES}
    netcdf(tmp_path / "a.nc", axes, about=about)
    source, data = read(tmp_path / "a.nc", frames="samples")
    assert source.names == ("t2m_500", "t2m_850")
    assert data["field"].sizes["channel"] == 2


def test_a_box_of_the_configuration_must_have_the_nodes_of_the_file(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((3, 4, 6)))
    box = Box(
        axes=(
            Axis(kind="neumann", name="y", nodes=4, held=True),
            Axis(kind="periodic", name="x", nodes=6),
        )
    )
    source, _ = read(tmp_path / "a.npy", basis=box, dimensions=("sample", "y", "x"))
    assert source.basis == box
    np.save(tmp_path / "b.npy", np.random.default_rng(0).random((3, 5, 6)))
    refused(
        tmp_path / "b.npy",
        "fields are on 5 × 6 nodes, and the basis has 4 × 6",
        basis=box,
        dimensions=("sample", "y", "x"),
    )


def test_files_of_a_data_set_are_on_the_same_grid(tmp_path):
    netcdf(tmp_path / "a.nc", GLOBE)
    netcdf(tmp_path / "b.nc", GLOBE | {"latitude": LATITUDES[1:]})
    refused(tmp_path / "*.nc", r"grid = \(7, 16\), but .*a.nc has \(8, 16\)", frames="samples")


def test_restricted_fields_are_the_same_functions(tmp_path):
    """A function of few modes on a rectangle in a file is itself on a coarser grid of its box."""
    latitude, longitude = LATITUDES[::-1], LONGITUDES
    u = np.cos(np.pi * (latitude + 100) / 200)[:, None] * np.cos(np.deg2rad(2 * longitude))
    netcdf(tmp_path / "a.nc", GLOBE | {"latitude": latitude}, np.broadcast_to(u, (3, 8, 16)))
    source, data = read(tmp_path / "a.nc", frames="samples")
    coarse = source.basis.restrict(torch.from_numpy(data["field"].values).double(), 8)
    y = (np.arange(4) + 0.5) / 4
    expected = np.cos(np.pi * y)[:, None] * np.cos(2 * np.pi * 2 * np.arange(8) / 8)
    np.testing.assert_allclose(coarse[0, 0], expected, atol=1e-6)
