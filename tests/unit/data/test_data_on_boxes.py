"""Data on lines, rectangles, volumes and in space and time, from shards to samples."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fsdiff.data import hierarchy, storage
from fsdiff.data.sources.labels import label
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.downsampling import Spectral
from fsdiff.stages.files import StoredSplit, split
from fsdiff.stages.labels import describe_fields
from fsdiff.stages.labels import label as label_samples

MADE = Provenance({"case": "box"}, "code", 0)
SPLIT = {"train": 4, "validation": 1, "test": 2}

LINE = FourierBasis(1)
RECTANGLE = Box(
    axes=(
        Axis(kind="neumann", name="latitude", nodes=6, side=0.5),
        Axis(kind="periodic", name="longitude", nodes=12, side=1.0),
    )
)
SPACE_TIME = Box(
    axes=(
        Axis(kind="neumann", name="time", nodes=5, side=2.0, held=True),
        Axis(kind="periodic", name="x", nodes=12),
    )
)
VOLUME = CosineBasis(3)
CASES = [(LINE, 13), (RECTANGLE, 12), (SPACE_TIME, 12), (VOLUME, 6)]


def fields(basis, n, count):
    values = np.random.default_rng(0).standard_normal((count, 2, *basis.grid(n)))
    return values.astype(np.float32) + 3


def labelled(basis, n, indices, values, **options):
    about = {"channels": ("u", "v"), "meaning": "two things", "measured_from": "corner"}
    return label(values[indices], indices, basis=basis, **about, **options)


def merged(folder: Path, basis, n, **options):
    """A data set of two shards, with its statistics, written and read again."""
    values = fields(basis, n, 7)
    paths = [folder / "0-2.nc", folder / "3-6.nc"]
    for path, indices in zip(paths, (range(3), range(3, 7)), strict=True):
        part = labelled(basis, n, indices, values, **options)
        storage.write(part, path, title="shard", provenance=MADE)
    whole = hierarchy.merge(paths, split=SPLIT, expected=MADE)
    whole = whole.assign(hierarchy.statistics(whole, basis))
    storage.write(whole, folder / "all.nc", title="all", provenance=MADE)
    return storage.read(folder / "all.nc"), torch.from_numpy(values).double()


@pytest.mark.parametrize(("basis", "n"), CASES)
def test_statistics_are_those_of_the_training_split(tmp_path, basis, n):
    dataset, values = merged(tmp_path, basis, n)
    names = [axis.name for axis in basis.axes]
    assert dataset["field"].dims == ("sample", "channel", *names)
    found = Statistics.of(dataset)
    train = values[:4]
    everything = (0, *range(2, train.ndim))
    mean = train.mean(everything)
    deviation = train - mean.view(-1, *[1] * basis.dimension)
    scale = deviation.square().mean(everything).sqrt()
    normalised = deviation / scale.view(-1, *[1] * basis.dimension)
    assert found.resolution == n
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.scale, scale)
    torch.testing.assert_close(found.spectrum, basis.forward(normalised).abs().square().mean(0))
    torch.testing.assert_close(found.normalise(train), normalised)
    modes = [f"mode_{name}" for name in names]
    assert dataset["spectrum"].dims == ("channel", *modes)
    for name, k in zip(modes, basis.axis_modes(n), strict=True):
        np.testing.assert_array_equal(dataset[name], k)


@pytest.mark.parametrize(("basis", "n"), CASES)
def test_coarser_levels_are_restrictions_at_the_nodes_of_their_grid(tmp_path, basis, n):
    dataset, values = merged(tmp_path, basis, n)
    coarse = hierarchy.restrict(dataset, n // 2, Spectral(), basis).compute()
    expected = basis.restrict(values, n // 2).float()
    torch.testing.assert_close(torch.from_numpy(coarse["field"].values), expected)
    nodes = zip(basis.axes, basis.axis_nodes(n // 2), strict=True)
    for axis, positions in nodes:
        np.testing.assert_allclose(coarse[axis.name], positions, atol=1e-12)
    storage.write(coarse, tmp_path / "coarse.nc", title="coarse", provenance=MADE)
    with storage.read(tmp_path / "coarse.nc") as written:
        assert Statistics.of(written).resolution == n


@pytest.mark.parametrize(("basis", "n"), CASES)
def test_splits_are_normalised_fields_of_the_grid(tmp_path, basis, n):
    dataset, values = merged(tmp_path, basis, n)
    stored = StoredSplit(tmp_path / "all.nc", "test")
    assert stored.shape == (2, 2, *basis.grid(n))
    expected = Statistics.of(dataset).normalise(split(dataset, "test")).float()
    assert stored.whole().equal(expected)
    torch.testing.assert_close(split(dataset, "test").double(), values[5:])


def test_samples_at_other_levels_lie_where_the_data_do(tmp_path):
    """Coordinates in degrees, of which the sides of the box know nothing."""
    nodes = {"latitude": 30 + 10 * RECTANGLE.axis_nodes(12)[0], "longitude": np.arange(12) * 30.0}
    dataset, _ = merged(tmp_path, RECTANGLE, 12, units=dict.fromkeys(nodes, "degrees"), nodes=nodes)
    described = describe_fields(dataset, RECTANGLE)
    found = label_samples(torch.zeros(1, 2, *RECTANGLE.grid(24)), RECTANGLE, described)
    np.testing.assert_allclose(found["latitude"], 30 + 5 * (np.arange(12) + 0.5) / 12)
    np.testing.assert_allclose(found["longitude"], np.arange(24) * 15.0)
    assert found["latitude"].attrs == {
        "long_name": "latitude",
        "units": "degrees",
    }


def test_times_of_held_axes_are_those_of_the_data_at_every_level(tmp_path):
    times = np.array([0.0, 0.1, 0.5, 1.0, 4.0])
    dataset, _ = merged(tmp_path, SPACE_TIME, 12)
    dataset = dataset.assign_coords(time=("time", times, {"long_name": "time", "units": "s"}))
    coarse = hierarchy.restrict(dataset, 6, Spectral(), SPACE_TIME)
    np.testing.assert_array_equal(coarse["time"], times)
    described = describe_fields(dataset, SPACE_TIME)
    assert "times" not in described
    found = label_samples(torch.zeros(1, 2, *SPACE_TIME.grid(48)), SPACE_TIME, described)
    np.testing.assert_array_equal(found["time"], times)
    assert dataset["x"].attrs["long_name"] == "distance from the corner along x"


def test_axes_that_are_none_and_two_times_are_refused():
    values = fields(SPACE_TIME, 12, 1)
    with pytest.raises(ValueError, match=r"nodes along y: the axes are time, x"):
        labelled(SPACE_TIME, 12, [0], values, nodes={"y": np.zeros(12)})
    with pytest.raises(ValueError, match=r"fields are functions of time"):
        labelled(SPACE_TIME, 12, [0], values, time=1.0)
