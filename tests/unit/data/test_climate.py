"""Fields of a climate model that come with a package: what a stranger's files are like."""

from importlib.resources import files as resources
from importlib.util import find_spec

import netCDF4
import numpy as np
import pytest

from fsdiff.data.sources.files import FileData
from fsdiff.jobs.failures import StorageError

pytestmark = pytest.mark.skipif(
    find_spec("iris_sample_data") is None, reason="the package iris-sample-data is not there"
)


def sample(name):
    return resources("iris_sample_data").joinpath("sample_data", name)


def read(name, **options):
    source = FileData(str(sample(name)), **options)
    source.check()
    return source


def test_years_of_air_temperature_are_samples_on_a_rectangle():
    source = read("A1B_north_america.nc", frames="samples")
    assert source.available == 240
    assert [(axis.name, axis.kind, axis.nodes) for axis in source.basis.axes] == [
        ("latitude", "neumann", 37),
        ("longitude", "neumann", 49),
    ]
    data = source.generate([0, 239], 0)
    with netCDF4.Dataset(sample("A1B_north_america.nc")) as file:
        stored, latitude = file["air_temperature"][[0, 239]], file["latitude"][:]
    turned = stored[:, ::-1] if latitude[0] > latitude[-1] else stored
    np.testing.assert_array_equal(data["field"][:, 0], turned)
    np.testing.assert_array_equal(data["latitude"], np.sort(latitude))
    assert data["field"].attrs["units"] == "K"


def test_two_scenarios_are_one_data_set():
    source = FileData(
        (str(sample("A1B_north_america.nc")), str(sample("E1_north_america.nc"))),
        frames="samples",
    )
    source.check()
    assert source.available == 480


def test_longitudes_all_around_are_periodic():
    source = read("ostia_monthly.nc", frames="samples")
    assert [(axis.name, axis.kind, axis.nodes) for axis in source.basis.axes] == [
        ("latitude", "neumann", 18),
        ("longitude", "periodic", 432),
    ]
    assert source.basis.axes[0].side == pytest.approx(10 / 360, rel=1e-6)
    with pytest.raises(StorageError, match="are missing, not finite"):  # there is land
        source.generate([0], 0)


def test_rotated_poles_are_read_by_their_standard_names():
    source = read("rotated_pole.nc")
    assert [axis.name for axis in source.basis.axes] == ["grid_latitude", "grid_longitude"]
    assert source.generate([0], 0)["field"].shape == (1, 1, 22, 36)


def test_levels_by_number_are_a_third_axis():
    kinds = {"model_level_number": "neumann"}
    variables = ("air_potential_temperature",)
    source = read("hybrid_height.nc", variables=variables, axes=kinds)
    assert source.basis.grid(100) == (15, 100, 100)
    assert source.generate([0], 0)["field"].shape == (1, 1, 15, 100, 100)
