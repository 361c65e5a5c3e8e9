"""Times and positions in files: found by attributes and names, compared up to what is stored."""

import h5py
import numpy as np
import pytest
import xarray as xr

from fsdiff.data.sources.files import FileData
from fsdiff.data.sources.labels import label
from fsdiff.data.sources.units import same_units
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.study.datasets import Dataset

COSINE = CosineBasis()
SAMPLES, FRAMES, N = 5, 3, 4
TIMES = np.array([0.5, 1.0, 2.5])
Y, X = 3 + 2 * COSINE.nodes(N), 7 + 2 * COSINE.nodes(N)
U = np.random.default_rng(0).standard_normal((SAMPLES, FRAMES, N, N))
SERIES = ("sample", "time", "y", "x")


def hdf5(path, **arrays):
    with h5py.File(path / "a.h5", "w") as file:
        file["u"] = U
        for name, values in arrays.items():
            file[name] = values
    return str(path / "a.h5")


def source(path, **options):
    options = {"variables": ("u",), "dimensions": SERIES} | options
    return FileData(path, options.pop("basis", COSINE), **options)


def read(path, **options):
    found = source(path, **options)
    found.check()
    return found.generate([4, 0], 0), found.remarks


def refused(path, named, **options):
    with pytest.raises(ValueError, match=named) as caught:
        source(path, **options).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("time", "y", "x"),
    [
        ("t-coordinate", "y-coordinate", "x-coordinate"),
        ("dimensions/time", "dimensions/y", "dimensions/x"),
        ("t", "lat", "lon"),
        ("grid/T", "grid/Latitude", "grid/LONGITUDE"),
        ("valid_time", "Y", "X"),
    ],
)
def test_usual_names(tmp_path, time, y, x):
    data, remarks = read(hdf5(tmp_path, **{time: TIMES, y: Y, x: X}))
    assert data.time.values.tolist() == TIMES.tolist()
    np.testing.assert_array_equal(data.y, Y)
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.field[:, :, 0], U[[4, 0]].astype(np.float32))
    assert remarks == ()


def test_one_time_more_than_frames(tmp_path):
    """As in PDEBench's files, whose t-coordinate ends after the last frame."""
    path = hdf5(tmp_path, **{"t-coordinate": [*TIMES, 4.0]})
    data, remarks = read(path)
    assert data.time.values.tolist() == TIMES.tolist()
    expected = "'t-coordinate' has one more time than there are frames: the last is left out"
    assert remarks == (f"{path}: {expected}",)


def test_positions_that_are_the_same_along_other_axes(tmp_path):
    y, x = np.meshgrid(Y, X, indexing="ij")
    path = hdf5(tmp_path, t=np.tile(TIMES, (SAMPLES, 1)), x=x, y=y)
    data, remarks = read(path)
    assert data.time.values.tolist() == TIMES.tolist()
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert remarks == ()


def test_times_of_each_sample_are_not_lost_without_a_word(tmp_path):
    path = hdf5(tmp_path, t=TIMES + np.arange(SAMPLES)[:, None])
    data, (remark,) = read(path)
    assert data.time.values.tolist() == [0, 1, 2]
    assert remark.startswith(f"{path}: 't' does not say where frames are: it is not the same along")
    refused(path, "'t' does not say where frames are", coordinates={"time": "t"})


def test_coordinates_are_named_by_the_configuration(tmp_path):
    path = hdf5(tmp_path, when=TIMES, east=X, north=Y, x=np.arange(N))
    data, _ = read(path, coordinates={"time": "when", "x": "east", "y": "north"})
    assert data.time.values.tolist() == TIMES.tolist()
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    refused(path, r"coordinates.x: no array 'west', only .*east", coordinates={"x": "west"})
    refused(path, r"'when' does not say where nodes along x are", coordinates={"x": "when"})
    refused(path, r"coordinates.z: fields have no dimension z; leave", coordinates={"z": "when"})
    refused(path, r"coordinates = .*'w' is none of time, z, y, x", coordinates={"w": "when"})


def test_arrays_that_would_fit_are_named(tmp_path):
    path = hdf5(tmp_path, instants=TIMES, parameters=np.ones(SAMPLES), abscissae=X)
    _, remarks = read(path)
    assert (
        f"{path}: 'instants' has an entry for each of 3 frames but is not read; if it says "
        in (remarks[0])
    )
    assert "coordinates: {time: instants}" in remarks[0]
    assert "coordinates: {y: abscissae}" in remarks[1]
    assert "coordinates: {x: abscissae}" in remarks[2]
    assert len(remarks) == 3


def test_coordinates_of_the_wrong_length_are_named(tmp_path):
    path = hdf5(tmp_path, time=TIMES[:2], x=X, y=Y)
    data, (remark,) = read(path)
    assert data.time.values.tolist() == [0, 1, 2]
    assert remark == (
        f"{path}: 'time' does not say where frames are: it has shape (2,), and there are 3"
    )


def test_files_with_groups_for_scalars_and_vectors(tmp_path):
    """As in those of the Well, whose axes are (sample, time, x, y), then those of vectors."""
    with h5py.File(tmp_path / "well.hdf5", "w") as file:
        file["t0_fields/density"] = U.swapaxes(2, 3)
        file["t1_fields/velocity"] = np.stack([U, -U], -1).swapaxes(2, 3)
        for name, values in (("time", TIMES), ("x", X), ("y", Y)):
            file[f"dimensions/{name}"] = values
        file["scalars/viscosity"] = 0.5
        file["boundary_conditions/x_periodic/mask"] = np.arange(N) == 0
    data, remarks = read(
        str(tmp_path / "well.hdf5"),
        variables=("t0_fields/density", "t1_fields/velocity"),
        dimensions={
            "t0_fields/density": ("sample", "time", "x", "y"),
            "t1_fields/velocity": ("sample", "time", "x", "y", "channel"),
        },
        channels={"density": 0, "v_x": 1, "v_y": 2},
    )
    assert remarks == ()
    assert data.time.values.tolist() == TIMES.tolist()
    np.testing.assert_array_equal(data.x, X)
    for channel, sign in enumerate((1, 1, -1)):
        expected = (sign * U[[4, 0]]).astype(np.float32)
        np.testing.assert_array_equal(data.field[:, :, channel], expected)


def test_attributes_decide_before_names(tmp_path):
    coordinates = {
        "valid": ("valid", TIMES, {"standard_name": "time", "units": "hours since 2000-01-01"}),
        "south": ("south", Y, {"units": "degrees_north"}),
        "west": ("west", X, {"axis": "X", "units": "degrees_east"}),
        "t": ("valid", np.arange(3.0)),
    }
    fields = {"u": (("sample", "valid", "south", "west"), U)}
    xr.Dataset(fields, coordinates).to_netcdf(tmp_path / "a.nc")
    data, _ = read(str(tmp_path / "a.nc"), dimensions=())
    assert data.time.values.tolist() == TIMES.tolist()
    assert data.time.attrs["units"] == "hours"
    assert data.y.attrs["units"] == "degrees_north"
    assert data.x.attrs["units"] == "degrees_east"
    np.testing.assert_array_equal(data.y, Y)


def test_latitude_from_north_to_south_is_turned_round(tmp_path):
    """As in ERA5; x from right to left too."""
    for name, y, x in (("y", -1, 1), ("x", 1, -1), ("both", -1, -1)):
        path = tmp_path / f"{name}.nc"
        coordinates = {"latitude": Y[::y], "longitude": X[::x]}
        fields = {"u": (("sample", "time", "latitude", "longitude"), U[..., ::y, ::x])}
        xr.Dataset(fields, coordinates).to_netcdf(path)
        data, _ = read(str(path), dimensions=())
        np.testing.assert_array_equal(data.y, Y)
        np.testing.assert_array_equal(data.x, X)
        np.testing.assert_array_equal(data.field[:, :, 0], U[[4, 0]].astype(np.float32))
    both = source(str(tmp_path), dimensions=())
    assert both.available == 3 * SAMPLES
    fields = both.generate(range(both.available), 0).field[:, :, 0]
    np.testing.assert_array_equal(fields, np.tile(U, (3, 1, 1, 1)).astype(np.float32))


@pytest.mark.parametrize(
    "times",
    [
        [b"2000-01-01", b"2000-01-01T06:00:00", b"2000-01-02T00:00Z"],
        np.array(["2000-01-01", "2000-01-01T06", "2000-01-02"], "datetime64[ns]"),
        np.array([[*b"2000-01-01T00"], [*b"2000-01-01T06"], [*b"2000-01-02T00"]], "u1").view("S1"),
        ["20000101", "20000101 06", "20000102T000000"],
        ["2000-01-01_00:00:00", "2000-01-01_06:00:00", "2000-01-02_00:00:00"],
        ["2000-01-01T00:00:00+00:00", "2000-01-01T07:30+01:30", "2000-01-01T23:00:00.0-0100"],
        ["0001-01-01", "0001-01-01 06:00", "0001-01-02"],
    ],
)
def test_dates_count_in_seconds_from_the_first(tmp_path, times):
    np.savez(tmp_path / "a.npz", u=U, time=times)
    data, (remark,) = read(str(tmp_path / "a.npz"))
    assert data.time.values.tolist() == [0, 6 * 3600, 24 * 3600]
    assert data.time.attrs["units"] == "s"
    assert remark.endswith("'time' holds dates: times count in seconds from the first")
    single, _ = read(str(tmp_path / "a.npz"), time=21600.0)
    np.testing.assert_array_equal(single.field[:, 0], U[[4, 0], 1].astype(np.float32))


def test_durations_are_in_seconds(tmp_path):
    np.savez(tmp_path / "a.npz", u=U, time=np.array([0, 30, 90], "timedelta64[m]"))
    data, (remark,) = read(str(tmp_path / "a.npz"))
    assert data.time.values.tolist() == [0, 1800, 5400]
    assert data.time.attrs["units"] == "s"
    assert remark.endswith("'time' holds durations: times are in seconds")


def test_other_text_is_told_in_right_words(tmp_path):
    path = hdf5(tmp_path, time=[b"noon", b"dusk", b"night"])
    _, (remark,) = read(path)
    assert "it holds text such as 'noon'; write numbers, or dates such as 2000-01-31" in remark
    for text in (["0001", "0002", "0003"], ["1999", "2000", "2001"], ["20001301"] * 3):
        assert f"it holds text such as '{text[0]}'" in read(hdf5(tmp_path, time=text))[1][0]
    path = hdf5(tmp_path, time=TIMES * 1j)
    assert "it holds complex numbers" in read(path)[1][0]


@pytest.mark.parametrize("units", [1, 5.0, [1, 2], "", b"m"])
def test_units_that_are_no_text(tmp_path, units):
    path = hdf5(tmp_path, x=X, y=Y, time=TIMES)
    with h5py.File(path, "a") as file:
        for name in ("u", "x", "y", "time"):
            file[name].attrs["units"] = units
    data, _ = read(path)
    found = {data[name].attrs["units"] for name in ("field", "time", "x", "y")}
    assert found <= {"1", "5.0", "m"}


@pytest.mark.parametrize("kept", [np.float32, np.float64])
def test_rounding_makes_no_difference(tmp_path, kept):
    """Longitudes a hundredth of a degree apart, as single precision has them."""
    x = 179 + 0.01 * np.arange(N)
    for index, shift in enumerate((0, 1e-14 if kept == np.float64 else 5e-6)):
        folder = tmp_path / str(index)
        folder.mkdir()
        position = {"x": (x + shift).astype(kept), "y": x.astype(kept)}
        times = (TIMES * (1 + (0.1 if kept == np.float64 else 1e8) * shift * 1e-8)).astype(kept)
        hdf5(folder, time=times, **position)
    found = source(f"{tmp_path}/**/*.h5")
    assert found.available == 2 * SAMPLES
    assert found.time is None
    np.testing.assert_allclose(found.generate([7], 0).x, x, rtol=1e-7)


def test_positions_that_differ_are_refused(tmp_path):
    for index, shift in enumerate((0, 0.01)):
        folder = tmp_path / str(index)
        folder.mkdir()
        hdf5(folder, x=X + shift, y=Y)
    with pytest.raises(ValueError, match=r"1/a.h5: x = \(7.26.*the files of a data set must agree"):
        source(f"{tmp_path}/**/*.h5").check()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("m", "metre", True),
        ("m s-1", "m/s", True),
        ("m s**-1", "meters second^-1", True),
        ("1", "", True),
        ("1", None, True),
        ("dimensionless", "-", True),
        ("degrees_east", "degree_E", True),
        ("W/m^2", "W m-2", True),
        ("hPa", "millibars", True),
        ("W/(m^2)", "W m-2", True),
        ("W/(m2)", "W m2", False),
        ("J/(kg K)", "J/kg K", False),
        ("hPa", "Pa", False),
        ("m", "km", False),
        ("m/s", "m s", False),
        ("K", "degC", False),
        ("degrees_east", "degrees_north", False),
        ("degreesN", "degree_north", True),
        ("°E", "degrees_east", True),
        ("deg", "degrees", True),
        ("degrees", "degrees_north", False),
        ("deg_c", "degree", False),
    ],
)
def test_units_that_mean_the_same(first, second, same):
    assert same_units(first, second) is same


def test_spellings_of_units_make_no_difference_between_files(tmp_path):
    for name, metres, rate in (("a", "m", "m/s"), ("b", "metres", "m s-1")):
        coordinates = {n: (n, v, {"units": metres}) for n, v in (("x", X), ("y", Y))}
        fields = {"u": (SERIES, U, {"units": rate})}
        xr.Dataset(fields, coordinates).to_netcdf(tmp_path / f"{name}.nc")
    found = source(str(tmp_path))
    assert found.available == 2 * SAMPLES
    assert found.generate([9], 0).field.attrs["units"] == "m/s"
    coordinates["x"] = ("x", X, {"units": "km"})
    xr.Dataset(fields, coordinates).to_netcdf(tmp_path / "c.nc")
    refused(str(tmp_path / "c.nc"), "nodes are in metres along y and in km along x; convert")


def test_names_and_units_are_one_line_of_text(tmp_path):
    named = np.array(["\x1b[31mu\n", "v\t\x01w"], object)
    values = np.stack([U[:, 0], U[:, 1]], 1)
    units = {"units": "m\x07\r\n/s"}
    path = tmp_path / "a.nc"
    fields = {"u": (("sample", "channel", "y", "x"), values, units)}
    xr.Dataset(fields, {"channel": named}).to_netcdf(path)
    data = source(str(path), dimensions=()).generate([0], 0)
    assert data.channel.values.tolist() == ["[31mu", "v w"]
    assert data.field.attrs["units"] == "m /s"
    fields["u"][2]["units"] = "m" * 1000
    xr.Dataset(fields, {"channel": named}).to_netcdf(path)
    named = "the unit of field is 'mmmm.*' of 1000 characters; write one of at most 80"
    refused(str(path), named, dimensions=())


def test_names_of_arrays_are_listed_in_one_line(tmp_path):
    path = hdf5(tmp_path, **{"v\nw": U, **{f"p{number}": [1.0] for number in range(100)}})
    refused(path, "has no array 'q', only .*and 82 more", variables=("q",))
    data, _ = read(path, variables=("u", "v\nw"))
    assert data.channel.values.tolist() == ["u", "v w"]
    assert data.field.attrs["long_name"] == "u, v w"


def test_long_names_can_be_replaced(tmp_path):
    name = "/".join(["results"] * 12)
    path = hdf5(tmp_path, **{name: U})
    refused(path, "the name of a channel is 'results/.*of 95 characters", variables=(name,))
    data, _ = read(path, variables=(name,), channels={"u": 0})
    assert data.channel.values.tolist() == ["u"]


def test_names_in_the_configuration_are_one_line_of_text(tmp_path):
    path = hdf5(tmp_path)
    refused(path, r"channels: 'u\\x1b' has control characters", channels={"u\x1b": 0})
    refused(path, "channels: a name is 'uuu.*' of 90 characters", channels={"u" * 90: 0})


def test_names_of_channels_in_letters_of_their_own(tmp_path):
    """As xarray writes text to NetCDF-3 files."""
    values = np.stack([U[:, 0], U[:, 1]], 1)
    fields = {"u": (("sample", "channel", "y", "x"), values)}
    channel = np.array(["p", "speed"], object)
    dataset = xr.Dataset(fields, {"channel": channel})
    dataset.to_netcdf(tmp_path / "a.nc", format="NETCDF3_64BIT")
    data, _ = read(str(tmp_path / "a.nc"), dimensions=())
    assert data.channel.values.tolist() == ["p", "speed"]


def test_a_single_frame_has_its_time(tmp_path):
    np.savez(tmp_path / "a.npz", u=U[:, :1], time=TIMES[2:])
    data, _ = read(str(tmp_path / "a.npz"))
    assert data.time.values.tolist() == [2.5]


def test_channels_of_one_name_are_refused_unless_they_are_named(tmp_path):
    values = np.stack([U[:, 0], U[:, 1]], 1)
    fields = {"u": (("sample", "channel", "y", "x"), values)}
    xr.Dataset(fields, {"channel": np.array(["p", "p"], object)}).to_netcdf(tmp_path / "a.nc")
    path = str(tmp_path / "a.nc")
    refused(path, r"channels of one name .*channels: \{p_0: 0, p_1: 1\}", dimensions=())
    data, _ = read(path, dimensions=(), channels={"p": 0, "q": 1})
    np.testing.assert_array_equal(data.field[:, 1], U[[4, 0], 1].astype(np.float32))
    refused(path, "name each once", dimensions=(), variables=("u", "u"))


@pytest.mark.parametrize(
    ("count", "dimensions"),
    [
        (20_000, ("sample", "channel", "y", "x")),
        (11_000_000, ("sample", "time", "y", "x")),
    ],
)
def test_sizes_are_checked_before_anything_is_made_of_them(tmp_path, count, dimensions):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", (1, count, 2, 2), "f4", chunks=(1, 10_000, 2, 2))
    named = f"{count} entries along {dimensions[1]}, and more than .* cannot be read"
    refused(str(tmp_path / "a.h5"), named, dimensions=dimensions)


def test_labels_are_text():
    data = label(
        np.zeros((1, 1, 2, 2)),
        [0],
        basis=COSINE,
        nodes=dict.fromkeys("yx", COSINE.nodes(2)),
        measured_from="corner",
        channels=[5],
        meaning="u",
        units={"field": 5},
    )
    assert data.field.attrs["units"] == "5"
    assert data.channel.values.tolist() == ["5"]


# Where nodes are in the domain


def periodic(x, shift=0.0):
    """Samples that have the period 1 along both axes, (sample, y, x)."""
    waves = [np.cos(2 * np.pi * (20 * x + k / 7 + shift)) for k in range(SAMPLES)]
    return np.stack([np.add.outer(wave, np.sin(2 * np.pi * x)) for wave in waves])


def planar(path, values, x=None, **changes):
    positions = {} if x is None else {"x": x, "y": changes.pop("y", x)}
    np.savez(path / "a.npz", u=values, **positions)
    options = {"variables": ("u",), "dimensions": ("sample", "y", "x")}
    return FileData(str(path / "a.npz"), **{"basis": FourierBasis(), **options, **changes})


@pytest.mark.parametrize("kept", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("ends", "length"),
    [((0, 1), None), ((-np.pi, np.pi), None), ((0, 0.3712), 0.3712), ((0, 360), 360.0)],
)
def test_nodes_at_both_ends_of_a_period_count_once(tmp_path, kept, ends, length):
    x = np.linspace(*ends, 33).astype(kept)
    values = periodic(np.linspace(0, 1, 33)).astype(kept)
    found = planar(tmp_path, values, x, length=length)
    found.check()
    assert found.resolution == 32
    data = found.generate(range(SAMPLES), 0)
    np.testing.assert_array_equal(data.field[:, 0], values[:, :-1, :-1].astype(np.float32))
    np.testing.assert_array_equal(data.x, x[:-1])
    assert "the last nodes are the first ones again and are left out" in found.remarks[0]


def test_values_that_differ_at_both_ends_are_refused(tmp_path):
    x = np.linspace(0, 1, 33)
    values = periodic(x).astype(np.float32)
    values[3, 5, -1] += 1e-3
    found = planar(tmp_path, values, x)
    found.generate([0, 1, 2, 4], 0)
    with pytest.raises(ValueError, match=r"values there differ in sample 3 there.*length"):
        found.generate([2, 3], 0)
    again = planar(tmp_path, values, x, length=33 / 32)
    assert again.resolution == 33


@pytest.mark.parametrize(
    "x",
    [
        np.arange(32) / 32,
        (np.arange(32) + 0.5) / 32,
        np.arange(32.0),
        np.arange(33.0),
        np.arange(32) * 2 * np.pi / 32,
        np.arange(32) * 11.25,
        -1 + np.arange(32) / 16,
    ],
)
def test_nodes_of_the_fourier_basis_are_kept(tmp_path, x):
    found = planar(tmp_path, periodic(np.arange(len(x)) / len(x)), x)
    assert found.resolution == len(x)
    assert found.remarks == ()
    np.testing.assert_array_equal(found.generate([0], 0).x, x)


@pytest.mark.parametrize("positions", [None, 0.3712 * np.linspace(0, 1, 33)])
def test_equal_values_at_both_ends_are_told(tmp_path, caplog, positions):
    doubled = planar(tmp_path, periodic(np.linspace(0, 1, 33)), positions)
    assert doubled.generate([0, 1], 0).sizes["x"] == 33
    assert "last nodes along y and x have the values of the first ones" in caplog.text
    caplog.clear()
    planar(tmp_path, periodic(np.arange(32) / 32)).generate([0, 1], 0)
    planar(tmp_path, np.ones((2, 4, 4))).generate([0, 1], 0)
    assert caplog.text == ""


def test_zeros_on_walls_are_told_where_the_basis_has_none(tmp_path, caplog):
    values = np.zeros((3, 2, 9, 9))
    values[:, 0, 1:-1, 1:-1] = np.random.default_rng(0).random((3, 7, 7))
    values[:, 1] = 1 + values[:, 0]
    options = {"dimensions": ("sample", "channel", "y", "x"), "channels": {"sol": 0, "coeff": 1}}
    planar(tmp_path, values, basis=SineBasis(), **options).generate(range(3), 0)
    assert "channel sol is zero at the first and the last nodes along y and x" in caplog.text
    assert "the centres of 9 cells" in caplog.text
    caplog.clear()
    planar(tmp_path, values, basis=COSINE, **options).generate(range(3), 0)
    planar(tmp_path, values, SineBasis().nodes(9), basis=SineBasis(), **options).generate([0], 0)
    values[2, 0, 3, 0] = 1
    planar(tmp_path, values, basis=SineBasis(), **options).generate(range(3), 0)
    assert caplog.text == ""


@pytest.mark.parametrize("basis", ["cosine", "sine"])
def test_nodes_on_walls_are_refused_in_bases_of_cell_centres(tmp_path, basis):
    chosen = {"cosine": COSINE, "sine": SineBasis()}[basis]
    values = periodic(np.linspace(0, 1, 33))
    walls = planar(tmp_path, values, np.linspace(0, 1, 33), basis=chosen)
    named = rf"nodes run from wall to wall, 0 to 1, but the {basis} basis.*say length: 1.03125"
    with pytest.raises(ValueError, match=named):
        walls.check()
    meant = planar(tmp_path, values, np.linspace(0, 1, 33), basis=chosen, length=1.03125)
    meant.check()
    left = planar(tmp_path, values[:, :32, :32], np.arange(32) / 32, basis=chosen)
    with pytest.raises(ValueError, match=r"the left ends of cells, 0, 0.03125, ….*say length: 1"):
        left.check()
    with pytest.raises(ValueError, match=r"the left ends of cells, 0, 0.02, ….*say length: 0.64"):
        planar(tmp_path, values[:, :32, :32], 0.02 * np.arange(32), basis=chosen).check()
    for x in (COSINE.nodes(32), np.arange(32.0), 2 * COSINE.nodes(32) - 1, 5 + COSINE.nodes(32)):
        planar(tmp_path, values[:, :32, :32], x, basis=chosen).check()


@pytest.mark.parametrize("kept", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("longitude", "first"), [([359.5, 0, 0.5, 1], 359.5), ([179, 179.5, -180, -179.5], 179)]
)
def test_regions_across_a_meridian(tmp_path, kept, longitude, first):
    for way in (1, -1):
        lon = np.array(longitude[::way]).astype(kept)
        positions = {
            "lat": ("lat", 40 + 0.5 * np.arange(4), {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        }
        fields = {"u": (("sample", "time", "lat", "lon"), U[..., ::way])}
        xr.Dataset(fields, positions).to_netcdf(tmp_path / f"{way}.nc")
        data, _ = read(str(tmp_path / f"{way}.nc"), dimensions=())
        expected = first + 0.5 * np.arange(4)
        np.testing.assert_allclose((data.x - expected) % 360 % 360, 0, atol=1e-4)
        np.testing.assert_allclose(np.diff(data.x), 0.5)
        np.testing.assert_array_equal(data.field[:, :, 0], U[[4, 0]].astype(np.float32))


@pytest.mark.parametrize("units", [{"lat": "degrees_north", "lon": "degrees_east"}, {}])
def test_degrees_end_at_no_walls(tmp_path, units):
    for start, step in ((0, 0.25), (10, 0.25), (-5, 1.25)):
        positions = {
            name: (name, start + step * np.arange(9), {"units": units[name]} if units else {})
            for name in ("lat", "lon")
        }
        fields = {"t2m": (("time", "lat", "lon"), np.random.default_rng(0).random((2, 9, 9)))}
        xr.Dataset(fields, positions).to_netcdf(tmp_path / "a.nc")
        FileData(str(tmp_path / "a.nc"), COSINE, frames="samples").check()


def test_faces_of_cells_give_their_centres(tmp_path):
    faces = np.linspace(0, 2, 33)
    found = planar(tmp_path, periodic(COSINE.nodes(32)), faces, basis=COSINE)
    np.testing.assert_allclose(found.generate([0], 0).x, 2 * COSINE.nodes(32))
    assert "'x' holds faces of cells: nodes are taken to be between them" in found.remarks[1]


def test_a_length_that_contradicts_the_nodes_is_refused(tmp_path):
    found = planar(tmp_path, periodic(COSINE.nodes(32)), COSINE.nodes(32), length=3.0)
    with pytest.raises(ValueError, match=r"makes a side of 1, or of 0.96875 .*but length = 3"):
        found.check()


def test_units_along_one_axis_hold_for_both(tmp_path):
    for axis, other in ("xy", "yx"):
        positions = {axis: (axis, 1 + X, {"units": "km"}), other: (other, X)}
        fields = {"u": (("sample", "time", "y", "x"), U)}
        xr.Dataset(fields, positions).to_netcdf(tmp_path / f"{axis}.nc")
        data, _ = read(str(tmp_path / f"{axis}.nc"), dimensions=())
        assert data.y.attrs["units"] == data.x.attrs["units"] == "km"
        np.testing.assert_array_equal(data[axis], 1 + X)
        np.testing.assert_array_equal(data[other], X)


def test_positions_along_one_axis_hold_for_both(tmp_path):
    np.savez(tmp_path / "a.npz", u=periodic(COSINE.nodes(4)), x=X)
    found = FileData(
        str(tmp_path / "a.npz"), COSINE, variables=("u",), dimensions=("sample", "y", "x")
    )
    np.testing.assert_array_equal(found.generate([0], 0).y, X)
    assert "only " in found.remarks[0]


# Frames as samples


def test_frames_are_samples_of_their_own(tmp_path, monkeypatch):
    for name, first, last in (("a", 0, 2), ("b", 2, 5)):
        np.savez(tmp_path / f"{name}.npz", u=U[first:last], time=TIMES + first)
    found = source(str(tmp_path), frames="samples")
    found.check()
    assert found.available == SAMPLES * FRAMES
    expected = U.reshape(-1, 1, N, N).astype(np.float32)
    data = found.generate(range(15), 0)
    assert data.field.dims == ("sample", "channel", "y", "x")
    np.testing.assert_array_equal(data.field, expected)
    for indices in ([7], [14, 0, 1, 2, 3], [5, 6, 8]):
        np.testing.assert_array_equal(found.generate(indices, 0).field, expected[indices])
        xr.testing.assert_identical(found.generate(indices, 0), data.sel(sample=indices))
    monkeypatch.setattr("fsdiff.data.sources.files.BLOCK", 1)
    np.testing.assert_array_equal(found.generate(range(15), 0).field, expected)


def test_runs_of_different_lengths_and_chosen_frames(tmp_path):
    np.savez(tmp_path / "a.npz", u=U[:1, :2], time=TIMES[:2])
    np.savez(tmp_path / "b.npz", u=U[1:2], time=TIMES)
    found = source(str(tmp_path), frames="samples")
    assert found.available == 5
    expected = np.concatenate([U[0, :2], U[1]])[:, None].astype(np.float32)
    np.testing.assert_array_equal(found.generate(range(5), 0).field, expected)
    some = source(str(tmp_path), frames="samples", time=(0.5, 1.0))
    np.testing.assert_array_equal(some.generate([2, 3], 0).field[:, 0], U[1, :2].astype("f4"))
    one = source(str(tmp_path), frames="samples", time=1.0)
    assert one.available == 2
    assert float(one.generate([1], 0).time) == 1.0


def test_frames_as_samples_of_one_run_without_a_dimension_for_it(tmp_path):
    np.save(tmp_path / "a.npy", U[0])
    found = FileData(str(tmp_path), COSINE, dimensions=("time", "y", "x"), frames="samples")
    assert found.available == FRAMES
    np.testing.assert_array_equal(found.generate([2, 0], 0).field[:, 0], U[0, [2, 0]].astype("f4"))
    np.save(tmp_path / "a.npy", U[0] * np.where(np.arange(3) == 1, np.nan, 1)[:, None, None])
    with pytest.raises(ValueError, match=r"16 values of frame 1 of sample 0 there \(sample 1 of"):
        found.generate(range(3), 0)
    without = FileData(str(tmp_path), COSINE, dimensions=("sample", "y", "x"), frames="samples")
    with pytest.raises(ValueError, match=r"frames = samples: .*no dimension 'time'; leave it out"):
        without.check()


def test_splits_at_the_ends_of_runs_share_none(tmp_path):
    np.savez(tmp_path / "a.npz", u=U, time=TIMES)
    block = {
        "kind": "files",
        "path": str(tmp_path / "a.npz"),
        "basis": {"kind": "cosine"},
        "variables": ["u"],
        "dimensions": list(SERIES),
        "frames": "samples",
    }
    whole = {"source": block, "resolutions": [4], "split": {"train": 9, "validation": 3, "test": 3}}
    dataset = Dataset.model_validate(whole)
    data = dataset.source.part.generate(range(dataset.samples), 0).field.values[:, 0]
    runs = [int(np.argwhere((U.astype("f4") == frame).all((2, 3)))[0, 0]) for frame in data]
    train, validation, test = runs[:9], runs[9:12], runs[12:]
    assert (set(train), set(validation), set(test)) == ({0, 1, 2}, {3}, {4})
    whole["split"]["test"] = 4
    with pytest.raises(ValueError, match="16 samples in all, but the source holds 15"):
        Dataset.model_validate(whole)
