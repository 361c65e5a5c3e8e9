"""Arrays in files: the right values in every format, whatever the suffix."""

import json
from contextlib import contextmanager

import h5py
import netCDF4
import numpy as np
import pytest
import scipy.io
import torch
import xarray as xr
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from fsdiff.data.sources.arrays import opened, readable
from fsdiff.data.sources.files import FileData
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis

N = 4
VALUES = np.random.default_rng(0).normal(279, 5, (3, N, N))
"""Temperatures in kelvin, as weather models pack them."""

SCALE, OFFSET = 0.01, 280.0
PACKED = np.round((VALUES - OFFSET) / SCALE).astype(np.int16)
UNPACKED = PACKED * SCALE + OFFSET


@contextmanager
def array(path, name="u", **options):
    with opened(path, **options) as arrays:
        yield arrays[name]


def read(path, name="u", **options):
    with array(path, name, **options) as stored:
        return stored.read()


def refused(path, named, name="u", **options):
    with pytest.raises(StorageError, match=named) as caught:
        read(path, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(path, values, kind, **attributes):
    """One variable with these attributes, in a file of a kind whatever its suffix is."""
    values = np.asarray(values)
    if kind == "HDF5":
        with h5py.File(path, "w") as file:
            file["u"] = values
            file["u"].attrs.update(attributes)
        return path
    fill = attributes.pop("_FillValue", None)
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for number, length in enumerate(values.shape):
            file.createDimension(f"d{number}", length)
        names = [f"d{number}" for number in range(values.ndim)]
        variable = file.createVariable("u", values.dtype, names, fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[...] = values
    return path


KINDS = ("HDF5", "NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


# Conventions


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".NC", ".dat", ""])
def test_packed_values_are_unpacked_whatever_the_suffix(tmp_path, kind, suffix):
    path = write(tmp_path / f"a{suffix}", PACKED, kind, scale_factor=SCALE, add_offset=OFFSET)
    found = read(path)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, UNPACKED)
    assert abs(found.mean() - 279) < 2


def test_data_sets_are_of_the_unpacked_values(tmp_path, kind):
    path = write(tmp_path / "a.h5", PACKED, kind, scale_factor=SCALE, add_offset=OFFSET)
    data = FileData(str(path), CosineBasis(), dimensions=("sample", "y", "x")).generate(range(3), 0)
    np.testing.assert_allclose(data.field[:, 0], UNPACKED, rtol=1e-7)


def test_parts_are_decoded_like_the_whole(tmp_path, kind):
    path = write(tmp_path / "a", PACKED, kind, scale_factor=SCALE, missing_value=PACKED[1, 2, 3])
    with array(path) as stored:
        whole = stored.read()
        assert np.isnan(whole[1, 2, 3])
        for index in (1, slice(1, 3), (..., 3), (slice(None), 2, [0, 3]), (1, 2, 3)):
            np.testing.assert_array_equal(stored.read(index), whole[index])


@pytest.mark.parametrize(
    ("attributes", "missing"),
    [
        ({"_FillValue": np.int16(3)}, [3]),
        ({"missing_value": np.int16([1, 5])}, [1, 5]),
        ({"_FillValue": np.int16(0), "missing_value": np.int16(5)}, [0, 5]),
        ({"missing_value": "4"}, [4]),
        ({"valid_range": np.int16([2, 4])}, [0, 1, 5]),
        ({"valid_min": np.int16(1), "valid_max": np.int16(4)}, [0, 5]),
        ({"valid_max": np.int16(3), "scale_factor": 2.0}, [4, 5]),
        # Limits in floating point of packed integers are those of what they are unpacked to.
        ({"valid_max": 3.5, "scale_factor": 2.0}, [2, 3, 4, 5]),
        ({"valid_range": [0.1, 0.3], "scale_factor": 0.1}, [0, 4, 5]),
    ],
)
def test_what_the_attributes_exclude_is_missing(tmp_path, kind, attributes, missing):
    values = np.arange(6, dtype=np.int16)
    expected = values * attributes.get("scale_factor", 1.0)
    expected[missing] = np.nan
    np.testing.assert_array_equal(read(write(tmp_path / "a", values, kind, **attributes)), expected)


def test_markers_are_compared_in_the_precision_of_the_values(tmp_path, kind):
    values = np.float32([1, 1e20, -9.99e8])
    path = write(tmp_path / "a", values, kind, missing_value=np.array([1e20, -9.99e8]))
    np.testing.assert_array_equal(read(path), [1, np.nan, np.nan])


def test_integers_without_a_sign_in_a_type_with_one(tmp_path, kind):
    values = np.int8([0, 100, -1, -2])
    attributes = {"_Unsigned": "true", "_FillValue": np.int8(-1), "scale_factor": 2.0}
    found = read(write(tmp_path / "a", values, kind, **attributes))
    np.testing.assert_array_equal(found, [0, 200, np.nan, 508])


@pytest.mark.parametrize("code", ["f4", "f8", "i2", "i4"])
def test_what_netcdf_writes_where_nothing_was_is_missing(tmp_path, kind, code):
    if kind == "HDF5":
        pytest.skip("HDF5 has no such values")
    path = write(tmp_path / "a", np.array([7, netCDF4.default_fillvals[code]], code), kind)
    np.testing.assert_array_equal(read(path), [7, np.nan])


def test_all_single_bytes_are_values(tmp_path):
    path = write(tmp_path / "a", np.uint8([0, 255]), "NETCDF4")
    np.testing.assert_array_equal(read(path), [0, 255])


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_decoding_agrees_with_netcdf4(tmp_path, kind):
    rng = np.random.default_rng(1)
    values = rng.integers(-128, 128, (50, 3)).astype(np.int8)
    attributes = {
        **{"scale_factor": 0.3, "add_offset": -2.0, "_FillValue": np.int8(4)},
        **{"missing_value": np.int8([7, 9]), "valid_range": np.int8([-100, 90])},
    }
    path = write(tmp_path / "a", values, kind, **attributes)
    with netCDF4.Dataset(path) as file:
        expected = file["u"][:].filled(np.nan)
    np.testing.assert_array_equal(read(path), expected)


@pytest.mark.parametrize("engine", ["netcdf4", "scipy"])
def test_what_xarray_packs_comes_back(tmp_path, engine):
    holes = VALUES.copy()
    holes[0, 1, 2] = np.nan
    encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280, "_FillValue": -32767}
    xr.Dataset({"u": (("time", "y", "x"), holes, {"units": "K"})}).to_netcdf(
        tmp_path / "a.nc", engine=engine, encoding={"u": encoding}
    )
    with array(tmp_path / "a.nc") as stored:
        np.testing.assert_allclose(stored.read(), holes, atol=0.005)
        assert (stored.dimensions, stored.units) == (("time", "y", "x"), "K")


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"scale_factor": "large"}, "its attribute scale_factor = large is not a number; correct"),
        ({"scale_factor": [1.0, 2.0]}, "its attribute scale_factor = .1.0, 2.0. has more than 1"),
        ({"valid_range": [1.0, 2.0, 3.0]}, "its attribute valid_range .* has more than 2"),
    ],
)
def test_attributes_that_cannot_be_meant_are_refused(tmp_path, kind, attributes, named):
    path = write(tmp_path / "a.nc", PACKED, kind, **attributes)
    assert f"{path}: 'u'" in refused(path, named)


# Precision


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (101325 + 1e-2 * np.linspace(-1, 1, 7), np.float64),
        (np.array([2**24 + 1, 2**31 - 1], np.int32), np.float64),
        (np.float32([0.1, 2450000.5]), np.float32),
        (np.array([-32768, 32767], np.int16), np.float32),
        (np.float16([0.1, 1]), np.float32),
    ],
)
@pytest.mark.parametrize("write_to", ["a.npy", "a.npz", "a.h5", "a.mat"])
def test_values_are_never_rounded(tmp_path, values, dtype, write_to):
    path = tmp_path / write_to
    if write_to == "a.npy":
        np.save(path, values)
    elif write_to == "a.npz":
        np.savez(path, field=values)
    elif write_to == "a.h5":
        with h5py.File(path, "w") as file:
            file["field"] = values
    elif values.dtype != np.float16:
        scipy.io.savemat(path, {"field": values}, oned_as="column")
    else:
        pytest.skip("MATLAB has no half precision")
    found = read(path, "field").ravel()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("write_to", ["a.npy", "a.npz", "a.h5", "a.mat", "a.safetensors"])
def test_logical_values_are_zero_and_one(tmp_path, write_to):
    path, values = tmp_path / write_to, VALUES > 279
    if write_to == "a.npy":
        np.save(path, values)
    elif write_to == "a.npz":
        np.savez(path, field=values)
    elif write_to == "a.h5":
        with h5py.File(path, "w") as file:
            file["field"] = values
    elif write_to == "a.mat":
        scipy.io.savemat(path, {"field": values})
    else:
        save_file({"field": values}, path)
    np.testing.assert_array_equal(read(path, "field"), values.astype(float))


# What a file says beside its values


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize(
    ("units", "expected"),
    [("m/s", "m/s"), (1, "1"), (2.5, "2.5"), ([1, 2], None), (" ", None), (None, None)],
)
def test_units_are_text_whatever_their_type(tmp_path, kind, units, expected):
    given = {} if units is None else {"units": units}
    with array(write(tmp_path / "a.nc", PACKED, kind, **given)) as stored:
        assert stored.units == expected


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("kind", ["fixed", "variable", "NETCDF3_CLASSIC"])
def test_letters_of_older_programs_in_units(tmp_path, kind, encoding):
    path, units = tmp_path / "a.nc", "µm °".encode(encoding).ljust(7)
    if kind == "NETCDF3_CLASSIC":
        write(path, PACKED, kind, units="replaced"[:7])
        path.write_bytes(path.read_bytes().replace(b"replace", units))
    else:
        with h5py.File(path, "w") as file:
            file["u"] = PACKED
            dtype = h5py.string_dtype("ascii", None if kind == "variable" else len(units))
            file["u"].attrs.create("units", units, dtype=dtype)
    with array(path) as stored:
        assert stored.units == "µm °"


def test_attributes_are_plain_values(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = PACKED
        file["u"].attrs.update(
            {
                "text": np.bytes_("K"),
                "one": np.float32([0.5]),
                "several": np.int16([1, 2]),
                "words": ["a", "b"],
                "flag": np.bool_(True),
                "empty": h5py.Empty("f4"),
                "reference": file["u"].ref,
                "coordinates": "lat lon",
            }
        )
    with array(tmp_path / "a.h5") as stored:
        assert stored.attributes == {
            **{"text": "K", "one": 0.5, "several": [1, 2], "words": ["a", "b"], "flag": True},
            "coordinates": "lat lon",
        }
        assert {type(v) for v in stored.attributes.values()} == {str, float, list, bool}
        assert stored.coordinates == ("lat", "lon")
        assert stored.dimensions is None


def test_groups_and_dimensions_of_netcdf(tmp_path):
    """Also coordinates along several axes, and variables with the name of another's dimension."""
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, length in (("time", None), ("y", N), ("x", N), ("member", 2)):
            file.createDimension(name, length)
        file.createVariable("y", "f8", ("y",))[:] = np.arange(N)
        file.createVariable("time", "f8", ("member", "time"))[:] = np.arange(6).reshape(2, 3)
        file.createVariable("x", "f8", ("member",))[:] = [3, 5]
        group = file.createGroup("run/first")
        group.createVariable("u", "f8", ("time", "y", "x"))[:] = VALUES
        group.createDimension("z", 2)
        group.createVariable("w", "i4", ("z",))[:] = 1
        expected = {
            f"{g.path}/{name}".lstrip("/"): (variable.dimensions, variable.shape)
            for g in (file, group)
            for name, variable in g.variables.items()
        }
    with opened(tmp_path / "a.nc") as arrays:
        found = {name: (stored.dimensions, stored.shape) for name, stored in arrays.items()}
        assert found == expected
        assert arrays["time"].read().tolist() == [[0, 1, 2], [3, 4, 5]]
        np.testing.assert_array_equal(arrays["run/first/u"].read(), VALUES)


def test_what_was_not_written_yet_along_an_unlimited_dimension_is_missing(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5)
        file.createVariable("u", "f8", ("time", "x"))[:3] = np.arange(9).reshape(3, 3)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        expected = file["u"][:].filled(np.nan)
    assert np.isnan(expected[3:]).all()
    with array(tmp_path / "a.nc") as stored:
        assert stored.shape == (5, 3)
        for index in (..., 1, 4, slice(2, 5), [0, 1, 4], (slice(1, 4), 2), (slice(None), [0, 2])):
            np.testing.assert_array_equal(stored.read(index), expected[index])


def test_dimensions_of_hdf5_are_those_of_its_scales_or_labels(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fields/u"], file["lat"], file["v"] = VALUES, np.arange(N), VALUES
        file["lat"].make_scale("latitude in degrees")
        file["fields/u"].dims[1].attach_scale(file["lat"])
        file["v"].dims[0].label, file["v"].dims[2].label = "sample", "x"
    with opened(tmp_path / "a.h5") as arrays:
        assert {name: stored.dimensions for name, stored in arrays.items()} == {
            "fields/u": ("axis 0", "lat", "axis 2"),
            "lat": ("lat",),
            "v": ("sample", "axis 1", "x"),
        }


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_names_are_text(tmp_path, kind):
    names = np.array(["u", "vorticity"], object)
    xr.Dataset(coords={"channel": names}).to_netcdf(tmp_path / "a.nc", format=kind)
    with array(tmp_path / "a.nc", "channel") as stored:
        assert stored.dimensions == ("channel",)
        assert list(stored.values[:]) == ["u", "vorticity"]
        with pytest.raises(StorageError, match="'channel' holds values of type text: write real"):
            stored.check()


# Formats


def matlab(path):
    """Version 7.3: axes in reverse, classes as attributes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["u"], file["name"] = VALUES.T, np.uint16([[97], [98]])
        file["mask"] = (VALUES > 279).T.astype(np.uint8)
        for name, kind in (("u", "double"), ("name", "char"), ("mask", "logical")):
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["#refs#/a"] = np.zeros((2, 2))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    return path


@pytest.mark.parametrize("suffix", [".mat", ".MAT", ".h5"])
def test_matlab_7_3_is_known_by_its_content(tmp_path, suffix):
    with opened(matlab(tmp_path / f"a{suffix}")) as arrays:
        assert sorted(arrays) == ["mask", "name", "u"]
        stored = arrays["u"]
        for index in (..., 1, slice(0, 2), (..., 1), (slice(None), [0, 2]), (2, slice(1, 3), 0)):
            np.testing.assert_array_equal(stored.read(index), VALUES[index])
        np.testing.assert_array_equal(arrays["mask"].read(), VALUES > 279)
        with pytest.raises(StorageError, match="type char: write real numbers"):
            arrays["name"].check()


def test_axes_are_turned_round_with_all_that_is_known_of_them(tmp_path):
    """Names, packing, and chunks that were never written."""
    with h5py.File(tmp_path / "a.mat", "w") as file:
        values = file.create_dataset("u", PACKED.T.shape, "i2", chunks=(4, 4, 1))
        values[:, :, :2] = PACKED[:2].T
        values.attrs.update(scale_factor=SCALE, missing_value=PACKED[1, 2, 3], units="K")
        for axis, name in enumerate(("x", "y", "time")):
            values.dims[axis].label = name
    with array(tmp_path / "a.mat") as stored:
        assert (stored.dimensions, stored.units) == (("time", "y", "x"), "K")
        found = stored.read()
        assert np.isnan(found[2]).all()
        expected = np.where(PACKED[1, 2, 3] == PACKED, np.nan, PACKED * SCALE)
        np.testing.assert_array_equal(found[:2], expected[:2])
        np.testing.assert_array_equal(stored.read((slice(1, 3), 0)), found[1:3, 0])


NUMBERS = {
    **{
        "double": VALUES,
        "single": VALUES.astype(np.float32),
        "whole": np.arange(24.0).reshape(4, 6),
    },
    **{"int64": np.array([[2**60 + 1, -3]]), "uint8": np.uint8([[1, 255]]), "scalar": 3.5},
    **{"logical": VALUES > 279, "column": np.arange(5.0)[:, None], "empty": np.zeros((0, 3))},
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".mat", ".dat"])
def test_matlab_5_is_read_as_scipy_reads_it(tmp_path, compressed, suffix):
    others = {"words": "text", "cells": np.array([1, "a"], object), "fields": {"a": 1.0}}
    path = tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        scipy.io.savemat(file, NUMBERS | others, do_compression=compressed)
    expected = scipy.io.loadmat(path, appendmat=False)
    with opened(path) as arrays:
        assert sorted(arrays) == sorted(NUMBERS | others)
        for name in NUMBERS:
            np.testing.assert_array_equal(arrays[name].read(), expected[name].astype(float), name)
            assert arrays[name].shape == expected[name].shape
        for name, kind in (("words", "text"), ("cells", "cell"), ("fields", "struct")):
            with pytest.raises(StorageError, match=f"'{name}' holds values of type {kind}: write"):
                arrays[name].read()


def test_matlab_5_with_the_other_order_of_bytes(tmp_path):
    values = np.arange(6.0).reshape(2, 3)

    def element(kind, content):
        return np.array([kind, len(content)], ">u4").tobytes() + content + bytes(-len(content) % 8)

    parts = [
        element(6, np.array([6, 0], ">u4").tobytes()),
        element(5, np.array(values.shape, ">i4").tobytes()),
        np.array([1 << 16 | 1], ">u4").tobytes() + b"u\0\0\0",
        element(9, values.astype(">f8").tobytes(order="F")),
    ]
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(header + element(14, b"".join(parts)))
    np.testing.assert_array_equal(read(tmp_path / "a.mat"), values)
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "a.mat")["u"], values)


def test_matlab_4(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"u": VALUES[0], "name": "text"}, format="4")
    np.testing.assert_array_equal(read(tmp_path / "a.mat"), VALUES[0])
    refused(tmp_path / "a.mat", "'name' holds values of type char", "name")


@pytest.mark.parametrize("name", ["a.npy", "a.NPY", "a.raw"])
def test_numpy_s_files_are_known_by_their_content(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        np.save(file, np.asfortranarray(VALUES))
    np.testing.assert_array_equal(read(tmp_path / name, "field"), VALUES)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["a.npz", "a.NPZ", "a.zip"])
def test_archives_are_known_by_their_content(tmp_path, save, name):
    with (tmp_path / name).open("wb") as file:
        save(file, u=VALUES, names=np.array(["a", "b"]))
    np.testing.assert_array_equal(read(tmp_path / name), VALUES)
    with array(tmp_path / name, "names") as stored:
        assert list(stored.values[:]) == ["a", "b"]


def test_tensors_are_read(tmp_path):
    save_file({"u": VALUES, "v": VALUES.astype(np.float32)}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read(tmp_path / "a.safetensors"), VALUES)
    assert read(tmp_path / "a.safetensors", "v").dtype == np.float32


def test_tensors_of_half_precision_are_read(tmp_path, caplog):
    tensors = {"b": torch.from_numpy(VALUES).bfloat16(), "h": torch.from_numpy(VALUES).half()}
    tensors |= {"c": torch.ones(3, N, N, dtype=torch.complex64)}
    save_torch_file(tensors, tmp_path / "a.safetensors")
    for name in "bh":
        expected = tensors[name].float().numpy()
        np.testing.assert_array_equal(read(tmp_path / "a.safetensors", name), expected)
    refused(tmp_path / "a.safetensors", "write real and imaginary parts as two channels", "c")
    for name, noisy in (("b", True), ("h", False)):  # 279 ± 5 in steps of 2, or of 1/4
        caplog.clear()
        FileData(
            str(tmp_path / "a.safetensors"),
            CosineBasis(),
            variables=(name,),
            dimensions=("sample", "y", "x"),
        ).generate(range(3), 0)
        assert ("values in files are bfloat16, the rounding of which is" in caplog.text) == noisy


@pytest.mark.parametrize("compression", ["zstd", "bzip2", "blosc_lz4", "zlib"])
def test_filters_of_netcdf4_are_understood(tmp_path, compression):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 100)
        file.createVariable("u", "f8", ("x",), compression=compression)[:] = np.arange(100)
    np.testing.assert_array_equal(read(tmp_path / "a.nc"), np.arange(100))


# Zarr


@pytest.fixture
def zarr():
    return pytest.importorskip("zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_what_xarray_writes_to_zarr_comes_back(tmp_path, zarr, version):
    holes = VALUES.copy()
    holes[0, 1, 2] = np.nan
    encoding = {
        "u": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280, "_FillValue": -32767},
        "v": {"dtype": "float32", "_FillValue": -999.0, "chunks": (2, 4, 4)},
    }
    names = ("time", "y", "x")
    data = xr.Dataset({"u": (names, holes, {"units": "K"}), "v": (names, holes)})
    data = data.assign_coords(channel=np.array(["a", "b"], object))
    store = tmp_path / "a.zarr"
    data.to_zarr(store, encoding=encoding, zarr_format=version, consolidated=version == 2)
    with opened(tmp_path / "a.zarr") as arrays:
        np.testing.assert_allclose(arrays["u"].read(), holes, atol=0.005)
        np.testing.assert_array_equal(arrays["v"].read(), holes.astype(np.float32))
        np.testing.assert_array_equal(
            arrays["v"].read((slice(1, 3), [0, 3])), holes[1:3][:, [0, 3]].astype(np.float32)
        )
        assert (arrays["u"].dimensions, arrays["u"].units) == (names, "K")
        assert list(arrays["channel"].values[:]) == ["a", "b"]


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_of_zarr_that_are_not_there_are_missing(tmp_path, zarr, version):
    group = zarr.open_group(tmp_path / "a", mode="w", zarr_format=version)
    options = {"shape": (5, N), "chunks": (2, 3), "dtype": "f8", "fill_value": np.nan}
    run = group.create_group("run").create_array("u", **options)
    run[:2], run[2:, :3] = 1, 2
    found = read(tmp_path / "a", "run/u")
    np.testing.assert_array_equal(found[:2], 1)
    np.testing.assert_array_equal(found[2:, :3], 2)
    assert np.isnan(found[2:, 3:]).all()


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_of_zarr_that_may_be_zero_or_lost_are_refused(tmp_path, zarr, version):
    options = {"shape": (4,), "chunks": (2,), "dtype": "f4", "zarr_format": version}
    zarr.create_array(tmp_path / "a", **options)[:2] = 3
    with array(tmp_path / "a", "field") as stored:
        np.testing.assert_array_equal(stored.read(slice(0, 2)), 3)
    named = r"a: chunk .1,. is not there, so that it is zero, .* or lost: write the store with"
    refused(tmp_path / "a", named, "field")
    zarr.create_array(tmp_path / "b", config={"write_empty_chunks": True}, **options)[:] = 0
    np.testing.assert_array_equal(read(tmp_path / "b", "field"), 0)
    zarr.create_array(tmp_path / "c", shape=(), dtype="f8", zarr_format=version)[...] = 5
    assert read(tmp_path / "c", "field") == 5


@pytest.mark.parametrize("place", ["start", "end"])
def test_chunks_within_shards_of_zarr_that_are_not_there(tmp_path, zarr, place):
    shards = {"shape": (6, N), "index_location": place}
    options = {"shape": (6, 2 * N), "chunks": (2, N), "shards": shards, "dtype": "f8"}
    for fill in (np.nan, 0):
        values = zarr.create_array(tmp_path / f"{fill}", **options, fill_value=fill)
        values[:2], values[4:, :N] = 1, 2
    expected = np.full((6, 2 * N), np.nan)
    expected[:2], expected[4:, :N] = 1, 2
    np.testing.assert_array_equal(read(tmp_path / "nan", "field"), expected)
    with array(tmp_path / "0", "field") as stored:
        np.testing.assert_array_equal(stored.read((slice(4, 6), slice(0, N))), 2)
    refused(tmp_path / "0", r"chunk \(1, 0\) is not there", "field")


@pytest.mark.parametrize("whole", [False, True])
def test_chunks_of_zarr_in_other_places_are_refused(tmp_path, zarr, whole):
    options = {"shape": (4,), "chunks": (2,), "dtype": "u1", "compressors": None, "fill_value": 9}
    zarr.open_group(tmp_path / "a", mode="w").create_array("u", **options)[:] = 1
    (tmp_path / "secret").write_bytes(b"ab")
    chunk = tmp_path / "a/u/c/1"
    if whole:
        (tmp_path / "a/u").rename(tmp_path / "elsewhere")
        (tmp_path / "a/u").symlink_to(tmp_path / "elsewhere")
    else:
        chunk.unlink()
        chunk.symlink_to(tmp_path / "secret")
    refused(tmp_path / "a", r"is a link out of the store, to .*; copy that into it")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    if not whole:
        with array(tmp_path / "link") as stored:
            np.testing.assert_array_equal(stored.read(slice(0, 2)), 1)


@pytest.mark.parametrize("version", [2, 3])
def test_stores_of_pickles_are_refused(tmp_path, zarr, version):
    """By zarr, if it knows no such values, or else here."""
    group = zarr.open_group(tmp_path / "a", mode="w", zarr_format=version)
    group.create_array("u", shape=(4,), chunks=(4,), dtype="f4")[:] = 1
    path = tmp_path / "a/u" / {2: ".zarray", 3: "zarr.json"}[version]
    pickled = {
        2: {"compressor": {"id": "pickle"}},
        3: {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | pickled[version]))
    refused(tmp_path / "a", "a( cannot be read .*pickle|/u is kept as pickles)")


def test_without_the_package_a_store_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    (tmp_path / "zarr.json").write_text("{}")
    refused(tmp_path, r"is a zarr store, and the package .* pip install 'fsdiff\[zarr\]'")


# Groups for samples


def test_groups_with_their_own_packing_are_one_array(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, scale in enumerate((1.0, 2.0, 4.0)):
            group = file.create_group(f"{number:04}")
            group["data"] = PACKED[number]
            group["data"].attrs.update(scale_factor=scale, units="K", _FillValue=PACKED[0, 0, 0])
            group["grid/x"] = np.arange(N)
    expected = PACKED * np.array([1.0, 2.0, 4.0])[:, None, None]
    expected[PACKED[0, 0, 0] == PACKED] = np.nan
    with opened(tmp_path / "a.h5", grouped=["data"]) as arrays:
        assert sorted(arrays) == ["data", "x"]
        stored = arrays["data"]
        assert stored.units == "K"
        for index in (..., 1, slice(1, 3), [0, 2], (slice(None), 2, [0, 3]), (2, ..., 1)):
            np.testing.assert_array_equal(stored.read(index), expected[index])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda f: f["0001/data"].attrs.update(units="C"),
            "'data' has units C in group '0001' and K",
        ),
        (
            lambda f: f["0001/grid/x"].write_direct(np.arange(N) + 1),
            "'grid/x' has other values in group '0001' than in '0000'",
        ),
        (lambda f: f.move("0001/data", "0001/other"), "group '0001' has no array 'data'"),
    ],
)
def test_groups_must_be_alike(tmp_path, change, named):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(2):
            file[f"{number:04}/data"], file[f"{number:04}/grid/x"] = PACKED[number], np.arange(N)
            file[f"{number:04}/data"].attrs["units"] = "K"
        change(file)
    refused(tmp_path / "a.h5", named, "x", grouped=["data"])


def test_groups_of_samples_with_other_names(tmp_path):
    draw = np.random.default_rng(0).standard_normal
    u, v = draw((3, N, N)), draw((3, 2, N, N))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(3):
            group = file.create_group(f"run {number}")
            group["fields/u"], group["v"] = u[number], v[number]
            group["t"], group["seed"], group["note"] = [0.5, 2.0], number, "text"
    options = {"layout": "pdebench", "variables": ("v", "fields/u")}
    dimensions = ("sample", "time", "y", "x")
    source = FileData(str(tmp_path), CosineBasis(), **options, dimensions=dimensions)
    data = source.generate(range(3), 0)
    assert data.time.values.tolist() == [0.5, 2.0]
    for channel, expected in ((0, v), (1, u[:, None].repeat(2, 1))):
        np.testing.assert_array_equal(data.field[:, :, channel], expected.astype(np.float32))
    named = r"group 'run 0' has no array 'data'.*say which to read: variables: \[...\]"
    with pytest.raises(StorageError, match=named):
        FileData(str(tmp_path), CosineBasis(), layout="pdebench").check()
    with pytest.raises(StorageError, match="or layout: pdebench where each group is a sample"):
        FileData(str(tmp_path), CosineBasis()).check()


# Which files are read


def test_files_that_promise_arrays_are_told_from_others(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    (tmp_path / "a.npy").rename(tmp_path / "field")
    names = {
        "empty.nc": b"",
        "b.H5": b"nothing",
        "notes.txt": b"notes",
        "weights.pt": b"\x80\x02}.",
    }
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "store").mkdir()
    (tmp_path / "store/.zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "folder").mkdir()
    found = sorted(path.name for path in tmp_path.iterdir() if readable(path))
    assert found == ["b.H5", "empty.nc", "field", "store"]
