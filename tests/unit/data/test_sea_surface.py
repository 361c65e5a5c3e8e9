"""Sea-surface temperatures, with land: real data with nodes that have no values."""

import netCDF4
import numpy as np
import pytest

from fsdiff.data import hierarchy
from fsdiff.data.sources.files import FileData
from fsdiff.data.statistics import Statistics
from fsdiff.spaces.downsampling import Spectral

iris_sample_data = pytest.importorskip("iris_sample_data")
PATH = "package:iris_sample_data/sample_data/ostia_monthly.nc"


def test_the_tropical_oceans_are_read_with_their_coasts():
    source = FileData(PATH, frames="samples", gaps="mask")
    source.check()
    assert source.basis.grid(432) == (18, 432)
    data = source.generate(range(source.available), 0)
    with netCDF4.Dataset(f"{iris_sample_data.path}/ostia_monthly.nc") as file:
        stored = file["surface_temperature"][:]
    np.testing.assert_array_equal(data["present"].values[0] == 1, ~stored.mask[0])
    known = np.broadcast_to(~stored.mask[0], stored.shape)
    np.testing.assert_array_equal(data["field"].values[:, 0][known], stored.data[known])
    # No temperature on land is beyond those of the coasts.
    assert data["field"].values.min() == stored.min()
    assert data["field"].values.max() == stored.max()

    data = data.assign_coords(split=("sample", ["train"] * len(data["sample"])))
    data = data.merge(hierarchy.statistics(data, source.basis))
    assert data["mean"].item() == pytest.approx(stored.mean(dtype=float), rel=1e-6)
    assert "ancillary_variables" not in data["mean"].attrs
    coarse = hierarchy.restrict(data, 108, Spectral(), source.basis)
    sea = [float((part["present"] == 1).mean()) for part in (data, coarse)]
    assert sea[1] == pytest.approx(sea[0], abs=0.02)
    assert Statistics.of(coarse).mask.at(864).shape == (1, 36, 864)
