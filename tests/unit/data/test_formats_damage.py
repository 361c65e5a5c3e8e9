"""Files that are damaged, hostile or unfinished are refused in one line that names them."""

import io
import os
import pickle
import struct
import zipfile
import zlib

import h5py
import netCDF4
import numpy as np
import pytest
import scipy.io
import torch
from safetensors.numpy import save_file

from fsdiff.data.sources.arrays import opened
from fsdiff.jobs.failures import StorageError

VALUES = np.arange(1.0, 61).reshape(5, 4, 3)


def read(path, name="u", index=..., **options):
    with opened(path, **options) as arrays:
        if name not in arrays:
            raise StorageError(f"{path} has no array '{name}'")
        return arrays[name].read(index)


def refused(path, named, **options):
    with pytest.raises(StorageError, match=named) as caught:
        read(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# Values that are not in the file


def test_values_in_any_other_file_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(VALUES.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", VALUES.shape, "f8", external=[(str(secret), 0, VALUES.nbytes)])
    assert str(secret) in refused(tmp_path / "a.h5", "the values of 'u' are in other files")


def test_links_into_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["u"] = VALUES
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/u"] = h5py.ExternalLink("b.h5", "u")
    refused(tmp_path / "a.h5", "'run/u' is a link into another file, 'b.h5'; copy")
    refused(tmp_path / "a.h5", "'run/u' is a link into another file", grouped=["data"])


@pytest.mark.parametrize("there", [True, False])
def test_virtual_data_sets_name_their_sources(tmp_path, there):
    layout = h5py.VirtualLayout(VALUES.shape, "f8")
    for number in range(len(VALUES)):
        if there:
            with h5py.File(tmp_path / f"{number}.h5", "w") as file:
                file["u"] = VALUES[number]
        layout[number] = h5py.VirtualSource(f"{number}.h5", "u", VALUES.shape[1:])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("u", layout)
    refused(tmp_path / "a.h5", "virtual data set, whose values are in 0.h5, 1.h5, .*give those")


# Values that were never written


@pytest.mark.parametrize("chunks", [(2, 3, 3), (1, 4, 3), (5, 4, 3)])
def test_chunks_that_were_never_written_are_missing(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", VALUES.shape, "f8", chunks=chunks, compression="gzip")
        file["u"][:2, :3] = VALUES[:2, :3]
    found = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(found[:2, :3], VALUES[:2, :3])
    written = np.zeros(VALUES.shape, bool)
    written[: -(-2 // chunks[0]) * chunks[0], : -(-3 // chunks[1]) * chunks[1]] = True
    np.testing.assert_array_equal(np.isnan(found), ~written)
    for index in (3, (slice(1, 3), 3), (..., [0, 2]), (slice(1, 4), [0, 3]), (2, 3, 1)):
        np.testing.assert_array_equal(read(tmp_path / "a.h5", index=index), found[index])


def test_arrays_of_which_nothing_was_written_are_missing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", VALUES.shape, "f8")
        file.create_dataset("v", VALUES.shape, "f8", chunks=(1, 4, 3))
        file.create_dataset("w", data=VALUES)
    assert np.isnan(read(tmp_path / "a.h5", "u")).all()
    assert np.isnan(read(tmp_path / "a.h5", "v")).all()
    np.testing.assert_array_equal(read(tmp_path / "a.h5", "w"), VALUES)


def test_values_that_the_writer_chose_for_none_are_missing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", VALUES.shape, "f8", fillvalue=-999, chunks=VALUES.shape)
        file["u"][0] = 0
    found = read(tmp_path / "a.h5")
    assert (found[0] == 0).all()
    assert np.isnan(found[1:]).all()


def test_netcdf_without_fill_values_has_no_zeros_for_what_was_not_written(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 6)
        file.createVariable("u", "f8", ("x",), fill_value=False, chunksizes=(2,))[:2] = 1
    np.testing.assert_array_equal(read(tmp_path / "a.nc"), [1, 1, *[np.nan] * 4])


# Sizes


def test_arrays_that_would_fill_the_memory_are_refused(tmp_path):
    """Tiny files with 10^9 channels, in chunks that are not there or packed zeros."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", (1, 10**9, 4, 4), "f8", chunks=(1, 1000, 4, 4))
        file.create_dataset("v", (10,), "f8", maxshape=(None,), chunks=(10**8,), compression="gzip")
    refused(tmp_path / "a.h5", r"'u' has shape \(1, 1000000000, 4, 4\), 122070 MB, over 100 times")
    refused(tmp_path / "a.h5", "'v' has shape .10,., 763 MB", name="v")
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("channel", 10**9)
        file.createVariable("u", "f8", ("channel",), chunksizes=(10**6,))
    refused(tmp_path / "a.nc", "7629 MB, over 100 times the size of its file: damaged, or most of")


def header(shape, kind="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def test_archives_that_would_fill_the_memory_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.npy", header((2**26,)) + bytes(2**29))
    refused(tmp_path / "a.npz", "'u' has shape .67108864,., 512 MB, over 100 times")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("u.npy", header((10**12,)))
    refused(tmp_path / "b.npz", "u.npy' has 128 bytes and says that it has 8000000000128; fetch")


def test_headers_that_would_fill_the_memory_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        length = 2**27
        archive.writestr("u.npy", b"\x93NUMPY\2\0" + struct.pack("<I", length) + b" " * length)
    refused(tmp_path / "a.npz", "cannot be read as a file of format NumPy archive .*EOF")


def test_small_arrays_may_be_packed_to_nothing(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", u=np.zeros((1000, 1000)))
    assert read(tmp_path / "a.npz").shape == (1000, 1000)


def matlab(shape, content, *, after=b""):
    """A compressed array with any claim of its shape."""

    def element(kind, content):
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    parts = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", *shape))
    parts += element(1, b"u") + element(9, content)
    packed = zlib.compress(element(14, parts) + after)
    return (
        b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed
    )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (matlab((2**13, 2**13), bytes(8)), "512 MB, over 100 times"),
        (matlab((2, 2), bytes(8)), "'u' cannot be read .*reshape"),
        (matlab((1, 1), bytes(2**20)), "'u' cannot be read .*is larger than it says, or cut off"),
        (matlab((1, 1), bytes(8), after=bytes(2**24)), "larger than it says"),
        (matlab((-1, 1), bytes(8)), "'u' has shape"),
        (matlab((1, 1), bytes(8))[:-3], "ends before its last array does"),
    ],
)
def test_arrays_of_matlab_that_claim_another_size_are_refused(tmp_path, content, named):
    (tmp_path / "a.mat").write_bytes(matlab((1, 1), struct.pack("<d", 2.5)))
    assert read(tmp_path / "a.mat") == 2.5
    (tmp_path / "a.mat").write_bytes(content)
    refused(tmp_path / "a.mat", named)


# Names


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("u.npy", header((0,)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("u.npy", header((0,)))
    refused(tmp_path / "a.npz", "has 2 arrays 'u'; write it again")
    one = matlab((1, 1), bytes(8))
    (tmp_path / "a.mat").write_bytes(one + one[128:])
    refused(tmp_path / "a.mat", "has two variables 'u'; write it again")


# Nothing is unpickled


class Trap:
    """Ends the process when it is unpickled."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.pkl", "a.joblib", "a.npy", "a.h5", "a"])
@pytest.mark.parametrize("write", [torch.save, pickle.dump, "old", "zlib"])
def test_pickles_are_refused_with_the_safe_way(tmp_path, name, write):
    with (tmp_path / name).open("wb") as file:
        if write == "old":
            torch.save(Trap(), file, _use_new_zipfile_serialization=False)
        elif write == "zlib":
            file.write(zlib.compress(pickle.dumps(Trap())))  # as joblib does
        else:
            write(Trap(), file)
    if write == "zlib" and name in ("a.npy", "a.h5", "a"):
        refused(tmp_path / name, "is in none of the formats that are read, by its content")
    else:
        refused(tmp_path / name, "is a pickle .* save its arrays with numpy.save or safetensors")


def test_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([Trap()]), allow_pickle=True)
    refused(tmp_path / "a.npy", "a.npy holds Python objects, .*: write one array of numbers")
    np.savez(tmp_path / "a.npz", u=np.array([Trap()]))
    refused(tmp_path / "a.npz", "'u' holds values of type object: write real numbers")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = np.zeros(2, [("re", "f8"), ("n", "i4")])
        file["v"] = np.array([file["u"].ref], h5py.ref_dtype)
    refused(tmp_path / "a.h5", "'u' holds values of type compound")
    refused(tmp_path / "a.h5", "'v' holds values of type object", name="v")


# Damage


def files(folder):
    """A file of each format, with VALUES in it."""
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("u", data=VALUES, chunks=(1, 4, 3), compression="gzip", fletcher32=True)
        file["u"].attrs["units"] = "K"
    for name, kind in (
        ("4.nc", "NETCDF4"),
        ("3.nc", "NETCDF3_CLASSIC"),
        ("5.nc", "NETCDF3_64BIT_DATA"),
    ):
        with netCDF4.Dataset(folder / name, "w", format=kind) as file:
            for axis, length in zip("tyx", VALUES.shape, strict=True):
                file.createDimension(axis, length)
            file.createVariable("u", "f8", tuple("tyx"))[:] = VALUES
    np.save(folder / "a.npy", VALUES)
    np.savez(folder / "a.npz", u=VALUES)
    np.savez_compressed(folder / "b.npz", u=VALUES)
    scipy.io.savemat(folder / "5.mat", {"u": VALUES})
    scipy.io.savemat(folder / "6.mat", {"u": VALUES}, do_compression=True)
    scipy.io.savemat(folder / "4.mat", {"u": VALUES[0]}, format="4")
    save_file({"u": VALUES}, folder / "a.safetensors")
    return sorted(folder.iterdir())


NAMES = [
    "3.nc",
    "4.mat",
    "4.nc",
    "5.mat",
    "5.nc",
    "6.mat",
    "a.h5",
    "a.npy",
    "a.npz",
    "a.safetensors",
    "b.npz",
]


@pytest.mark.parametrize("name", NAMES)
def test_files_that_end_early_are_refused(tmp_path, name):
    assert [path.name for path in files(tmp_path)] == NAMES
    content = (tmp_path / name).read_bytes()
    variable = "field" if name == "a.npy" else "u"
    expected = VALUES[0] if name == "4.mat" else VALUES
    np.testing.assert_array_equal(read(tmp_path / name, variable), expected)
    for length in {*np.linspace(0, len(content) - 1, 40).astype(int), len(content) - 8}:
        (tmp_path / name).write_bytes(content[:length])
        refused(tmp_path / name, name, name=variable)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_are_refused_or_change_values_alone(tmp_path, name):
    files(tmp_path)
    content = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, min(len(content), 2000), 40):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        (tmp_path / name).write_bytes(damaged)
        reason = reason_of_refusal(tmp_path / name)
        assert reason is None or (str(tmp_path / name) in reason and "\n" not in reason)


def reason_of_refusal(path):
    try:
        with opened(path) as arrays:
            for stored in arrays.values():
                stored.read()
    except StorageError as error:
        return str(error)


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".npy", ".npz", ".mat", ".safetensors", ".txt"])
def test_empty_and_foreign_files_are_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    refused(path, "is empty; fetch or write it again")
    path.write_bytes(b"<html>404 Not Found</html>" + bytes(1000))
    refused(path, "is in none of the formats that are read, by its content .*; fetch")
    path.unlink()
    refused(path, "cannot be opened .*No such file")
    path.mkdir()
    refused(path, "is a folder and not a zarr store; give the files in it")
