"""Merging, statistics and restriction: the same for every sharding, refused when not whole."""

import logging
import tracemalloc
from itertools import pairwise

import dask
import dask.array
import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data import hierarchy, storage
from fsdiff.data.hierarchy import merge, restrict, statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs.failures import StorageError
from fsdiff.measures.priors.kernel import RBF
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.downsampling import Average, Spectral
from fsdiff.spaces.gram import GramBasis
from fsdiff.stages.labels import describe_fields, label

PROVENANCE = Provenance({"source": {"kind": "test"}, "seed": 5}, "0123456789abcdef", 5)
SPLIT = {"train": 12, "validation": 3, "test": 5}
COSINE = CosineBasis()
BASES = [COSINE, FourierBasis(), SineBasis()]


def fields(indices, basis=COSINE, n=8, channels=("u", "v"), times=None):
    shape = (len(channels), n, n) if times is None else (times, len(channels), n, n)
    values = [np.random.default_rng(int(i)).standard_normal(shape) for i in indices]
    nodes = 2 * basis.nodes(n) - 1
    dims = ("sample", *(("time",) if times else ()), "channel", "y", "x")
    dataset = xr.Dataset(
        {"field": (dims, np.array(values, np.float32) * 2 + 3, {"units": "K"})},
        coords={
            "sample": np.array(indices),
            "channel": list(channels),
            "y": ("y", nodes, {"units": "m", "long_name": "height"}),
            "x": ("x", nodes, {"units": "m"}),
        },
        attrs={"fsdiff_basis": basis.kind},
    )
    return dataset.assign_coords(time=np.arange(times) / 2.0) if times else dataset


def shard(folder, indices, provenance=PROVENANCE, **options):
    path = folder / f"{indices[0]}-{indices[-1]}.nc"
    storage.write(fields(indices, **options), path, title="a shard", provenance=provenance)
    return path


def shards(folder, edges=(0, 7, 13, 20), **options):
    folder.mkdir(exist_ok=True)
    return [shard(folder, range(a, b), **options) for a, b in pairwise(edges)]


def merged(paths):
    return merge(paths, split=SPLIT, expected=PROVENANCE)


def refused(paths):
    with pytest.raises(StorageError) as caught:
        merged(paths)
    return str(caught.value)


# Merging


def test_merged_shards_are_all_samples_in_order_with_their_split(tmp_path):
    dataset = merged(shards(tmp_path)[::-1])
    assert isinstance(dataset["field"].data, dask.array.Array)
    np.testing.assert_array_equal(dataset["field"], fields(range(20))["field"])
    assert list(dataset["sample"].values) == list(range(20))
    assert list(dataset["split"].values) == ["train"] * 12 + ["validation"] * 3 + ["test"] * 5
    assert dataset["field"].attrs == {"units": "K"}
    assert dataset.attrs["fsdiff_basis"] == "cosine"


def test_the_data_set_does_not_depend_on_the_shards(tmp_path):
    files = []
    for number, edges in enumerate([(0, 20), (0, 7, 13, 20), tuple(range(21))]):
        dataset = merged(shards(tmp_path / str(number), edges))
        dataset = dataset.merge(statistics(dataset, COSINE))
        path = tmp_path / f"{number}.nc"
        storage.write(dataset, path, title="all", provenance=PROVENANCE)
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_a_missing_shard_is_named_with_its_samples(tmp_path):
    paths = shards(tmp_path)
    paths[1].unlink()
    message = refused(paths)
    assert f"{paths[1]} does not exist" in message
    assert "no usable shard holds samples 7-12" in message


def test_a_shard_that_was_never_made_leaves_a_named_gap(tmp_path):
    paths = shards(tmp_path)
    assert "no usable shard holds samples 0-6, 13-19" in refused(paths[1:2])


def test_doubled_and_overlapping_shards_are_named(tmp_path):
    paths = shards(tmp_path)
    extra = shard(tmp_path, range(5, 9))
    message = refused([*paths, extra])
    assert f"{extra} holds samples 5-8, and so does {paths[0]}, {paths[1]}" in message
    assert "holds samples 0-6, and so does" in refused([*paths, paths[0]])


def test_samples_beyond_the_split_are_refused(tmp_path):
    paths = shards(tmp_path, (0, 7, 13, 22))
    assert f"{paths[2]} holds samples 13-21, but the split has only 20" in refused(paths)


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        (Provenance({"source": {"kind": "other"}}, PROVENANCE.fingerprint, 5), "fsdiff_config"),
        (Provenance(PROVENANCE.config, "f" * 16, 5), "fsdiff_fingerprint"),
        (Provenance(PROVENANCE.config, PROVENANCE.fingerprint, 6), "fsdiff_seed"),
    ],
)
def test_shards_of_another_data_set_are_refused(tmp_path, foreign, named):
    paths = shards(tmp_path)
    shard(tmp_path, range(7, 13), foreign)
    message = refused(paths)
    assert f"{paths[1]} holds samples 7-12 of another data set: {named} is" in message


def test_everything_that_is_wrong_is_listed(tmp_path):
    paths = shards(tmp_path, (0, 4, 8, 12, 16, 20))
    with netCDF4.Dataset(paths[0], "a") as file:
        file["field"][2, 0, 0, 0] = 0
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    shard(tmp_path, range(8, 12), Provenance({}, "", 0))
    paths[3].unlink()
    message = refused(paths)
    assert "does not fit in sample 2" in message
    assert f"{paths[1]} is truncated" in message
    assert f"{paths[2]} holds samples 8-11 of another data set" in message
    assert f"{paths[3]} does not exist" in message
    assert "no usable shard holds samples 0-15" in message
    assert str(paths[4]) not in message


def test_time_series_are_merged(tmp_path):
    dimensions = ("sample", "time", "channel", "y", "x")
    dataset = merged(shards(tmp_path, times=3))
    assert dataset["field"].dims == dimensions
    assert list(dataset["time"].values) == [0.0, 0.5, 1.0]


# Statistics


def with_split(dataset, train):
    names = np.where(np.arange(dataset.sizes["sample"]) < train, "train", "test")
    return dataset.assign_coords(split=("sample", names))


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_statistics_are_those_of_the_training_split(basis):
    dataset = with_split(fields(range(9), basis), 6)
    measured = statistics(dataset, basis)
    train = dataset["field"].values[:6].astype(np.float64)
    mean = train.mean((0, 2, 3)) * basis.constants
    scale = np.sqrt(np.square(train - mean[:, None, None]).mean((0, 2, 3)))
    np.testing.assert_allclose(measured["mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(measured["scale"], scale, rtol=1e-12)
    normalised = (train - mean[:, None, None]) / scale[:, None, None]
    spectrum = basis.forward(torch.from_numpy(normalised)).abs().square().mean(0)
    np.testing.assert_allclose(measured["spectrum"], spectrum, rtol=1e-10, atol=1e-14)
    assert all(variable.dtype == np.float64 for variable in measured.data_vars.values())
    assert measured["mean"].attrs["units"] == measured["scale"].attrs["units"] == "K"
    assert measured["spectrum"].dims == ("channel", "mode_y", "mode_x")


def test_the_spectrum_of_normalised_fields_sums_to_one():
    basis = COSINE
    spectrum = statistics(with_split(fields(range(5)), 5), basis)["spectrum"].values
    np.testing.assert_allclose(spectrum.sum((1, 2)), 1.0, rtol=1e-12)
    # The Fourier basis has no Nyquist modes, so a little is missing there.
    basis = FourierBasis()
    spectrum = statistics(with_split(fields(range(5), basis), 5), basis)["spectrum"].values
    total = (basis.multiplicity(8).numpy() * spectrum).sum((1, 2))
    assert np.all((total > 0.6) & (total < 1.0))


def test_one_mode_has_its_energy_in_one_place():
    basis, n = FourierBasis(), 16
    x = basis.nodes(n)
    wave = 5.0 + 3.0 * np.cos(2 * np.pi * (2 * x[None, :] - 3 * x[:, None]))
    dataset = with_split(fields([0], basis, n, channels=("u",)), 1)
    dataset["field"][0, 0] = wave
    measured = statistics(dataset, basis)
    np.testing.assert_allclose(measured["mean"], 5.0, rtol=1e-6)
    np.testing.assert_allclose(measured["scale"], 3 / np.sqrt(2), rtol=1e-6)
    spectrum = measured["spectrum"]
    # (field − mean)/scale is √2 cos(…), that is coefficients 1/√2 on ±k.
    assert float(spectrum.sel(mode_y=-3, mode_x=2)[0]) == pytest.approx(0.5, rel=1e-5)
    assert float(spectrum.sum()) == pytest.approx(0.5, rel=1e-5)


def test_statistics_of_series_are_those_of_each_time():
    series = with_split(fields(range(4), times=3), 4)
    measured = statistics(series, COSINE)
    assert measured["spectrum"].dims == ("time", "channel", "mode_y", "mode_x")
    measured = measured.drop_vars("coherence")
    for frame in range(3):
        single = statistics(series.isel(time=frame), COSINE).drop_vars("coherence")
        xr.testing.assert_identical(measured.isel(time=frame), single)


def test_fields_in_sines_are_scaled_and_not_shifted():
    """A constant is no function of the basis: subtracted, it would leave slow coefficients."""
    basis, n = SineBasis(), 16
    x = basis.nodes(n)
    bump = np.sin(np.pi * x[:, None]) * np.sin(2 * np.pi * x[None, :])
    dataset = with_split(fields([0, 1], basis, n, channels=("p",)), 2)
    dataset["field"][:, 0] = bump * np.array([1.0, 3.0])[:, None, None]
    measured = statistics(dataset, basis)
    assert measured["mean"].values.tolist() == [0.0]
    np.testing.assert_allclose(measured["scale"], np.sqrt(5) / 2, rtol=1e-6)
    np.testing.assert_allclose(measured["spectrum"].sel(mode_y=1, mode_x=2), 1.0, rtol=1e-6)
    np.testing.assert_allclose(measured["spectrum"].sum(), 1.0, rtol=1e-6)


def test_lazy_and_loaded_statistics_agree(monkeypatch):
    dataset = with_split(fields(range(20)), 15)
    expected = statistics(dataset, COSINE)
    monkeypatch.setattr(storage, "CHUNK_BYTES", 3 * 4 * 2 * 64)
    lazy = dataset.assign(field=dataset["field"].chunk(sample=4))
    xr.testing.assert_allclose(statistics(lazy, COSINE), expected, rtol=1e-12)


def test_a_channel_that_does_not_vary_is_refused():
    dataset = with_split(fields(range(4)), 4)
    dataset["field"][:, 1] = 2.5
    with pytest.raises(ValueError, match="channel v is constant"):
        statistics(dataset, COSINE)


def test_a_frame_that_does_not_vary_is_named_with_its_time():
    dataset = with_split(fields(range(4), times=3), 4)
    dataset["field"][:, 1, 0] = 0.0
    with pytest.raises(ValueError, match=r"channel u at time 0\.5 is constant"):
        statistics(dataset, COSINE)


def test_a_channel_that_is_constant_but_for_the_rounding_of_its_mean_is_refused():
    dataset = with_split(fields(range(7)), 7)
    dataset["field"][:, 1] = 0.1
    with pytest.raises(ValueError, match="channel v is constant"):
        statistics(dataset, COSINE)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_channel_of_roundoff_alone_is_named_with_the_remedy(caplog, kind):
    dataset = with_split(fields(range(8), times=2), 8)
    dataset = dataset.assign(field=dataset["field"].astype(kind))
    unit = np.random.default_rng(0).integers(-2, 3, (8, 8, 8)) * np.finfo(kind).eps
    dataset["field"][:, 1, 1] = 300 * (1 + unit)
    statistics(dataset, COSINE)
    (warning,) = caplog.messages
    name = np.dtype(kind).name
    assert warning.startswith(f"channel v at time 0.5: values are {name}, the rounding of which is")
    assert warning.endswith(
        "mostly noise; leave it out, or store it in double precision or without its mean"
    )


@pytest.mark.parametrize(
    ("mean", "deviation", "kind", "level"),
    [
        (101325, 0.01, np.float64, None),
        (101325, 0.01, np.float32, logging.WARNING),
        (101325, 1, np.float32, logging.INFO),
        (101325, 100, np.float32, None),
        (0, 1e-20, np.float32, None),
        (1, 8e-8, np.float32, logging.WARNING),
    ],
)
def test_rounding_is_told_as_far_as_it_matters(caplog, mean, deviation, kind, level):
    caplog.set_level(logging.INFO)
    dataset = with_split(fields(range(8)), 8)
    noise = np.random.default_rng(0).standard_normal(dataset["field"].shape)
    dataset = dataset.assign(field=dataset["field"].copy(data=(mean + deviation * noise)))
    dataset = dataset.assign(field=dataset["field"].astype(kind))
    statistics(dataset, COSINE)
    assert {record.levelno for record in caplog.records} == ({level} if level else set())


# Restriction


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("resolution", [4, 6, 8])
def test_restriction_is_the_projection_with_the_coordinates_of_its_nodes(basis, resolution):
    dataset = with_split(fields(range(5), basis), 3)
    lazy = dataset.assign(field=dataset["field"].chunk(sample=2))
    coarse = restrict(lazy, resolution, Spectral(), basis)
    assert isinstance(coarse["field"].data, dask.array.Array)
    assert coarse["field"].dims == ("sample", "channel", "y", "x")
    assert coarse["field"].dtype == np.float32
    fine = torch.from_numpy(dataset["field"].values)
    expected = basis.restrict(fine, resolution)
    np.testing.assert_allclose(coarse["field"], expected, atol=1e-5)
    np.testing.assert_allclose(coarse["y"], 2 * basis.nodes(resolution) - 1, atol=1e-12)
    assert coarse["y"].attrs == {"units": "m", "long_name": "height"}
    assert coarse["field"].attrs == {"units": "K"}
    assert list(coarse["split"].values) == list(dataset["split"].values)


def test_points_at_different_distances_stay_where_they_are():
    """There is one level of them, which is the data; samples say the same."""
    points = np.array([0.02, 0.1, 0.3, 0.97])
    basis = GramBasis(points=tuple(points), covariance=RBF(length=0.3))
    values = np.random.default_rng(0).standard_normal((20, 1, 4)).astype(np.float32)
    curves = xr.Dataset(
        {"field": (("sample", "channel", "x"), values, {"units": "cm"})},
        coords={"sample": range(20), "channel": ["u"], "x": ("x", 20 * points, {"units": "a"})},
    )
    level = restrict(curves, 4, Spectral(), basis)
    assert np.array_equal(level["x"], 20 * points)
    assert np.array_equal(level["field"], values)
    described = describe_fields(level, basis)
    np.testing.assert_allclose(label(torch.from_numpy(values), basis, described)["x"], 20 * points)


def test_statistics_go_along_unchanged():
    dataset = with_split(fields(range(5)), 3)
    dataset = dataset.merge(statistics(dataset, COSINE))
    coarse = restrict(dataset, 4, Spectral(), COSINE)
    assert coarse["field"].shape == (5, 2, 4, 4)
    for name in ("mean", "scale", "spectrum"):
        xr.testing.assert_identical(coarse[name], dataset[name])


def test_restriction_does_not_depend_on_the_chunks():
    dataset = with_split(fields(range(7), n=16), 3)
    results = [
        restrict(dataset.assign(field=dataset["field"].chunk(sample=chunk)), 8, Spectral(), basis)
        for basis in [COSINE]
        for chunk in (1, 3, 7)
    ]
    assert all(np.array_equal(results[0]["field"], other["field"]) for other in results[1:])


def test_series_are_restricted_at_every_time():
    series = fields(range(3), times=2)
    coarse = restrict(series, 4, Average(), COSINE)["field"].values
    blocks = series["field"].values.reshape(3, 2, 2, 4, 2, 4, 2).mean((4, 6))
    np.testing.assert_allclose(coarse, blocks, rtol=1e-6)


def test_resolutions_that_cannot_be_reached_are_refused_at_once():
    dataset = fields(range(2))
    with pytest.raises(ValueError, match="3 does not divide 8"):
        restrict(dataset, 3, Average(), COSINE)
    with pytest.raises(ValueError, match="8 -> 16"):
        restrict(dataset, 16, Spectral(), COSINE)


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e6])
def test_coordinates_keep_their_digits_whatever_their_unit(unit):
    dataset = fields(range(1)).assign_coords(x=unit * COSINE.nodes(8))
    coarse = restrict(dataset, 4, Average(), COSINE)
    np.testing.assert_allclose(coarse["x"], unit * COSINE.nodes(4), rtol=1e-11)


def test_a_coordinate_that_starts_elsewhere_keeps_its_box():
    dataset = fields(range(1), n=4).assign_coords(x=10 + 3 * COSINE.nodes(4))
    coarse = restrict(dataset, 2, Spectral(), COSINE)
    np.testing.assert_allclose(coarse["x"], [10.75, 12.25])


# Memory


def peak_memory(count, folder):
    """Peak bytes that are allocated while merging, measuring and restricting, in one thread."""
    folder.mkdir()
    quarters = tuple(range(0, count + 1, count // 4))
    paths = shards(folder, quarters, n=64, channels=("u",))
    split = {"train": count - 32, "validation": 16, "test": 16}
    with dask.config.set(scheduler="synchronous"):
        tracemalloc.start()
        dataset = merge(paths, split=split, expected=PROVENANCE)
        dataset = dataset.merge(statistics(dataset, COSINE))
        whole = folder / "dataset.nc"
        storage.write(dataset, whole, title="all", provenance=PROVENANCE)
        with storage.read(whole, chunks="auto") as stored:
            coarse = restrict(stored, 16, Spectral(), COSINE)
            storage.write(coarse, folder / "16.nc", title="16", provenance=PROVENANCE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_peak_memory_does_not_grow_with_the_number_of_samples(tmp_path, monkeypatch):
    sample = 4 * 64 * 64
    monkeypatch.setattr(storage, "CHUNK_BYTES", 64 * sample)
    monkeypatch.setattr(storage, "_CHUNKS_AT_A_TIME", 2)
    few, many = peak_memory(256, tmp_path / "few"), peak_memory(1024, tmp_path / "many")
    assert many - few < 0.1 * (1024 - 256) * sample


def test_ranges_in_words():
    assert hierarchy._ranges([3, 0, 1, 2, 7]) == "0-3, 7"
