"""Frames of files as one function of time and space, and axes that are held."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from fsdiff import parts
from fsdiff.data import hierarchy
from fsdiff.data.sources.files import FileData
from fsdiff.parts import described
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.downsampling import Spectral

SAMPLES, TIMES, CHANNELS, N = 5, np.array([0.5, 1.0, 1.5, 2.0]), 2, 8
SERIES = np.random.default_rng(0).standard_normal((SAMPLES, 4, CHANNELS, N, N)).astype("f4")


@pytest.fixture
def path(tmp_path):
    """Series (sample, time, channel, y, x) as xarray writes them."""
    dimensions = ("sample", "time", "channel", "y", "x")
    times = ("time", TIMES, {"units": "hours since 2000-01-01"})
    data = xr.Dataset({"u": (dimensions, SERIES)}, {"time": times})
    data.to_netcdf(tmp_path / "a.nc")
    return tmp_path / "a.nc"


def source(path, **options):
    return FileData(str(path), **{"basis": CosineBasis(), "frames": "axis"} | options)


def box(time=None, **of_time):
    """Functions of (t, y, x)."""
    space = (Axis(kind="neumann", name=name, nodes=N) for name in "yx")
    return Box(axes=(Axis(**{"kind": "neumann", "name": "t", "nodes": 4} | of_time), *space))


def test_time_is_the_first_axis(path):
    read = source(path)
    read.check()
    assert read.basis == box()
    assert (read.resolution, read.values, read.available) == (N, CHANNELS, SAMPLES)
    data = read.generate([3, 1], 0)
    assert data["field"].dims == ("sample", "channel", "t", "y", "x")
    np.testing.assert_array_equal(data["field"].values, SERIES[[3, 1]].swapaxes(1, 2))
    np.testing.assert_array_equal(data["t"].values, TIMES)
    assert data["t"].attrs["units"] == "hours"


def test_its_ends_may_be_of_any_kind_and_its_nodes_held(path):
    assert source(path, axes={"time": "periodic"}).basis == box(kind="periodic")
    assert source(path, axes={"t": "dirichlet"}, held=("t",)).basis == box(
        kind="dirichlet", held=True
    )
    assert source(path, held=("time",)).basis.grid(2 * N) == (4, 2 * N, 2 * N)
    assert source(path).basis.grid(2 * N) == (8, 2 * N, 2 * N)


def test_some_of_the_times(path):
    data = source(path, time=(1.0, 1.5, 2.0)).generate([0], 0)
    np.testing.assert_array_equal(data["t"].values, TIMES[1:])
    np.testing.assert_array_equal(data["field"].values[0], SERIES[0, 1:].swapaxes(0, 1))


def test_functions_of_time_are_restricted_as_such(path):
    read = source(path)
    data = read.generate(range(SAMPLES), 0)
    coarse = hierarchy.restrict(data, 4, Spectral(), read.basis)
    assert coarse["field"].shape == (SAMPLES, CHANNELS, 2, 4, 4)
    np.testing.assert_allclose(coarse["t"], [0.75, 1.75])
    np.testing.assert_allclose(
        coarse["field"].mean(("t", "y", "x")), data["field"].mean(("t", "y", "x")), atol=1e-6
    )
    held = source(path, held=("t",))
    coarse = hierarchy.restrict(data, 4, Spectral(), held.basis)
    assert coarse["field"].shape == (SAMPLES, CHANNELS, 4, 4, 4)
    np.testing.assert_array_equal(coarse["t"], TIMES)


def test_the_block_of_the_basis_makes_it_again(path):
    basis = source(path, held=("t",)).basis
    assert parts.build("basis", described(basis)) == basis


def test_heights_are_held(tmp_path):
    heights, across = np.arange(4.0) * 100 + 50, np.arange(16.0)
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, values in (("height", heights), ("x", across)):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", name)[:] = values
        file["height"].setncatts({"units": "m", "axis": "Z"})
        file.createDimension("sample", 3)
        values = np.random.default_rng(0).standard_normal((3, 4, 16))
        file.createVariable("u", "f4", ("sample", "height", "x"))[:] = values
    axes = {"height": "neumann", "x": "periodic"}
    options = {"basis": None, "frames": "series", "axes": axes, "variables": ("u",)}
    options["dimensions"] = ("sample", "z", "x")
    read = source(tmp_path / "a.nc", held=("height",), **options)
    assert read.basis.grid(32) == (4, 32)
    assert source(tmp_path / "a.nc", **options).basis.grid(32) == (8, 32)
    np.testing.assert_array_equal(read.generate([0], 0)["height"], heights)


def refused(named, path, **options):
    with pytest.raises(ValueError, match=named):
        source(path, **options).check()


def test_what_cannot_be_an_axis_is_refused(path, tmp_path):
    refused("held: .* has no axis height, only t, y, x", path, held=("height",))
    refused("needs two times or more", path, time=1.0)
    refused("not equally spaced", path, time=(0.5, 1.0, 2.0))
    xr.Dataset({"u": (("sample", "y", "x"), SERIES[:, 0, 0])}).to_netcdf(tmp_path / "b.nc")
    refused("has no dimension 'time', so that frames are no axis", tmp_path / "b.nc")
    volumes = {"u": (("sample", "time", "z", "y", "x"), SERIES)}
    xr.Dataset(volumes).to_netcdf(tmp_path / "c.nc")
    axes = {"z": "neumann", "y": "neumann", "x": "neumann"}
    refused("axes: 4 of them", tmp_path / "c.nc", basis=None, axes=axes)
