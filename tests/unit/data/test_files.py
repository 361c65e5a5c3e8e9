"""Data from files: every layout gives the same fields, and what is wrong is said with its place."""

import os
from dataclasses import replace
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import scipy.io
import torch
import xarray as xr
from scipy.integrate import solve_ivp

from fsdiff import parts
from fsdiff import study as config
from fsdiff.data.sources import files
from fsdiff.data.sources.files import FileData
from fsdiff.measures.priors.kernel import RBF
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.gram import GramBasis

COSINE = CosineBasis()
ONES = np.ones((2, 2))
SAMPLES, TIMES, N = 6, (0.0, 0.5, 1.5), 4
SERIES = np.random.default_rng(0).standard_normal((SAMPLES, 3, 2, N, N)).astype(np.float32)
"""Fields (sample, time, channel, y, x) that all files hold."""

NODES = 10 + 2 * COSINE.nodes(N)


def netcdf(path, **changes):
    """The series as xarray writes them."""
    parts = {
        "values": SERIES,
        "dimensions": ("sample", "time", "channel", "y", "x"),
        "units": "m/s",
        "x": NODES,
        "y": NODES - 5,
        "time": np.array(TIMES),
    } | changes
    names = {
        "channel": np.array(["u", "v"], object),
        "y": ("y", parts["y"], {"units": "m"}),
        "x": ("x", parts["x"], {"units": "m"}),
        "time": ("time", parts["time"], {"units": "hours since 2000-01-01"}),
    }
    coordinates = {name: names[name] for name in parts["dimensions"] if name in names}
    velocity = (parts["dimensions"], parts["values"], {"units": parts["units"]})
    xr.Dataset({"velocity": velocity}, coordinates).to_netcdf(path)
    return path


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["run/velocity"] = SERIES.transpose(0, 1, 3, 4, 2)
        file["time"] = np.array(TIMES)
    return path


def pdebench(path, indices=range(SAMPLES)):
    with h5py.File(path, "w") as file:
        for index in indices:
            group = file.create_group(f"{index:04}")
            group["data"] = SERIES[index].transpose(0, 2, 3, 1)
            grids = {"x": NODES, "y": NODES, "t": np.array(TIMES)}
            for name, values in grids.items():
                group[f"grid/{name}"] = values.astype(np.float32)
    return path


def fno(path, *, version):
    """(sample, y, x, t) as MATLAB stores it: up to version 5 and, with axes reversed, since 7.3."""
    u, t = SERIES[:, :, 0].transpose(0, 2, 3, 1), np.array([TIMES])
    if version == "5":
        scipy.io.savemat(path, {"u": u, "t": t, "a": u[..., 0]})
        return path
    with h5py.File(path, "w") as file:
        file["u"], file["t"], file["a"] = u.transpose(), t.transpose(), u[..., 0].transpose()
        file.create_group("#refs#")["b"] = np.zeros((2, 2))
    return path


def npy(path):
    np.save(path, SERIES)
    return path


def npz(path):
    np.savez_compressed(path, velocity=SERIES, time=np.array(TIMES), other=np.zeros((3, 3)))
    return path


ALL = ("sample", "time", "channel", "y", "x")
LAYOUTS = {
    "netcdf": (netcdf, "a.nc", {}),
    "hdf5": (
        hdf5,
        "a.h5",
        {"variables": ("run/velocity",), "dimensions": ("sample", "time", "y", "x", "channel")},
    ),
    "pdebench": (pdebench, "a.hdf5", {"layout": "pdebench"}),
    "npy": (npy, "a.npy", {"dimensions": ALL}),
    "npz": (npz, "a.npz", {"dimensions": ALL, "variables": ("velocity",)}),
}


@pytest.fixture(params=LAYOUTS)
def source(request, tmp_path):
    """The same series in a file of each layout."""
    write, name, options = LAYOUTS[request.param]
    return FileData(str(write(tmp_path / name)), COSINE, **options)


def refused(source, named, do=FileData.check):
    with pytest.raises(ValueError, match=named) as caught:
        do(source)
    return str(caught.value)


# Layouts


def test_every_layout_holds_the_same_series(source):
    source.check()
    assert (source.resolution, source.available) == (N, SAMPLES)
    data = source.generate([4, 1, 2], seed=0)
    assert data.field.dims == ("sample", "time", "channel", "y", "x")
    assert data.field.dtype == np.float32
    assert data.sample.values.tolist() == [4, 1, 2]
    np.testing.assert_array_equal(data.field, SERIES[[4, 1, 2]])
    assert data.attrs["fsdiff_basis"] == "cosine"


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab_files_of_neural_operators_are_read_with_their_axes_in_order(tmp_path, version):
    path = fno(tmp_path / "ns.mat", version=version)
    source = FileData(str(path), FourierBasis(), layout="fno", time=(0.5, 1.5))
    data = source.generate(range(1, 5), 0)
    np.testing.assert_array_equal(data.field[:, :, 0], SERIES[1:5, 1:, 0])
    assert data.time.values.tolist() == [0.5, 1.5]
    assert data.channel.values.tolist() == ["u"]
    np.testing.assert_allclose(data.x, FourierBasis().nodes(N))
    initial = FileData(
        str(path), FourierBasis(), variables=("a",), dimensions=("sample", "y", "x")
    ).generate([3], 0)
    np.testing.assert_array_equal(initial.field[0, 0], SERIES[3, 0, 0])


def test_coordinates_and_units_are_those_of_the_file(tmp_path):
    data = FileData(str(netcdf(tmp_path / "a.nc")), COSINE).generate([0], 0)
    np.testing.assert_array_equal(data.x, NODES)
    np.testing.assert_array_equal(data.y, NODES - 5)
    assert data.time.values.tolist() == list(TIMES)
    assert data.channel.values.tolist() == ["u", "v"]
    assert data.field.attrs["units"] == "m/s"
    assert data.x.attrs["units"] == data.y.attrs["units"] == "m"
    assert data.time.attrs["units"] == "hours"  # no date: xarray would read numbers as dates


def test_nodes_are_those_of_the_basis_where_the_file_has_none(tmp_path):
    path = npy(tmp_path / "a.npy")
    for basis in (COSINE, FourierBasis(), SineBasis()):
        source = FileData(str(path), basis, dimensions=ALL, length=3.0, units="K")
        data = source.generate([0], 0)
        np.testing.assert_allclose(data.x, 3 * basis.nodes(N))
        assert data.time.values.tolist() == [0.0, 1.0, 2.0]
        assert data.field.attrs["units"] == "K"


def test_one_time_gives_fields_with_the_time_as_a_coordinate(source):
    time = 1.0 if source.path.endswith("npy") else 0.5
    single = replace(source, time=time).generate(range(6), 0)
    assert single.field.dims == ("sample", "channel", "y", "x")
    assert float(single.time) == time
    np.testing.assert_array_equal(single.field, SERIES[:, 1])


def test_channels_are_chosen_by_position_and_named(source):
    chosen = replace(source, channels={"speed": 1}).generate([2], 0)
    assert chosen.channel.values.tolist() == ["speed"]
    np.testing.assert_array_equal(chosen.field[:, :, 0], SERIES[[2], :, 1])
    both = replace(source, channels={"b": 1, "a": 0}).generate([2], 0)
    # The order of the keys says nothing: a canonical configuration does not keep it.
    assert both.channel.values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(both.field, SERIES[[2]])


def test_several_variables_are_channels(tmp_path):
    path = tmp_path / "darcy.mat"
    scipy.io.savemat(path, {"coeff": SERIES[:, 0, 0], "sol": SERIES[:, 0, 1]})
    dimensions = ("sample", "y", "x")
    source = FileData(str(path), COSINE, variables=("coeff", "sol"), dimensions=dimensions)
    data = source.generate([5, 0], 0)
    assert data.channel.values.tolist() == ["coeff", "sol"]
    assert "time" not in data.coords
    np.testing.assert_array_equal(data.field, SERIES[[5, 0], 0])


def test_channels_without_names_are_numbered(tmp_path):
    path = npy(tmp_path / "a.npy")
    data = FileData(str(path), COSINE, dimensions=ALL).generate([0], 0)
    assert data.channel.values.tolist() == ["field_0", "field_1"]
    dataset = xr.open_dataset(netcdf(tmp_path / "a.nc"), decode_times=False)
    dataset.assign(other=2 * dataset["velocity"]).to_netcdf(tmp_path / "b.nc")
    both = FileData(str(tmp_path / "b.nc"), COSINE, variables=("other", "velocity"))
    data = both.generate([3], 0)
    assert data.channel.values.tolist() == ["other_u", "other_v", "velocity_u", "velocity_v"]
    np.testing.assert_array_equal(data.field[0, :, :2], 2 * SERIES[3])


def test_a_folder_and_a_pattern_are_its_files_in_order(tmp_path, monkeypatch):
    for name, indices in (("b.h5", (3, 4, 5)), ("a.h5", (0, 1, 2))):
        pdebench(tmp_path / name, indices)
    (tmp_path / "notes.txt").write_text("no data")
    (tmp_path / ".unfinished.h5").write_text("no data")
    for path in (str(tmp_path), str(tmp_path / "*.h5"), str(tmp_path / "?.h5")):
        source = FileData(path, COSINE, layout="pdebench")
        assert source.files == (tmp_path / "a.h5", tmp_path / "b.h5")
        assert source.available == 6
        np.testing.assert_array_equal(source.generate(range(1, 6), 0).field, SERIES[1:6])
    monkeypatch.chdir(tmp_path)
    assert FileData("*.h5", COSINE, layout="pdebench").files == (Path("a.h5"), Path("b.h5"))


def test_files_of_one_sample_each(tmp_path):
    for index in range(SAMPLES):
        dimensions = ("time", "channel", "y", "x")
        netcdf(tmp_path / f"{index}.nc", values=SERIES[index], dimensions=dimensions)
    source = FileData(str(tmp_path), COSINE)
    assert source.available == SAMPLES
    np.testing.assert_array_equal(source.generate([5, 2], 0).field, SERIES[[5, 2]])


def test_integers_packed_with_a_scale_are_unpacked(tmp_path):
    packed = {"dtype": "int16", "scale_factor": 1e-3, "_FillValue": -32768}
    dataset = xr.open_dataset(netcdf(tmp_path / "a.nc"), decode_times=False)
    dataset.to_netcdf(tmp_path / "b.nc", encoding={"velocity": packed})
    data = FileData(str(tmp_path / "b.nc"), COSINE).generate(range(6), 0)
    np.testing.assert_allclose(data.field, SERIES, atol=5e-4)


# Reading no more than asked for, and the same whatever is asked for


def test_samples_do_not_depend_on_what_is_read_with_them(source, monkeypatch):
    whole = source.generate(range(6), 0)
    for indices in ([3], [1, 2, 5], [5, 4, 0]):
        xr.testing.assert_identical(whole.sel(sample=indices), source.generate(indices, 9))
    finished = []
    monkeypatch.setattr(files, "BLOCK", 1)
    xr.testing.assert_identical(whole, source.generate(range(6), 0, finished.append))
    assert finished == [1] * 6


def test_only_the_samples_asked_for_are_read(tmp_path, monkeypatch):
    path = netcdf(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["velocity"][5] = np.nan
    source = FileData(str(path), COSINE)
    np.testing.assert_array_equal(source.generate(range(5), 0).field, SERIES[:5])
    read = []
    monkeypatch.setattr(files, "read_fields", lambda *a: read.append(a[2]) or SERIES[a[2]])
    source.generate([1, 2, 4], 0)
    assert read == [slice(1, 3), slice(4, 5)]


@pytest.mark.parametrize(
    ("frames", "place"), [("series", "sample 1 of"), ("samples", "frame 1 of sample 1 of")]
)
def test_samples_that_end_with_zeros_are_told(tmp_path, caplog, frames, place):
    """As in files whose writer was stopped; that runs start from zero is usual."""
    values = SERIES[:, :, 0].copy()
    values[:, 0] = 0
    options = {"dimensions": ("sample", "time", "y", "x"), "frames": frames}
    np.save(tmp_path / "a.npy", values)
    source = FileData(str(tmp_path / "a.npy"), COSINE, **options)
    source.generate(range(source.available), 0)
    assert caplog.text == ""
    values[1, 1:] = values[4, 2] = 0
    np.save(tmp_path / "a.npy", values)
    source = FileData(str(tmp_path / "a.npy"), COSINE, **options)
    source.generate(range(source.available), 0)
    count = {"series": 2, "samples": 3}[frames]
    assert f"{count} samples end with zeros alone, the first of them {place}" in caplog.text


def test_values_that_often_stand_for_none_are_told(tmp_path, caplog):
    """Where the file says nothing of them, and they are far from all others of a channel."""
    values = np.stack([SERIES[:, 0, 0], 5000 + SERIES[:, 0, 1]], 1)
    options = {"dimensions": ("sample", "channel", "y", "x"), "channels": {"u": 0, "p": 1}}

    def told():
        caplog.clear()
        np.save(tmp_path / "a.npy", values)
        FileData(str(tmp_path / "a.npy"), COSINE, **options).generate(range(SAMPLES), 0)
        return caplog.text

    values[2, 1, 0, 0] = -999  # nothing unusual among values of this size
    assert told() == ""
    values[4, 0, 1, 1] = values[5, 0, 2, 2] = -9999
    text = told()
    assert "channel u has values of exactly -9999" in text
    assert f"e.g. in sample 4 of {tmp_path / 'a.npy'}" in text
    assert text.count("stand for none") == 1
    values[[4, 5], 0] = np.float32(1e20)
    assert "channel u has values of exactly 1e+20" in told()
    values[:, 0] = 99
    values[0, 0, 0, 0] = 100
    assert told() == ""


def test_a_shuffled_data_set_has_each_sample_once_in_an_order_of_its_seed(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", 10.0 * number + np.arange(7)[:, None, None] * ONES)
    options = {"dimensions": ("sample", "y", "x"), "shuffle": True}
    source = FileData(str(tmp_path / "*.npy"), COSINE, **options)

    def values(indices, seed=0):
        return source.generate(indices, seed)["field"][:, 0, 0, 0].values.tolist()

    everything = values(range(21))
    assert sorted(everything) == [10.0 * a + b for a in range(3) for b in range(7)]
    assert everything != sorted(everything)
    assert values(range(4, 9)) + values([20, 3]) == [
        *everything[4:9],
        everything[20],
        everything[3],
    ]
    assert values(range(21), seed=1) != everything
    assert source.generate([5], 0)["sample"].values.tolist() == [5]


# What is wrong


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"values": SERIES[..., :1], "x": NODES[:1]}, r"4 x 1 nodes \(y, x\): fields need two or"),
        ({"x": np.array([10.0, 10.1, 11, 11.5])}, "'x' is not equally spaced; interpolate"),
        ({"y": np.full(N, 5.0)}, "'y' does not increase; write where the nodes are"),
        ({"time": np.array([0, 2.0, 1])}, "'time': times do not increase; sort"),
        ({"dimensions": ("sample", "time", "channel", "a", "b")}, r"a, b\), which are not"),
        ({"values": SERIES.astype(str)}, "type.*write real numbers"),
    ],
)
def test_fields_that_cannot_be_used_are_refused_before_they_are_read(tmp_path, changes, named):
    path = netcdf(tmp_path / "a.nc", **changes)
    message = refused(FileData(str(path), COSINE, variables=("velocity",)), named)
    assert str(path) in message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"variables": ("speed",)}, "a.nc has no array 'speed', only .*velocity"),
        ({"dimensions": ("sample", "y", "x")}, r"shape \(6, 3, 2, 4, 4\), but dimensions: \[samp"),
        ({"dimensions": ("sample", "time", "channel", "x", "x")}, "say what they are, e.g. dim"),
        ({"dimensions": ("sample", "time", "channel", "sample", "x")}, "which are not all among"),
        ({"time": 0.7}, r"time = 0.7: no such time in .*a.nc, which has 3, 0, 0.5, 1.5 … 1.5; the"),
        ({"channels": {"w": 2}}, "positions from 0 to 1, each once; .*a.nc has u, v"),
        ({"channels": {"u": 0, "v": 0}}, "each once"),
        ({"layout": "pdebench"}, "a.nc has no group for each sample but arrays"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(tmp_path, options, named):
    path = netcdf(tmp_path / "a.nc")
    refused(FileData(str(path), COSINE, **options), named)


def test_missing_values_name_the_file_and_the_sample(tmp_path):
    for name, indices in (("a.h5", (0, 1, 2)), ("b.h5", (3, 4, 5))):
        pdebench(tmp_path / name, indices)
    with h5py.File(tmp_path / "b.h5", "a") as file:
        file["0004/data"][1, 0, 2, 0] = np.nan
        file["0004/data"][2, 0, 2, 0] = np.inf
    source = FileData(str(tmp_path), COSINE, layout="pdebench")
    message = refused(source, "missing, not finite or beyond", lambda s: s.generate(range(2, 6), 0))
    assert f"{tmp_path / 'b.h5'}: 2 values of sample 1 there (sample 4 of" in message


def test_fill_values_are_missing_values(tmp_path):
    path = netcdf(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["velocity"].missing_value = np.float32(-999)
        file["velocity"][3, 0, 0, 0, 0] = -999
    refused(FileData(str(path), COSINE), "1 values of sample 3", lambda s: s.generate(range(6), 0))
    path = hdf5(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["run/velocity"].attrs["_FillValue"] = np.float32([-999])
        file["run/velocity"][2, 0, 0, 0, 0] = -999
    dimensions = ("sample", "time", "y", "x", "channel")
    source = FileData(str(path), COSINE, variables=("run/velocity",), dimensions=dimensions)
    refused(source, "1 values of sample 2", lambda s: s.generate(range(6), 0))


def test_values_beyond_single_precision_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.full((2, N, N), 1e300))
    source = FileData(str(path), COSINE, dimensions=("sample", "y", "x"))
    refused(source, "sample 0 there", lambda s: s.generate([0], 0))


def test_complex_numbers_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"psi": SERIES[:, 0, 0] * 1j})
    source = FileData(str(tmp_path / "a.mat"), COSINE, dimensions=("sample", "y", "x"))
    refused(source, "'psi' holds values of type complex", lambda s: s.generate([0], 0))
    np.save(tmp_path / "a.npy", SERIES[:, 0, 0] * 1j)
    refused(FileData(str(tmp_path / "a.npy"), COSINE, dimensions=("sample", "y", "x")), "complex")


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}]), allow_pickle=True)
    refused(FileData(str(tmp_path / "a.npy"), COSINE), "a.npy holds Python objects")
    np.savez(tmp_path / "a.npz", u=np.full((N, N), {}, object))
    source = FileData(str(tmp_path / "a.npz"), COSINE, dimensions=("y", "x"))
    refused(source, "values of type object")


@pytest.mark.parametrize("name", ["a.nc", "a.h5", "a.npy", "a.npz", "a.mat"])
def test_damaged_files_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\nnothing more")
    refused(FileData(str(tmp_path / name), COSINE), f"{name} cannot be read as a")


def test_a_path_without_files_is_refused(tmp_path):
    refused(FileData(str(tmp_path / "no.nc"), COSINE), "path = '.*no.nc': there is no such file")
    (tmp_path / "a.txt").touch()
    refused(FileData(str(tmp_path), COSINE), r"none of 1 entries is data, e.g. .*: it .*a pattern")


def test_files_that_disagree_are_named(tmp_path):
    netcdf(tmp_path / "a.nc")
    netcdf(tmp_path / "b.nc", units="km/h")
    message = refused(FileData(str(tmp_path), COSINE), "must agree")
    assert f"{tmp_path / 'b.nc'}: units of field = " in message
    assert "km/h" in message
    with h5py.File(pdebench(tmp_path / "c.h5"), "a") as file:
        del file["0002/data"]
    refused(FileData(str(tmp_path / "c.h5"), COSINE, layout="pdebench"), "'0002' has no array")


def test_channels_with_different_units_need_one(tmp_path):
    fields = {
        name: (("sample", "y", "x"), SERIES[:, 0, 0], {"units": unit})
        for name, unit in (("u", "m/s"), ("p", "Pa"))
    }
    xr.Dataset(fields).to_netcdf(tmp_path / "a.nc")
    source = FileData(str(tmp_path / "a.nc"), COSINE, variables=("u", "p"))
    refused(source, r"different units, u \[m/s\], p \[Pa\].*units: '1'")
    given = FileData(str(tmp_path / "a.nc"), COSINE, variables=("u", "p"), units="1")
    assert given.generate([0], 0).field.attrs["units"] == "1"


def test_arrays_without_names_for_their_axes_need_them(tmp_path):
    refused(FileData(str(npy(tmp_path / "a.npy")), COSINE), "axes without names; say what they are")


def test_several_arrays_need_a_choice(tmp_path):
    source = FileData(str(npz(tmp_path / "a.npz")), COSINE, dimensions=ALL)
    refused(source, r"2 arrays of two or more dimensions; say.*variables: \[velocity\]")


def test_a_file_without_fields_says_what_it_has(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"run": {"u": SERIES}})
    np.save(tmp_path / "b.npy", SERIES[0, 0, 0, 0])
    for name, has in (
        ("a.mat", r"run \(struct of shape \(1, 1\)\)"),
        ("b.npy", r"field \(float32 of shape \(4,\)\)"),
    ):
        source = FileData(str(tmp_path / name), COSINE)
        refused(source, rf"has no array of two or more dimensions, but {has}; write fields as")


def test_settings_are_checked(tmp_path):
    with pytest.raises(ValueError, match="increasing"):
        FileData("a.nc", COSINE, time=(1.0, 0.5))
    with pytest.raises(ValueError, match="kind = gram: fields in files are expanded in fourier,"):
        FileData("a.nc", GramBasis(points=(0.0, 1.0), covariance=RBF()))


# In a study


def study(path, **source):
    block = {"kind": "files", "path": str(path), "basis": {"kind": "cosine"}, **source}
    return {
        "datasets": {
            "mine": {
                "source": block,
                "split": {"train": 3, "validation": 1, "test": 2},
                "resolutions": [2, 4],
            }
        },
        "experiments": {
            "one": {
                "dataset": "mine",
                "prior": {"kind": "standard"},
                "process": {"kind": "vp"},
                "prediction": {"kind": "noise"},
                "network": {"kind": "unet", "width": 8},
                "sampler": {"kind": "ddim"},
                "levels": [{"resolution": 4, "epochs": 1}],
                "samples": {"count": 1, "resolutions": [4]},
            }
        },
        "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
    }


def problems(raw):
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(raw)
    return caught.value.problems


def test_a_study_reads_files(tmp_path):
    loaded = config.load(study(netcdf(tmp_path / "a.nc"), time=0.5))
    block = loaded.simulate_slice("mine")["source"]
    assert parts.build("source", block) == loaded.datasets["mine"].source.part
    assert loaded.datasets["mine"].basis == CosineBasis(2)
    assert "fsdiff.data.sources.files" in parts.modules({"source": block})


def test_of_files_as_they_stand_the_seed_decides_nothing(tmp_path):
    path = netcdf(tmp_path / "a.nc")

    def seeds(*, shuffle):
        for seed in (0, 1):
            raw = study(path, time=0.5, shuffle=shuffle)
            raw["datasets"]["mine"]["seed"] = seed
            yield config.load(raw).simulate_slice("mine")

    one, other = seeds(shuffle=False)
    assert one == other
    one, other = seeds(shuffle=True)
    assert (one["seed"], other["seed"]) == (0, 1)


def test_mistakes_are_found_before_any_job_starts(tmp_path):
    path = netcdf(tmp_path / "a.nc")
    raw = study(path)
    raw["datasets"]["mine"]["split"]["train"] = 30
    assert problems(raw)[0] == (
        "datasets.mine.split: 33 samples in all, but the source holds 6; use train + validation + "
        "test <= 6"
    )
    raw = study(path)
    raw["datasets"]["mine"]["resolutions"] = [4, 8]
    assert problems(raw)[0] == (
        "datasets.mine.resolutions[1] = 8: finer than the data; use resolutions <= 4"
    )
    found = problems(study(tmp_path / "b.nc"))
    assert found[0].startswith(f"datasets.mine.source.path = '{tmp_path / 'b.nc'}': there is no")
    found = problems(study(path, variables=["speed"]))
    assert found[0].startswith(f"datasets.mine.source: {path} has no array 'speed'")
    found = problems(study(path, time=7.0))
    assert found[0].startswith("datasets.mine.source.time = 7: no such time")
    found = problems(study(path, channels={"u": True}))
    assert found[0].startswith("datasets.mine.source.channels.u = true: expected an integer >= 0")


def test_the_contents_of_small_files_and_the_dates_of_large_ones_decide(tmp_path, monkeypatch):
    path = npy(tmp_path / "a.npy")

    def described():
        return config.load(study(path, dimensions=list(ALL))).simulate_slice("mine")

    before = described()
    os.utime(path, (0, 0))
    assert described() == before
    values = np.load(path)
    values[-1, -1, -1, -1, -1] += 1
    np.save(path, values)
    assert described() != before
    assert {k: v for k, v in described().items() if k != "content"} == {
        k: v for k, v in before.items() if k != "content"
    }
    monkeypatch.setattr("fsdiff.data.sources.digest.HASHED_BYTES", 10)
    before = described()
    assert described() == before
    os.utime(path, (1, 1))
    assert described() != before


# Published data


PUBLISHED = (
    Path(__file__).parents[4] / "shared" / "data" / "pdebench_2d_diff-react_32x32_8samples.h5"
)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="PDEBench's data are not there")
def test_pdebench_s_data_are_solutions_up_to_the_error_of_its_time_integration():
    """From the first frame of each sample, compared with scipy at and below default tolerances."""
    source = FileData(str(PUBLISHED), COSINE, layout="pdebench", channels={"u": 0, "v": 1})
    data = source.generate(range(8), 0)
    np.testing.assert_allclose(data.x, 2 * COSINE.nodes(32) - 1)
    np.testing.assert_allclose(data.time, np.linspace(0, 5, 21))
    fields = data.field.values.astype(float)
    ours = ReactionDiffusion().solve(torch.from_numpy(fields[:, 0]), data.time.values.tolist())
    # The peer takes scipy's default relative tolerance of 1e-3, which bounds the error per step.
    assert distance(ours.numpy(), fields).max() < 3e-3
    for sample in (0, 3):
        peer, exact = (
            solved(fields[sample, 0], data.time.values, **tolerances)
            for tolerances in ({}, {"rtol": 1e-8, "atol": 1e-8})
        )
        assert distance(peer, fields[sample]).max() < 1e-6
        assert distance(ours[sample].numpy(), exact).max() < 1e-5
        assert distance(peer, exact).max() > 50 * distance(ours[sample].numpy(), exact).max()


def distance(u, v):
    """Relative L² distance of each frame."""
    axes = (-3, -2, -1)
    return np.sqrt(np.square(u - v).sum(axes) / np.square(v).sum(axes))


def solved(initial, times, **tolerances):
    """The method of lines on 32 x 32 cells of [-1, 1]², as PDEBench has it."""

    def rate(_, state):
        fields = state.reshape(initial.shape)
        ghosts = np.pad(fields, ((0, 0), (1, 1), (1, 1)), mode="edge")
        around = ghosts[:, 2:, 1:-1] + ghosts[:, :-2, 1:-1] + ghosts[:, 1:-1, 2:]
        laplacian = (around + ghosts[:, 1:-1, :-2] - 4 * fields) * 16**2
        u, v = fields
        reaction = np.stack([u - u**3 - 5e-3 - v, u - v])
        return (np.array([1e-3, 5e-3])[:, None, None] * laplacian + reaction).ravel()

    solution = solve_ivp(rate, (0, times[-1]), initial.ravel(), t_eval=times, **tolerances)
    return solution.y.T.reshape(len(times), *initial.shape)


@pytest.mark.parametrize("name", ["{}.txt", "{}.csv", "{}.dat"])
@pytest.mark.parametrize("separator", [" ", ",", "\t"])
def test_matrices_as_text_are_fields(tmp_path, name, separator):
    """One in each file, as numpy.savetxt writes them, beside what is none."""
    values = np.random.default_rng(0).standard_normal((3, 8, 8))
    for number, field in enumerate(values):
        np.savetxt(tmp_path / name.format(number), field, delimiter=separator, header="one field")
    (tmp_path / "readme.txt").write_text("what was measured, and when\nby whom\n")
    source = FileData(str(tmp_path), COSINE, dimensions=("y", "x"))
    source.check()
    assert any("readme.txt is not read" in remark for remark in source.remarks)
    np.testing.assert_allclose(source.generate(range(3), 0).field[:, 0], values, rtol=1e-6)
    one = FileData(str(tmp_path / name.format(1)), COSINE, dimensions=("y", "x"))
    np.testing.assert_allclose(one.generate([0], 0).field[0, 0], values[1], rtol=1e-6)


@pytest.mark.parametrize("header", ["", "x,y,u\n"])
def test_tables_that_are_no_matrices_are_refused(tmp_path, header):
    rows = np.random.default_rng(0).standard_normal((9, 3))
    (tmp_path / "a.csv").write_text(header + "\n".join(",".join(map(str, r)) for r in rows))
    source = FileData(str(tmp_path / "a.csv"), COSINE, dimensions=("y", "x"))
    refused(source, "fields in text .*curves in tables are read by kind: curves")
