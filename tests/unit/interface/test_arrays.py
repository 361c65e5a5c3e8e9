"""Arrays as people have them: no dimension, no value and no coordinate is taken for another."""

import logging

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs

N, SQUARE, CIRCLE = 8, fs.FourierBasis(2), fs.FourierBasis(1)
VALUES = np.random.default_rng(0).standard_normal((6, 2, N, N))
"""Fields (sample, channel, y, x)."""


def drawn(fields, basis=SQUARE):
    return fs.Gaussian(basis).fit(fields).sample(n=N, indices=range(2), seed=3).fields


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("time", "variable", "lat", "lon"), ("variable", "time", "lat", "lon")),  # of to_array
        (("time", "level", "lat", "lon"), ("lon", "lat", "level", "time")),
        (("member", "time", "y", "x"), ("time", "member", "y", "x")),
        (("case", "channel", "south", "east"), ("channel", "case", "south", "east")),
        (("sample", "what", "row", "column"), ("what", "sample", "row", "column")),
        (("a", "b", "c", "d"), ("a", "b", "c", "d")),
    ],
)
def test_names_say_what_dimensions_are_whatever_their_order(names, order):
    array = xr.DataArray(VALUES, dims=names).transpose(*order)
    assert drawn(array).equal(drawn(VALUES))


def test_dimensions_that_count_samples_together_are_stacked():
    names = ("time", "number", "channel", "y", "x")
    array = xr.DataArray(VALUES.reshape(3, 2, 2, N, N), {"number": [0, 1]}, names)
    message = r"make one of several, fields.stack\(sample=\('time', 'number'\)\)"
    with pytest.raises(ValueError, match=message):
        drawn(array)
    assert drawn(array.stack(sample=("time", "number"))).equal(drawn(VALUES))


def test_variables_of_a_data_set_are_channels():
    data = xr.Dataset({name: (("time", "y", "x"), VALUES[:, i]) for i, name in enumerate("uv")})
    model = fs.Gaussian(SQUARE).fit(data.to_array())
    samples = model.sample(n=N, indices=range(2), seed=3)
    assert samples.fields.equal(drawn(VALUES))
    assert model.label(samples)["channel"].values.tolist() == ["u", "v"]
    with pytest.raises(ValueError, match=r"an array of this data set, which has u, v, or .to_arr"):
        fs.Gaussian(SQUARE).fit(data)


def test_time_behind_space_is_no_axis_of_it():
    array = xr.DataArray(VALUES[:, 0], dims=("time", "lat", "north"))
    with pytest.raises(ValueError, match="'lat' is not taken for samples"):
        drawn(array.transpose("lat", "north", "time"))
    series = xr.DataArray(VALUES[0, 0], dims=("station", "time"))  # functions of time
    assert drawn(series, CIRCLE).equal(drawn(VALUES[0, 0], CIRCLE))


@pytest.mark.parametrize("kind", [complex, object, str, "datetime64[D]"])
def test_values_that_are_no_real_numbers_are_refused(kind):
    values = VALUES.astype(int).astype(kind)
    for fields in (values, xr.DataArray(values, dims=("sample", "channel", "y", "x"))):
        with pytest.raises(ValueError, match=r"fields hold (complex numbers|values of type)"):
            drawn(fields)


def test_real_numbers_of_all_types_are_read():
    whole = np.rint(10 * VALUES)
    for kind in (np.float16, np.int16, np.int64, np.longdouble, ">f4", ">f8"):
        assert drawn(whole.astype(kind)).equal(drawn(whole))
    assert drawn(torch.from_numpy(whole).bfloat16()).equal(drawn(whole))
    assert drawn(whole > 0).equal(drawn((whole > 0).astype(float)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([VALUES[0, 0], VALUES[0, 0, :4]], "fields are not all of one shape: give one array"),
        ({"u": VALUES}, "give an array of real numbers, not an object of type dict"),
        ("data.nc", "not an object of type str"),
        (None, "not an object of type NoneType"),
        ([None], "not a list of NoneType"),
    ],
)
def test_what_is_no_array_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        drawn(fields)


def test_sparse_tensors_are_read():
    assert drawn(torch.from_numpy(VALUES).to_sparse()).equal(drawn(VALUES))


def test_channels_behind_the_axis_are_told_of(caplog):
    message = "fields have 8 channels on 2 nodes: where channels come last"
    series = np.moveaxis(VALUES[:, :, 0], 1, 2)
    assert message in told(caplog, series, CIRCLE)
    assert told(caplog, VALUES[:, :, 0], CIRCLE) == ""


def test_values_that_no_sample_could_have_are_refused():
    with pytest.raises(ValueError, match=r"values as large as .*e\+300: scale them"):
        drawn(1e300 * VALUES)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.01}, "scale_factor = 0.01, so their values are as a file packs them"),
        ({"add_offset": 273.15}, "add_offset = 273.15, so their values"),
        ({"_FillValue": -9.0}, "values of _FillValue = -9.0, which stand for none: put NaN there"),
        ({"missing_value": np.array([7.0, -9.0])}, "values of missing_value = -9.0"),
    ],
)
def test_values_that_were_not_decoded_are_refused(attributes, message):
    array = xr.DataArray(VALUES.copy(), dims=("sample", "channel", "y", "x"), attrs=attributes)
    array[2, 0, 1, 1] = -9
    with pytest.raises(ValueError, match=message):
        drawn(array)


def test_channels_of_one_name_are_refused():
    array = xr.DataArray(VALUES, {"channel": ["u", "u"]}, ("sample", "channel", "y", "x"))
    with pytest.raises(ValueError, match="two channels are called u: give each a name of its own"):
        drawn(array)


# Where nodes are


@pytest.mark.parametrize("calendar", [None, "noleap"])
def test_dates_and_durations_are_seconds(calendar, caplog):
    dates = xr.date_range("2000-01-01", periods=N, freq="6h", use_cftime=calendar is not None)
    hours, line, fields = 6.0 * np.arange(N), fs.CosineBasis(1), VALUES[:, 0, 0]
    for places, sign in (
        (dates.values, 1),
        (dates.values[::-1], -1),
        (hours.astype("timedelta64[h]"), 1),
    ):
        array = xr.DataArray(fields, {"time": places}, ("sample", "time"))
        assert told(caplog, array, line) == ""
        model = fs.Gaussian(line).fit(array)
        samples = model.sample(n=N, indices=range(2), seed=3)
        assert samples.fields.equal(drawn(fields, line))
        time = model.label(samples)["time"]
        np.testing.assert_allclose(time, sign * 3600 * hours)
        assert time.attrs["units"] == "s"


def test_dates_in_unequal_steps_are_those_of_points_or_refused():
    points = np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    dates = np.datetime64("2000-01-01", "s") + (1e5 * points).astype("timedelta64[s]")
    array = xr.DataArray(VALUES[:, 0, 0], {"time": dates}, ("sample", "time"))
    with pytest.raises(ValueError, match="along time are not equally spaced, or not as the nodes"):
        drawn(array, fs.CosineBasis(1))
    gram = fs.GramBasis(points=tuple(points), covariance=fs.Matern(length=0.3))
    assert drawn(array, gram).equal(drawn(VALUES[:, 0, 0], gram))


def waves(x, seed=0):
    """Functions of period one, of which the values at both ends agree but for rounding."""
    phases = np.random.default_rng(seed).uniform(size=(6, 1))
    return np.sin(2 * np.pi * (x - phases)) + np.cos(4 * np.pi * (x - 2 * phases))


@pytest.mark.parametrize(
    ("name", "ends"), [("x", (0.0, 1.0)), ("angle", (-np.pi, np.pi)), ("lon", (360.0, 0.0))]
)
def test_both_ends_of_a_period_are_refused(name, ends):
    x = np.linspace(0, 1, N + 1)
    place = np.linspace(*ends, N + 1)
    array = xr.DataArray(waves(x), {name: place}, ("sample", name))
    with pytest.raises(ValueError, match=r"have both ends of the period, .*=slice\(-1\)\)"):
        drawn(array, CIRCLE)
    assert drawn(array[:, :-1], CIRCLE).shape == (2, 1, N)


def told(caplog, fields, basis):
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fs.Gaussian(basis).fit(fields)
    return caplog.text


def test_what_is_doubtful_is_told(caplog):
    x = np.linspace(0, 1, N + 1)
    line = fs.CosineBasis(1)
    assert "the last nodes along x have the values of the first ones" in told(
        caplog, waves(x), CIRCLE
    )
    at_walls = xr.DataArray(waves(x), {"x": 5 * x}, ("sample", "x"))
    assert "coordinates along x begin or end on a wall, 0 to 5" in told(caplog, at_walls, line)
    assert "channel 0 is zero at the first and the last nodes" in told(
        caplog, np.sin(np.pi * x) * np.arange(1, 7)[:, None], fs.SineBasis(1)
    )
    marked = VALUES.copy()
    marked[3, 1, 2, 2] = -9999
    assert "channel 1 has values of exactly -9999, far from all others, e.g. in sample 3" in told(
        caplog, marked, SQUARE
    )
    empty = VALUES.copy()
    empty[4:] = 0
    assert "2 samples end with zeros alone, the first of them sample 4" in told(
        caplog, empty, SQUARE
    )
    centres = xr.DataArray(waves(x[:-1]), {"x": x[:-1] + x[1] / 2}, ("sample", "x"))
    for fields, basis in ((VALUES, SQUARE), (centres, line), (centres, CIRCLE)):
        assert told(caplog, fields, basis) == ""


def test_boxes_of_another_shape_than_the_coordinates_are_told(caplog):
    def region(width, units):
        places = {
            "lat": ("lat", np.arange(N) + 40.5, {"units": units}),
            "lon": ("lon", width / N * (np.arange(N) + 0.5), {"units": units}),
        }
        return xr.DataArray(VALUES, places, ("sample", "channel", "lat", "lon"))

    square, message = fs.CosineBasis(2), "sides of 8 along y and 16 along x, and the basis of 1 and"
    assert message in told(caplog, region(16, "degree"), square)
    assert message in told(caplog, region(16, "km"), square)
    assert told(caplog, region(8, "degree"), square) == ""
    axes = [
        fs.Axis(kind="neumann", name=name, nodes=N, side=s)
        for name, s in zip("yx", (1, 2), strict=True)
    ]
    assert told(caplog, region(16, "km"), fs.Box(axes=tuple(axes))) == ""
    pressure = region(16, "km").assign_coords(lat=("lat", np.arange(N) + 40.5, {"units": "hPa"}))
    assert told(caplog, pressure, square) == ""
