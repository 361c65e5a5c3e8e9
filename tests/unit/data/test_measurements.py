"""Files of measurements: tables and NetCDF alike, and what is wrong with them by name."""

import numpy as np
import pytest
import xarray as xr

from fsdiff.data.measurements import Measurements
from fsdiff.inverse.forward.membrane import measurements
from fsdiff.jobs.failures import StorageError

AXES = ("latitude", "longitude")
TABLE = """case, latitude, longitude, value
7, 10.0, 0.0, 1.5
7, 20.0, 5.0, 2.5
9, 10.0, 0.0, -1.5
9, 20.0, 5.0, 1e-3
"""
DATA, PLACES = [[1.5, 2.5], [-1.5, 1e-3]], [[10.0, 0.0], [20.0, 5.0]]


def read(tmp_path, text):
    path = tmp_path / "given.csv"
    path.write_text(text, encoding="utf-8")
    return Measurements.read(path, AXES)


def test_tables_and_netcdf_say_the_same(tmp_path):
    table = read(tmp_path, TABLE)
    file = {"data": (("case", "datum"), DATA), "place": (("datum", "axis"), PLACES)}
    xr.Dataset(file).to_netcdf(tmp_path / "given.nc")
    for found in (table, Measurements.read(tmp_path / "given.nc", AXES)):
        np.testing.assert_array_equal(found.data, DATA)
        np.testing.assert_array_equal(found.places, PLACES)
    xr.Dataset({"data": ("datum", DATA[0])}).to_netcdf(tmp_path / "one.nc")
    one = Measurements.read(tmp_path / "one.nc", AXES)
    np.testing.assert_array_equal(one.data, DATA[:1])
    assert one.places is None
    np.testing.assert_array_equal(read(tmp_path, "value\n1\n2\n").data, [[1.0, 2.0]])


def test_axes_of_places_may_be_named_in_another_order(tmp_path):
    path, file = tmp_path / "given.nc", {"data": ("datum", DATA[0])}
    file["place"] = (("datum", "axis"), np.array(PLACES)[:, ::-1])
    xr.Dataset(file, {"axis": list(AXES[::-1])}).to_netcdf(path)
    np.testing.assert_array_equal(Measurements.read(path, AXES).places, PLACES)
    xr.Dataset(file, {"axis": ["y", "x"]}).to_netcdf(path)
    with pytest.raises(StorageError, match=r"given.nc: axis names y, x instead of latitude, longi"):
        Measurements.read(path, AXES)


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    assert read(tmp_path, "value\n1\n2\n").data.shape == (1, 2)
    assert read(tmp_path, "value\n1\n2\n30\n").data.shape == (1, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("place\n1\n", "has no column value; its columns are place"),
        ("value, depth\n1, 2\n", "column depth is none of value, case, latitude, longitude"),
        ("value, latitude\n1, 2\n", "has a column latitude and none for longitude"),
        ("value\n1\nmany\n", "not all of column value are numbers"),
        ("value\n1\n\nnan\n", "1 of value are missing or infinite"),
        ("value\n", "has no measurements"),
        (TABLE.replace("9, 10.0", "9, 11.0"), "case 9 is not measured at the places of case 7"),
        (TABLE + ", 10.0, 0.0, 7\n", "row 5 of values has no case"),
        ("value, case\n1,\n2,\n", "row 1 of values has no case"),
        (TABLE + "9, 0, 0, 1\n", "case 9 is not measured at the places of case 7"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, text, message):
    with pytest.raises(StorageError, match=message) as caught:
        read(tmp_path, text)
    assert "given.csv" in str(caught.value)


def test_what_is_wrong_with_netcdf_is_named(tmp_path):
    path = tmp_path / "given.nc"
    for variables, message in (
        ({"values": ("datum", DATA[0])}, "has no variable data"),
        ({"data": (("datum", "case"), DATA)}, r"use \(case, datum\) or \(datum\)"),
        ({"data": ("datum", DATA[0]), "place": (("datum", "axis"), [[1.0], [2.0]])}, "coordinates"),
    ):
        xr.Dataset(variables).to_netcdf(path)
        with pytest.raises(StorageError, match=message):
            Measurements.read(path, AXES)
    with pytest.raises(StorageError, match=r"none\.csv"):
        Measurements.read(tmp_path / "none.csv", AXES)


def test_the_published_measurements_are_in_a_file(request):
    path = request.config.rootpath / "configs" / "membrane_64.csv"
    np.testing.assert_array_equal(Measurements.read(path, AXES).data[0], measurements().numpy())
