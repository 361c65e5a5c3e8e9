"""Variables beside each other: on the same nodes, at the same times, as what they stand for."""

import logging

import h5py
import netCDF4
import numpy as np
import pytest
import scipy.io
import xarray as xr

from fsdiff.data.sources.files import FileData
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 6
RANDOM = np.random.default_rng(0)
U, V = RANDOM.standard_normal((2, 4, N, N))
PLANE = ("sample", "y", "x")
CENTRES = np.arange(N) + 0.5


def grouped(path, **changes):
    """Variables a/u and b/u in groups of their own, with the coordinates in each of ``changes``."""
    with h5py.File(path, "w") as file:
        for group, values in (("a", U), ("b", V)):
            file[f"{group}/u"] = values
            file[f"{group}/x"] = file[f"{group}/y"] = CENTRES
        for name, values in changes.items():
            del file[name.replace("_", "/")]
            file[name.replace("_", "/")] = values
    return str(path)


def of(path, basis=FourierBasis(2), **options):  # noqa: B008 (frozen)
    return FileData(str(path), basis, **options)


def both(path, **options):
    return of(path, variables=("a/u", "b/u"), dimensions=PLANE, **options)


def refused(source, message):
    with pytest.raises(ValueError, match=message) as caught:
        source.check()
    assert "\n" not in str(caught.value)


def test_variables_on_the_same_nodes_are_read_together(tmp_path):
    source = both(grouped(tmp_path / "a.h5", b_x=CENTRES + 1e-12))
    source.check()
    np.testing.assert_allclose(source.generate(range(4), 0).field[:, 1], V, rtol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"b_x": CENTRES + 0.5}, {"b_y": CENTRES[::-1]}, {"b_x": 2 * CENTRES}]
)
def test_variables_on_other_nodes_are_refused(tmp_path, changes):
    """Half a cell away, or in the other direction, in which one of them would be turned round."""
    path = grouped(tmp_path / "a.h5", **changes)
    (axis,) = (name[-1] for name in changes)
    refused(both(path), rf"'b/{axis}': 'b/u' is at .* along {axis}, and other variables are at")
    both(path, coordinates={axis: f"a/{axis}"}).check()  # which says what is meant


def test_staggered_grids_are_refused(tmp_path):
    """Arakawa's C grid: velocities on the faces of cells."""
    data = xr.Dataset(
        {"u": (("sample", "y", "xu"), U), "v": (("sample", "yv", "x"), V)},
        {"x": CENTRES, "y": CENTRES, "xu": CENTRES - 0.5, "yv": CENTRES - 0.5},
    )
    data.to_netcdf(tmp_path / "a.nc")
    order = {"u": PLANE, "v": PLANE}
    source = of(tmp_path / "a.nc", variables=("u", "v"), dimensions=order)
    refused(source, "'yv': 'v' is at .* along y, and other variables are at .*interpolate to")


def test_variables_at_other_times_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for group, start in (("a", 0), ("b", 6)):
            file[f"{group}/u"] = RANDOM.standard_normal((4, 3, N, N))
            file[f"{group}/time"] = start + np.arange(3)
    source = of(
        tmp_path / "a.h5", variables=("a/u", "b/u"), dimensions=("sample", "time", "y", "x")
    )
    refused(source, "'b/time': 'b/u' is at .* along time, and other variables are at")


def test_what_is_the_same_in_all_frames_is_no_channel_of_these(tmp_path):
    data = xr.Dataset({"u": (("time", "y", "x"), U), "mask": (("y", "x"), V[0])})
    data.to_netcdf(tmp_path / "a.nc")
    data.to_netcdf(tmp_path / "b.nc")
    options = {"variables": ("u", "mask"), "frames": "samples"}
    refused(of(tmp_path / "a.nc", **options), "'mask' is the same at all times, and these are the")
    of(tmp_path / "a.nc", variables=("u", "mask")).check()  # in series it is beside them
    of(tmp_path, **options).check()  # it may differ from run to run


def test_scales_by_other_names_are_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = (100 * (U + 9)).astype(np.uint16)
        file["u"].attrs.update({"SCALE FACTOR": np.float32(0.5), "Offset": 0, "NoData": 65535})
    source = of(tmp_path / "a.h5", dimensions=PLANE)
    source.check()
    marker, scale = sorted(source.remarks)
    assert "its attribute 'SCALE FACTOR' = 0.5 is not applied; if values stand for others" in scale
    assert "'NoData' = 65535 is not applied" in marker


def test_times_in_rows_of_matlab_are_named(tmp_path):
    """Where all vectors are matrices."""
    series = {"u": RANDOM.standard_normal((4, 3, N)), "tspan": np.array([[0.0, 0.5, 2.0]])}
    scipy.io.savemat(tmp_path / "a.mat", series)
    options = {"variables": ("u",), "dimensions": ("sample", "time", "x")}
    source = of(tmp_path / "a.mat", FourierBasis(1), **options)
    source.check()
    assert "has an entry for each of 3 frames but is not read" in source.remarks[0]
    named = of(tmp_path / "a.mat", FourierBasis(1), **options, coordinates={"time": "tspan"})
    assert named.generate([0], 0).time.values.tolist() == [0, 0.5, 2]


def test_axes_in_the_wrong_order_are_refused(tmp_path):
    """As positions tell that are one for each of the other's nodes."""
    np.savez(tmp_path / "a.npz", u=U[:, :, :4], x=CENTRES, y=CENTRES[:4])
    options = {"variables": ("u",)}
    source = of(tmp_path / "a.npz", dimensions=PLANE, **options)
    refused(source, "6 entries along y and 4 along x, and positions .*: put y and x in the other")
    source = of(tmp_path / "a.npz", dimensions=("sample", "x", "y"), **options)
    np.testing.assert_allclose(
        source.generate(range(4), 0).field[:, 0], U[:, :, :4].swapaxes(1, 2), rtol=1e-6
    )


# Rounding


def test_positions_are_even_up_to_the_step_in_which_they_are_packed(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, count in (("time", 4), ("lat", N), ("lon", N)):
            file.createDimension(name, count)
        for name, unit, places in (
            ("lat", "degrees_north", 40 + np.arange(N) / 3),
            ("lon", "degrees_east", 5 + np.arange(N) / 3),
        ):
            packed = file.createVariable(name, "i2", (name,))
            packed.units, packed.scale_factor = unit, 0.01
            packed[:] = places
        file.createVariable("u", "f8", ("time", "lat", "lon"))[:] = U
    source = FileData(str(tmp_path / "a.nc"), frames="samples")
    source.check()
    found = source.generate(range(4), 0)
    np.testing.assert_allclose(found.lat, 40 + np.arange(N) / 3, atol=0.005)
    np.testing.assert_allclose(np.diff(found.lat), 1 / 3, atol=0.002)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["lat"][2] += 0.05
    refused(FileData(str(tmp_path / "a.nc"), frames="samples"), "'lat' is not equally spaced")


def test_noise_of_rounding_in_some_of_the_files_is_told(tmp_path, caplog):
    large = 101325 + 0.01 * U
    for name, kind in (("a", np.float32), ("b", np.float64)):
        np.save(tmp_path / f"{name}.npy", large.astype(kind))
    source = of(tmp_path, dimensions=PLANE)
    with caplog.at_level(logging.WARNING):
        assert source.generate([7], 0).field.dtype == np.float64
    assert "channel field: values in files are float32, the rounding of which is" in caplog.text


def test_infinite_values_are_no_gaps(tmp_path):
    values = U.copy()
    values[2, 1, 1] = np.inf
    np.save(tmp_path / "a.npy", values)
    for gaps, remedy in (("refuse", "or say gaps: mask"), ("mask", "infinite values are no gaps")):
        source = of(tmp_path / "a.npy", CosineBasis(2), dimensions=PLANE, gaps=gaps)
        with pytest.raises(ValueError, match=f"1 values of sample 2 there .*{remedy}"):
            source.generate(range(4), 0)
