"""What varies little about a large mean keeps its digits, from the file to the samples."""

import logging
import re

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data import hierarchy, storage
from fsdiff.data.precision import rounding, sufficient_type
from fsdiff.data.sources.files import FileData
from fsdiff.data.sources.rounding import stored_type
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.methods import models
from fsdiff.parts import build
from fsdiff.spaces.bases import FourierBasis
from fsdiff.spaces.downsampling import Spectral
from fsdiff.stages.files import StoredSplit, fields_of, normalised_split, split
from fsdiff.stages.labels import describe_fields
from fsdiff.stages.sample import sample
from fsdiff.stages.simulate import simulate

BASIS = FourierBasis()
SAMPLES, N = 12, 16
SPLIT = {"train": 6, "validation": 2, "test": 4}
NOISE = np.random.default_rng(0).standard_normal((SAMPLES, N, N))
FINE = [(101325.0, 0.01), (2.45e6, 0.5), (-3e-30, 1e-36)]
"""(mean, deviation) of channels that float32 would spoil."""

BLOCKS = {
    "method": {"kind": "diffusion"},
    "basis": {"kind": "fourier"},
    "prior": {"kind": "bessel"},
    "process": {"kind": "vp"},
    "prediction": {"kind": "wiener"},
    "time_sampling": {"kind": "log_snr"},
    "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
}


def source(folder, values, **changes):
    np.save(folder / "data.npy", values)
    options = {"dimensions": ("sample", "y", "x")} | changes
    return FileData(str(folder / "data.npy"), BASIS, **options)


def data_set(folder, values, shards=2):
    """The data set's file that the workflow makes of an array in a file."""
    given = source(folder, values)
    config = {"source": {"kind": "files", "path": given.path, "basis": {"kind": "fourier"}}}
    config["source"]["dimensions"] = list(given.dimensions)
    job, paths = {"config": {**config, "seed": 0}, "code": "code"}, []
    for indices in np.array_split(np.arange(len(values)), shards):
        paths.append(folder / f"{indices[0]}.nc")
        part = range(indices[0], indices[-1] + 1)
        simulate(job, part, output=paths[-1], state=folder / "state", title="a shard")
    made = Provenance(job["config"], "code", 0)
    merged = hierarchy.merge(paths, split=SPLIT, expected=made)
    merged = merged.assign(hierarchy.statistics(merged, BASIS))
    path = folder / "dataset.nc"
    storage.write(merged, path, title="all", provenance=made)
    return path


def samples_file(folder, data):
    """Samples of a model that has the statistics of a data set, and the model."""
    with storage.read(data) as dataset:
        statistics, meaning = Statistics.of(dataset), describe_fields(dataset, BASIS)
    method = models.make_method(BLOCKS, statistics, 0)
    weights, output = folder / "model.safetensors", folder / "samples.nc"
    about = {"config": BLOCKS, "data": meaning, "parameters": 0, "training_seconds": 0.0}
    models.save(method, statistics, about, weights=weights, sidecar=weights.with_suffix(".json"))
    config = {
        "sampler": {"kind": "ddim", "steps": 3},
        "samples": {"count": 4, "batch_size": 3},
        "resolution": N,
        "seed": 0,
    }
    job = {"config": config, "code": "code"}
    sample(job, weights=weights, output=output, cost=folder / "cost.json", states=folder)
    return output, models.load(weights)


def normalised_samples(model):
    sampler = build("sampler", {"kind": "ddim", "steps": 3})
    return sampler(model.method.denoiser, N, range(4), 0).fields


@pytest.mark.parametrize(("mean", "deviation"), FINE)
def test_small_deviations_reach_the_network_and_the_samples(tmp_path, mean, deviation):
    values = mean + deviation * NOISE
    path = data_set(tmp_path, values)
    with storage.read(path) as dataset:
        np.testing.assert_array_equal(dataset["field"][:, 0], values)
        test = split(dataset, "test")
    assert test.dtype == torch.float64
    exact = NOISE[:6] - NOISE[:6].mean()
    exact /= np.sqrt(np.square(exact).mean())
    train = normalised_split(path, "train")
    assert train.dtype == torch.float32
    assert len(train.unique()) > 0.99 * train.numel()
    np.testing.assert_allclose(train[:, 0], exact, atol=1e-6)

    output, model = samples_file(tmp_path, path)
    fields, drawn = fields_of(output), normalised_samples(model)
    assert fields.dtype == torch.float64
    assert len(fields.unique()) == len(drawn.unique())
    expected = model.statistics.denormalise(drawn.double())
    assert (fields - expected).abs().max() < 1e-6 * deviation


def test_coarse_grids_keep_small_deviations(tmp_path):
    with storage.read(data_set(tmp_path, 101325 + 0.01 * NOISE), chunks="auto") as dataset:
        coarse = hierarchy.restrict(dataset, N // 2, Spectral(), BASIS)["field"].values
    exact = BASIS.restrict(torch.from_numpy(NOISE), N // 2).numpy()
    np.testing.assert_allclose((coarse[:, 0] - 101325) / 0.01, exact, atol=1e-6)


def test_coarse_grids_have_more_digits_than_rounded_values(tmp_path):
    values = np.round(2.45e6 + 0.5 * NOISE).astype(np.float32)
    with storage.read(data_set(tmp_path, values), chunks="auto") as dataset:
        assert dataset["field"].dtype == np.float32
        coarse = hierarchy.restrict(dataset, N // 2, Spectral(), BASIS)["field"].values
    exact = BASIS.restrict(torch.from_numpy(values).double() - 2.45e6, N // 2).numpy()
    np.testing.assert_allclose(coarse[:, 0] - 2.45e6, exact, atol=1e-8)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ordinary_data_are_as_they_always_were(tmp_path, kind):
    """Single precision, and the same roundings in normalisation and its inverse."""
    values = (3 + 2 * NOISE).astype(kind)
    path = data_set(tmp_path, values)
    with netCDF4.Dataset(path) as file:
        assert file["field"].dtype == np.float32
        mean, scale = (torch.from_numpy(file[name][:].data).float() for name in ("mean", "scale"))
    stored = torch.from_numpy(values.astype(np.float32))[:6, None]
    assert normalised_split(path, "train").equal((stored - mean) / scale)
    output, model = samples_file(tmp_path, path)
    drawn = normalised_samples(model)
    assert fields_of(output).equal(drawn * scale + mean)


def test_a_mean_that_float32_rounds_is_taken_out_exactly(tmp_path):
    """Single-precision files hold multiples of 1/4 here; their mean is none."""
    values = np.round(2.45e6 + 0.5 * NOISE, 0).astype(np.float32)
    path = data_set(tmp_path, values)
    with netCDF4.Dataset(path) as file:
        assert file["field"].dtype == np.float32
    train = StoredSplit(path, "train").whole()
    assert train.dtype == torch.float32
    assert abs(train.double().mean()) < 1e-7


@pytest.mark.parametrize("channels", [{}, {"p": 0}, {"q": 1}])
def test_a_channel_that_is_read_decides_for_all_that_are(tmp_path, channels):
    values = np.stack([101325 + 0.01 * NOISE, NOISE], 1)
    data = source(
        tmp_path, values, dimensions=("sample", "channel", "y", "x"), channels=channels
    ).generate(range(2), 0)
    assert data["field"].dtype == (np.float32 if channels == {"q": 1} else np.float64)


@pytest.mark.parametrize(
    ("first", "needed"),
    [(np.zeros((N, N)), np.float64), (np.full((N, N), 0.1), np.float64)],
    ids=["zero", "constant"],
)
def test_a_first_sample_without_variation_does_not_decide_alone(tmp_path, first, needed):
    values = 101325 + 0.01 * NOISE
    values[0] = 101325 + 0.01 * first
    for indices in ([0], [5, 6]):
        data = source(tmp_path, values).generate(indices, 0)
        assert data["field"].dtype == needed
        np.testing.assert_array_equal(data["field"][:, 0], values[indices])


def test_frames_decide_one_by_one(tmp_path):
    """Frames that start from a constant, each with its own deviation."""
    values = np.stack([np.full_like(NOISE, 101325.0), 101325 + 300 * NOISE], 1)
    given = source(tmp_path, values, dimensions=("sample", "time", "y", "x"))
    assert given.generate([0], 0)["field"].dtype == np.float32
    values[:, 0] += 0.01 * NOISE
    given = source(tmp_path, values, dimensions=("sample", "time", "y", "x"))
    assert given.generate([0], 0)["field"].dtype == np.float64


def test_what_is_stored_exactly_in_single_precision_stays_so(tmp_path):
    values = (101325 + 0.01 * NOISE).astype(np.float32).astype(np.float64)
    assert source(tmp_path, values).generate([0], 0)["field"].dtype == np.float32


def test_packed_values_are_as_precise_as_what_they_stand_for(tmp_path):
    packed = {"dtype": "int16", "scale_factor": 1e-5, "add_offset": 101325.0}
    path = tmp_path / "packed.nc"
    packed["_FillValue"] = -32768
    dataset = xr.Dataset({"p": (("sample", "y", "x"), 101325 + 0.01 * NOISE)})
    dataset.to_netcdf(path, encoding={"p": packed})
    data = FileData(str(path), BASIS).generate(range(SAMPLES), 0)
    np.testing.assert_allclose(data["field"][:, 0] - 101325, 0.01 * NOISE, atol=5.1e-6)


def test_a_few_samples_without_variation_do_not_decide(tmp_path):
    values = 101325 + 0.01 * np.resize(NOISE, (100, N, N))
    values[::33] = 101325
    assert source(tmp_path, values).generate([0], 0)["field"].dtype == np.float64


@pytest.mark.parametrize("kept", [np.float16, np.float32])
def test_channels_that_files_rounded_to_noise_are_told(tmp_path, caplog, kept):
    """Whatever the precision in which they, and others beside them, are stored."""
    noisy = (1 + 5 * np.finfo(kept).eps * NOISE).astype(kept)
    arrays = {"p": noisy, "q": 101325 + 0.01 * NOISE, "r": NOISE.astype(kept)}
    np.savez(tmp_path / "a.npz", **arrays)
    options = {"variables": ("p", "q", "r"), "dimensions": ("sample", "y", "x")}
    FileData(str(tmp_path / "a.npz"), BASIS, **options).generate([0], 0)
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    kind = np.dtype(kept)
    assert len(warned) == 1
    assert f"channel p: values in files are {kind}, the rounding of which is 0." in warned[0]


def test_the_log_says_what_rounding_takes(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source(tmp_path, 101325 + 0.01 * NOISE).generate([0], 0)
    assert "fields stay in float64: float32 would take" in caplog.text
    assert "0.4 of field" in caplog.text
    caplog.clear()
    source(tmp_path, 3 + 2 * NOISE).generate([0], 0)
    assert re.search(r"float32 takes these shares .*: 1e-07 of field", caplog.text)
    caplog.clear()
    source(tmp_path, NOISE.astype(np.float32)).generate([0], 0)
    assert not caplog.text


def test_the_share_that_rounding_takes():
    """101325 lies between powers of two that are 2^-7 apart in float32, 2^-36 in float64."""
    assert rounding(101325, 0.01) == 2**-8 / 0.01
    assert rounding(-101325, 0.01, np.float64) == 2**-37 / 0.01
    assert rounding(0, 0) == np.inf
    assert np.isnan(rounding(1e300, 1))
    assert sufficient_type([0, 5], [1, 0.1]) == np.float32
    assert sufficient_type([0, 300], [1, 0.1]) == np.float64
    assert sufficient_type(0, 1e-44) == np.float64  # among the subnormal numbers


def test_what_rounding_takes_of_a_constant_is_all_and_not_infinite(caplog):
    fields = np.full((2, 1, 1, 4, 4), 0.1)
    with caplog.at_level(logging.INFO):
        assert stored_type(fields, ["u"]) == np.float64
    assert caplog.messages == [
        "fields stay in float64: float32 would take these shares of the channels' deviations: all "
        "of u"
    ]
