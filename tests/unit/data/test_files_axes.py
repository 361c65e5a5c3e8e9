"""Axes of arrays in files: each variable has its own, told by names, by order or by lengths."""

import re

import h5py
import numpy as np
import pytest
import xarray as xr

from fsdiff import parts
from fsdiff.data.sources.files import FileData
from fsdiff.spaces.bases import CosineBasis
from fsdiff.study.datasets import Dataset

COSINE = CosineBasis()
SAMPLES, FRAMES, N = 5, 3, 4
draw = np.random.default_rng(0).standard_normal
U = draw((SAMPLES, FRAMES, N, N))
A = draw((SAMPLES, N, N))


def npz(path, **arrays):
    np.savez(path / "a.npz", **arrays)
    return str(path / "a.npz")


def read(path, variables, **options):
    source = FileData(path, COSINE, variables=variables, **options)
    source.check()
    return source.generate(range(source.available), 0)


def refused(path, variables, named, **options):
    with pytest.raises(ValueError, match=named) as caught:
        FileData(path, COSINE, variables=variables, **options).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variables", [("nu", "tensor"), ("tensor", "nu")])
def test_axes_of_length_one_are_left_out(tmp_path, variables):
    """As in PDEBench's files of Darcy flow: nu (n, y, x), tensor (n, 1, y, x)."""
    with h5py.File(tmp_path / "darcy.hdf5", "w") as file:
        file["nu"], file["tensor"] = A, -A[:, None]
        file["x-coordinate"] = file["y-coordinate"] = COSINE.nodes(N).astype(np.float32)
    path = str(tmp_path / "darcy.hdf5")
    for dimensions in (("sample", "y", "x"), ("sample", "channel", "y", "x")):
        data = read(path, variables, dimensions=dimensions)
        signs = {"nu": 1, "tensor": -1}
        for channel, name in enumerate(variables):
            np.testing.assert_array_equal(
                data.field[:, channel], (signs[name] * A).astype(np.float32)
            )
    np.testing.assert_allclose(data.x, COSINE.nodes(N), rtol=1e-6)


@pytest.mark.parametrize("frames", [FRAMES, SAMPLES])
def test_static_fields_beside_series_are_the_same_at_all_times(tmp_path, frames):
    u = draw((SAMPLES, frames, N, N))
    path = npz(tmp_path, u=u, a=A, b=A[:, None])
    dimensions = ("sample", "time", "y", "x")
    data = read(path, ("a", "u", "b"), dimensions=dimensions)
    assert data.channel.values.tolist() == ["a", "u", "b"]
    np.testing.assert_array_equal(data.field[:, :, 1], u.astype(np.float32))
    for frame in range(frames):
        for channel in (0, 2):
            np.testing.assert_array_equal(data.field[:, frame, channel], A.astype(np.float32))
    later = read(path, ("a", "u"), dimensions=dimensions, time=(1.0, 2.0))
    np.testing.assert_array_equal(later.field[:, 1, 0], A.astype(np.float32))
    np.testing.assert_array_equal(later.field[:, :, 1], u[:, 1:3].astype(np.float32))


def test_each_variable_has_its_own_order(tmp_path):
    path = npz(tmp_path, u=U, a=A.transpose(2, 0, 1), v=U.transpose(3, 2, 1, 0))
    dimensions = {
        "u": ("sample", "time", "y", "x"),
        "a": ("x", "sample", "y"),
        "v": ("x", "y", "time", "sample"),
    }
    data = read(path, ("u", "a", "v"), dimensions=dimensions)
    np.testing.assert_array_equal(data.field[:, :, 0], U.astype(np.float32))
    np.testing.assert_array_equal(data.field[:, 2, 1], A.astype(np.float32))
    np.testing.assert_array_equal(data.field[:, :, 2], data.field[:, :, 0])


def test_names_in_the_file_decide_before_one_order_for_all(tmp_path):
    named = {
        "u": (("sample", "time", "y", "x"), U),
        "v": (("lon", "lat", "valid_time", "member"), U.transpose(3, 2, 1, 0)),
        "a": (("realization", "latitude", "longitude"), A),
    }
    xr.Dataset(named).to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), ("u", "v", "a"))
    np.testing.assert_array_equal(data.field[:, :, 0], U.astype(np.float32))
    np.testing.assert_array_equal(data.field[:, :, 1], data.field[:, :, 0])
    np.testing.assert_array_equal(data.field[:, 1, 2], A.astype(np.float32))
    order = ("sample", "time", "y", "x")
    message = (
        r"'v' has shape .*file names its axes \(lon, .*dimensions: \{v: \[sample, time, y, x\]\}"
    )
    refused(str(tmp_path / "a.nc"), ("u", "v"), message, dimensions=order)
    overruled = read(str(tmp_path / "a.nc"), ("a",), dimensions={"a": ("sample", "x", "y")})
    np.testing.assert_array_equal(overruled.field[:, 0], A.swapaxes(1, 2).astype(np.float32))


def test_attributes_of_coordinates_say_what_axes_are(tmp_path):
    coordinates = {
        "i": ("i", 10.0 * COSINE.nodes(N), {"standard_name": "projection_x_coordinate"}),
        "j": ("j", 10.0 * COSINE.nodes(N), {"axis": "Y"}),
        "k": ("k", np.arange(FRAMES), {"units": "days since 2000-01-01"}),
    }
    fields = {"u": (("sample", "i", "k", "j"), U.transpose(0, 3, 1, 2))}
    xr.Dataset(fields, coordinates).to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), ("u",))
    np.testing.assert_array_equal(data.field[:, :, 0], U.astype(np.float32))
    np.testing.assert_allclose(data.x, 10 * COSINE.nodes(N))
    assert data.time.attrs["units"] == "days"


def test_what_lengths_do_not_decide_is_asked_for(tmp_path):
    series = draw((SAMPLES, FRAMES, 2, N, N))
    path = npz(tmp_path, u=series, v=draw((SAMPLES, FRAMES, N, N)))
    order = ("sample", "time", "channel", "y", "x")
    refused(path, ("u", "v"), r"in several ways; say.*dimensions: \{v: \[", dimensions=order)
    both = {"u": order, "v": ("sample", "channel", "y", "x")}
    data = read(path, ("u", "v"), dimensions=both)
    assert data.channel.values.tolist() == ["u_0", "u_1", "v_0", "v_1", "v_2"]
    np.testing.assert_array_equal(data.field[:, :, :2], series.astype(np.float32))


def test_what_is_the_same_for_all_samples_is_refused(tmp_path):
    named = {"u": (("sample", "y", "x"), A), "mask": (("y", "x"), A[0])}
    xr.Dataset(named).to_netcdf(tmp_path / "a.nc")
    refused(str(tmp_path / "a.nc"), ("u", "mask"), "'mask' is the same for all samples: .*leave it")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (
            draw((SAMPLES - 1, FRAMES, N, N)),
            r"shape \(4, 3, 4, 4\), but dimensions: \[sample, time, y, x\], which other variables "
            r"have with sample 5, time 3, y 4, x 4; read variables that agree",
        ),
        (draw((SAMPLES, FRAMES + 1, N, N)), r"shape \(5, 4, 4, 4\), but dimensions"),
        (draw((SAMPLES, FRAMES, N + 1, N + 1)), r"shape \(5, 3, 5, 5\), but dimensions"),
        (draw((SAMPLES, 2, FRAMES, N, N)), r"shape \(5, 2, 3, 4, 4\), but dimensions"),
    ],
)
def test_variables_that_do_not_fit_together_are_refused(tmp_path, other, named):
    path = npz(tmp_path, u=U, v=other)
    refused(path, ("u", "v"), named, dimensions=("sample", "time", "y", "x"))


def test_a_single_array_has_all_dimensions_that_are_given(tmp_path):
    path = npz(tmp_path, a=A)
    refused(path, ("a",), "shape .*, but dimensions", dimensions=("sample", "time", "y", "x"))


def test_dimensions_of_each_variable_can_be_configured(tmp_path):
    path = npz(tmp_path, u=U, a=A.transpose(1, 2, 0))
    block = {
        "kind": "files",
        "path": path,
        "basis": {"kind": "cosine"},
        "variables": ["u", "a"],
        "dimensions": {"u": ["sample", "time", "y", "x"], "a": ["y", "x", "sample"]},
    }
    dataset = Dataset.model_validate(
        {
            "source": block,
            "split": {"train": 1, "validation": 1, "test": 3},
            "resolutions": [4],
        }
    )
    built = parts.build("source", dataset.source.plain())
    np.testing.assert_array_equal(built.generate([4], 0).field[0, 0, 1], A[4].astype(np.float32))


def test_what_is_said_of_no_variable_is_refused(tmp_path):
    path = npz(tmp_path, u=U, a=A)
    given = {"u": ("sample", "time", "y", "x"), "b": ("sample", "y", "x")}
    refused(
        path, ("u",), r"dimensions.b: not among the variables that are read, u", dimensions=given
    )
    order = ("sample", "y", "x")
    coordinates = {"time": "u"}
    named = "coordinates.time: fields have no dimension time; leave it out"
    refused(path, ("a",), named, dimensions=order, coordinates=coordinates)


def test_positions_and_bounds_are_no_fields(tmp_path):
    y, x = np.meshgrid(np.arange(4.0), np.arange(4.0), indexing="ij")
    named = {
        "u": (("sample", "y", "x"), A),
        "X": (("y", "x"), x),
        "Y": (("y", "x"), y),
        "edges": (("x", "corner"), np.stack([np.arange(4) - 0.5, np.arange(4) + 0.5], 1)),
        "x": ("x", np.arange(4.0), {"bounds": "edges"}),
    }
    xr.Dataset(named).to_netcdf(tmp_path / "a.nc")
    data = FileData(str(tmp_path / "a.nc"), COSINE).generate(range(SAMPLES), 0)
    np.testing.assert_array_equal(data.field[:, 0], A.astype(np.float32))


@pytest.mark.parametrize(
    "names",
    [
        ("member_id", "time", "nlat", "nlon"),
        ("ens", "lead_time", "j", "i"),
        ("init_time", "lead_time", "lat", "lon"),
        ("nsamples", "lead", "ny", "nx"),
    ],
)
def test_usual_names_of_axes(tmp_path, names):
    xr.Dataset({"u": (names[::-1], U.T)}).to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), ())
    np.testing.assert_array_equal(data.field[:, :, 0], U.astype(np.float32))


@pytest.mark.parametrize("names", [("time", "step"), ("prediction_timedelta", "time")])
def test_forecasts_are_samples_from_their_beginnings(tmp_path, names):
    values = U if names[0] == "time" else U.swapaxes(0, 1)
    hours = {"time": 6.0 * np.arange(SAMPLES)} | {set(names).difference({"time"}).pop(): [1, 2, 4]}
    xr.Dataset({"u": ((*names, "lat", "lon"), values)}, hours).to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), ())
    np.testing.assert_array_equal(data.field[:, :, 0], U.astype(np.float32))
    assert data.time.values.tolist() == [1, 2, 4]


def test_levels_are_channels_called_by_their_numbers(tmp_path):
    levels = xr.Dataset(
        {"z": (("time", "pressure_level", "lat", "lon"), U)}, {"pressure_level": [500, 850, 1000.5]}
    )
    levels.to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), (), frames="samples")
    assert data.channel.values.tolist() == ["z_500", "z_850", "z_1000.5"]
    np.testing.assert_array_equal(data.field, U.astype(np.float32))
    levels.assign_coords(pressure_level=[0, 0, 1]).to_netcdf(tmp_path / "b.nc")
    data = read(str(tmp_path / "b.nc"), (), frames="samples")
    assert data.channel.values.tolist() == ["z_0", "z_1", "z_2"]


def test_coordinates_of_other_arrays_are_no_fields(tmp_path):
    """As on the curved grids of ocean models."""
    named = {
        "u": (("sample", "y", "x"), A, {"coordinates": "TLAT TLONG"}),
        "TLAT": (("y", "x"), A[0]),
        "TLONG": (("y", "x"), A[1]),
    }
    xr.Dataset(named).to_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(
        read(str(tmp_path / "a.nc"), ()).field[:, 0], A.astype(np.float32)
    )


def test_arrays_about_others_are_no_fields(tmp_path):
    about = {"cell_measures": "area: cells", "ancillary_variables": "flag"}
    named = {
        "u": (("time", "y", "x"), A, about),
        "cells": (("y", "x"), A[0]),
        "flag": (("time", "y", "x"), A > 0),
        "months": (("time", "corner"), np.ones((SAMPLES, 2))),
        "time": ("time", np.arange(SAMPLES), {"climatology": "months"}),
    }
    xr.Dataset(named).to_netcdf(tmp_path / "a.nc")
    data = read(str(tmp_path / "a.nc"), (), frames="samples")
    np.testing.assert_array_equal(data.field[:, 0], A.astype(np.float32))


def test_the_remedy_has_as_many_axes_as_the_array(tmp_path):
    for values, remedy in (
        (A[0], "[y, x]"),
        (A, "[sample, y, x]"),
        (U, "[sample, time, y, x]"),
        (A[:, None], "[sample, y, x]"),
        (np.stack([U, U], 2), "[sample, time, channel, y, x]"),
    ):
        path = npz(tmp_path, u=values)
        several = r"( \(sample and channel may stand several times\))?"
        message = rf"axes without names; .* dimensions: {re.escape(remedy)}{several}$"
        refused(path, (), message)


@pytest.mark.parametrize("name", ["depth", "height", "z"])
def test_a_single_height_is_left_out(tmp_path, name):
    """As in fields of the surface of the sea, beside others that have no depth."""
    fields = xr.Dataset(
        {"thetao": (("time", name, "lat", "lon"), A[:, None]), "zos": (("time", "lat", "lon"), -A)},
        coords={"time": range(SAMPLES), name: [0.494], "lat": range(N), "lon": range(N)},
    )
    fields.to_netcdf(tmp_path / "a.nc")
    source = FileData(str(tmp_path / "a.nc"), variables=("thetao", "zos"), frames="samples")
    data = source.generate(range(SAMPLES), 0)
    np.testing.assert_array_equal(data.field, np.stack([A, -A], 1).astype(np.float32))


@pytest.mark.parametrize("order", [(), {"u": ("sample", "x")}])
@pytest.mark.parametrize("attributes", [{"mesh": "m", "location": "face"}, {}])
def test_cells_of_a_mesh_are_no_nodes_of_an_axis(tmp_path, order, attributes):
    """As in UGRID and in ICON's files; profiles at places are no mesh."""
    places = {
        "clon": ("cell", draw(9), {"standard_name": "longitude", "units": "radian"}),
        "clat": ("cell", draw(9), {"standard_name": "latitude", "units": "radian"}),
    }
    coordinates = {} if attributes else places
    xr.Dataset({"u": (("time", "cell"), draw((5, 9)), attributes)}, coordinates).to_netcdf(
        tmp_path / "a.nc"
    )
    source = FileData(str(tmp_path / "a.nc"), CosineBasis(1), dimensions=order)
    with pytest.raises(ValueError, match=r"'u' is on the cells of a mesh, .*: interpolate it"):
        source.check()
    profiles = xr.Dataset({"u": (("cell", "depth"), draw((9, N)))}, places)
    profiles.to_netcdf(tmp_path / "b.nc")
    read_profiles = FileData(
        str(tmp_path / "b.nc"), CosineBasis(1), dimensions={"u": ("sample", "x")}
    )
    assert read_profiles.available == 9


@pytest.mark.parametrize("order", [(), ("time", "x"), {"u": ("sample", "x")}])
@pytest.mark.parametrize("mapped", [True, False])
def test_healpix_has_to_be_interpolated(tmp_path, order, mapped):
    """Its cells need no coordinates; where nothing but their name is told, they may be a line."""
    attributes = {"grid_mapping": "crs"} if mapped else {}
    held = xr.Dataset({"u": (("time", "cell"), draw((5, 48)), attributes)})
    held["crs"] = ((), 0, {"grid_mapping_name": "healpix", "healpix_nside": 2})
    held.to_netcdf(tmp_path / "a.nc")
    source = FileData(str(tmp_path / "a.nc"), CosineBasis(1), dimensions=order)
    if order and not mapped:
        assert source.available == (5 if isinstance(order, dict) else 1)
        return
    with pytest.raises(ValueError, match=r"cells of a mesh, .*interpolate.* to latitudes and"):
        source.check()
    if mapped:  # profiles at cells are functions of depth
        xr.Dataset(
            {"u": (("cell", "depth"), draw((48, N)), attributes), "crs": held["crs"]}
        ).to_netcdf(tmp_path / "b.nc")
        profiles = FileData(
            str(tmp_path / "b.nc"), CosineBasis(1), dimensions={"u": ("sample", "x")}
        )
        assert profiles.available == 48


def test_names_of_models_of_the_ocean_are_known(tmp_path):
    named = {"u": (("ocean_time", "eta_rho", "xi_rho"), A)}
    bands = {"u": (("time", "band", "y", "x"), U)}
    for fields, expected in ((named, A[:, None]), (bands, U)):
        xr.Dataset(fields).to_netcdf(tmp_path / "a.nc")
        data = read(str(tmp_path / "a.nc"), (), frames="samples")
        np.testing.assert_array_equal(data.field, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"flag_values": [0, 1], "flag_meanings": "sea land"}, "holds numbers of classes"),
        ({"standard_name": "wind_from_direction"}, "holds directions, .*cosine and sine"),
        ({"standard_name": "air_temperature"}, None),
    ],
)
def test_values_that_cannot_be_averaged_are_told_of(tmp_path, attributes, told):
    xr.Dataset({"u": (("sample", "y", "x"), A, attributes)}).to_netcdf(tmp_path / "a.nc")
    remarks = FileData(str(tmp_path / "a.nc"), COSINE).remarks
    assert len(remarks) == (told is not None)
    assert all(re.search(told, remark) for remark in remarks)


def test_channels_behind_pictures_are_told_of(tmp_path):
    path = npz(tmp_path, u=draw((SAMPLES, 8, 8, 3)))
    (remark,) = FileData(path, COSINE, dimensions=("sample", "channel", "y", "x")).remarks
    assert "8 channels on 8 x 3 nodes: if channels come last, say dimensions: [sample, y" in remark
    assert FileData(path, COSINE, dimensions=("sample", "y", "x", "channel")).remarks == ()
