"""Several axes that count samples, or channels: ensembles of forecasts, fields of tensors."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from fsdiff.data.sources.files import FileData
from fsdiff.data.sources.formats.views import Whole
from fsdiff.data.sources.stacking import Stack
from fsdiff.spaces.bases import CosineBasis
from fsdiff.study.datasets import Dataset
from fsdiff.study.reading import ConfigurationError, load

COSINE = CosineBasis()
DATES, MEMBERS, STEPS, N = 5, 3, 2, 4
U = np.random.default_rng(0).standard_normal((DATES, MEMBERS, STEPS, N, N)).astype(np.float32)
PLACE = {"lat": COSINE.nodes(N), "lon": COSINE.nodes(N)}


def written(path, values, names, coordinates=None):
    xr.Dataset({"u": (names, values)}, coordinates).to_netcdf(path / "a.nc")
    return str(path / "a.nc")


def read(path, indices=None, seed=0, **options):
    source = FileData(path, COSINE, **options)
    source.check()
    return source.generate(range(source.available) if indices is None else indices, seed).field


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_a_stack_is_the_array_with_axes_in_order(order):
    """Whatever part is asked for, it is that of the array transposed and reshaped."""
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    stack = Stack(Whole(values.shape, values.dtype, lambda: values), (order[:3], order[3:]))
    expected = values.transpose(order).reshape(-1, values.shape[order[3]])
    assert stack.shape == expected.shape
    for start, stop in [(0, 0), (0, 1), (3, 5), (7, 23), (4, 8), (0, len(expected)), (17, 18)]:
        np.testing.assert_array_equal(stack[start:stop, [0]], expected[start:stop, [0]])


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("time", "number", "step", "lat", "lon"), (0, 1, 2, 3, 4)),
        (("number", "time", "step", "lat", "lon"), (1, 0, 2, 3, 4)),
        (("step", "realization", "init_time", "lat", "lon"), (2, 1, 0, 3, 4)),
        (("member", "lat", "lon", "forecast_reference_time", "lead"), (1, 3, 4, 0, 2)),
    ],
)
def test_members_of_forecasts_are_samples_date_by_date(tmp_path, names, order):
    path = written(tmp_path, U.transpose(order), names)
    field = read(path)
    np.testing.assert_array_equal(field[:, :, 0], U.reshape(-1, STEPS, N, N))
    np.testing.assert_array_equal(read(path, [7, 2])[:, :, 0], field[[7, 2], :, 0])


def test_standard_names_say_what_members_and_beginnings_are(tmp_path):
    coordinates = {
        "a": ("a", np.arange(MEMBERS), {"standard_name": "realization"}),
        "b": ("b", np.arange(DATES), {"standard_name": "forecast_reference_time"}),
        "c": ("c", 6.0 * np.arange(1, 1 + STEPS), {"standard_name": "forecast_period"}),
    }
    path = written(tmp_path, U.swapaxes(0, 1), ("a", "b", "c", "lat", "lon"), coordinates)
    field = read(path)
    np.testing.assert_array_equal(field[:, :, 0], U.reshape(-1, STEPS, N, N))
    assert field.time.values.tolist() == [6, 12]


def test_dates_and_members_are_samples_where_it_is_said(tmp_path):
    path = written(tmp_path, U[:, :, 0].swapaxes(0, 1), ("number", "time", "lat", "lon"))
    np.testing.assert_array_equal(read(path)[:, :, 0], U[:, :, 0].swapaxes(0, 1))  # series
    said = read(path, dimensions=("sample", "sample", "y", "x"))
    np.testing.assert_array_equal(said[:, 0], U[:, :, 0].reshape(-1, N, N))
    np.save(tmp_path / "a.npy", U[:, :, 0])  # without names, in the order of the file
    said = read(str(tmp_path / "a.npy"), dimensions=("sample", "sample", "y", "x"))
    np.testing.assert_array_equal(said[:, 0], U[:, :, 0].reshape(-1, N, N))


def test_members_whose_frames_are_samples_are_told_of(tmp_path):
    path = written(tmp_path, U[:, :, 0], ("time", "number", "lat", "lon"))
    (remark,) = FileData(path, COSINE, frames="samples").remarks
    assert "dimensions: [sample, sample, y, x] keeps them together" in remark
    assert FileData(path, COSINE).remarks == ()


def test_what_is_not_clear_is_asked_for(tmp_path):
    path = written(tmp_path, U[:, :, 0], ("run", "member", "y", "x"))
    with pytest.raises(ValueError, match=r"dimensions: .*sample and channel may stand several"):
        FileData(path, COSINE).check()
    pair = {"u": (("run", "member", "y", "x"), U[:, :, 0])}
    pair["v"] = (("member", "run", "y", "x"), U[:, :, 0].swapaxes(0, 1))
    xr.Dataset(pair).to_netcdf(tmp_path / "b.nc")
    order = ("sample", "sample", "y", "x")
    source = FileData(str(tmp_path / "b.nc"), COSINE, variables=("u", "v"), dimensions=order)
    with pytest.raises(ValueError, match=r"'v' has 3 x 5 samples, and 'u' 5 x 3: .* in one order"):
        source.check()


@pytest.mark.parametrize("shuffle", [False, True])
def test_splits_do_not_divide_the_members_of_a_date(tmp_path, shuffle):
    path = written(tmp_path, U, ("time", "number", "step", "lat", "lon"))
    source = {"kind": "files", "path": path, "shuffle": shuffle, "basis": {"kind": "cosine"}}
    split = {"train": 6, "validation": 3, "test": 6}
    block = {"source": source, "split": split, "resolutions": [N], "seed": 3}
    part = Dataset.model_validate(block).source.part
    assert part.boundaries(3) == (3, 6, 9, 12, 15)
    field = part.generate(range(DATES * MEMBERS), 3).field[:, :, 0].values
    dates = [date.reshape(-1).tolist() for date in field.reshape(U.shape)]
    assert sorted(dates) == sorted(date.reshape(-1).tolist() for date in U)
    assert (dates == [date.reshape(-1).tolist() for date in U]) != shuffle
    block["split"] = {"train": 7, "validation": 2, "test": 6}
    with pytest.raises(
        ConfigurationError, match=r"samples of one group would be in two.*use 6 or 9"
    ):
        load({"datasets": {"forecasts": block}})


def test_frames_of_members_stay_together(tmp_path):
    path = written(tmp_path, U, ("time", "number", "step", "lat", "lon"))
    source = FileData(path, COSINE, frames="samples")
    assert [b - a for a, b in pairwise((0, *source.boundaries(0)))] == [MEMBERS * STEPS] * DATES
    field = source.generate(range(source.available), 0).field[:, 0]
    np.testing.assert_array_equal(field, U.reshape(-1, N, N))


@pytest.mark.parametrize("named", [False, True])
def test_tensors_are_channels_named_by_both_axes(tmp_path, named):
    gradient = np.random.default_rng(1).standard_normal((3, 2, 2, N, N)).astype(np.float32)
    coordinates = {"i": ["u", "v"], "j": ["x", "y"]} if named else None
    path = written(tmp_path, gradient, ("sample", "i", "j", "y", "x"), coordinates)
    with pytest.raises(ValueError, match="sample and channel may stand several times"):
        FileData(path, COSINE).check()
    dimensions = {"u": ("sample", "channel", "channel", "y", "x")}
    field = read(path, dimensions=dimensions)
    np.testing.assert_array_equal(field, gradient.reshape(3, 4, N, N))
    names = ["u_ux", "u_uy", "u_vx", "u_vy"] if named else ["u_00", "u_01", "u_10", "u_11"]
    assert field.channel.values.tolist() == names
    chosen = read(path, dimensions=dimensions, channels={"shear": 1})
    np.testing.assert_array_equal(chosen[:, 0], gradient[:, 0, 1])
