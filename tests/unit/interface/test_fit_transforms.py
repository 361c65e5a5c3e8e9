"""Transforms of arrays: fitted to what is trained on, undone in samples, saved with the model."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(), 16
RANDOM = np.random.default_rng(0)
X = (np.arange(N) + 0.5) / N


def fields(count=200):
    """A log-normal channel, and one with a mean and a deviation that depend on the place."""
    a = RANDOM.standard_normal((count, 2, 2, 1, 1))
    smooth = a[:, :, 0] + 0.5 * a[:, :, 1] * np.cos(np.pi * X)
    k = np.exp(smooth[:, 0] + 0 * X[:, None])
    p = 5 + 3 * np.cos(np.pi * X)[:, None] + np.exp(np.cos(np.pi * X)) * smooth[:, 1]
    return xr.DataArray(
        np.stack([k, p], 1),
        dims=("sample", "channel", "y", "x"),
        coords={"channel": ["permeability", "pressure"]},
    )


TRANSFORMS = {"permeability": fs.Log(), "pressure": fs.Standardise()}


def test_statistics_are_those_of_transformed_fields():
    data = fields()
    model = fs.Gaussian(BASIS).fit(data, transforms=TRANSFORMS)
    k, p = data.values[:, 0], data.values[:, 1]
    statistics = model.fitted.statistics
    expected = [np.log(k).mean(), np.log(k).std()], [0.0, 1.0]
    found = torch.stack([statistics.mean, statistics.scale], 1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    seen = statistics.normalise(torch.from_numpy(data.values))
    np.testing.assert_allclose(seen[:, 1], (p - p.mean(0)) / p.std(0), atol=1e-9)


def test_samples_are_turned_back_at_every_resolution():
    model = fs.Gaussian(BASIS).fit(fields(), transforms=TRANSFORMS)
    drawn = model.sample(n=2 * N, indices=range(400), seed=3).fields.double()
    assert (drawn[:, 0] > 0).all()
    x = (np.arange(2 * N) + 0.5) / (2 * N)
    mean = 5 + 3 * np.cos(np.pi * x)
    deviation = np.exp(np.cos(np.pi * x)) * np.sqrt(1 + 0.25 * np.cos(np.pi * x) ** 2)
    error = drawn[:, 1].mean(0).numpy() - mean[:, None]
    assert np.abs(error / deviation).max() < 5 / np.sqrt(200)


def test_models_keep_their_transforms(tmp_path):
    model = fs.Gaussian(BASIS).fit(fields(), transforms={"all": fs.Anomaly()})
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model")
    drawn = [m.sample(n=8, indices=[0, 1], seed=2).fields for m in (model, again)]
    assert torch.equal(*drawn)
    assert [block["kind"] for block in again.fitted.statistics.transforms.blocks] == ["anomaly"] * 2


def test_they_are_fitted_to_the_fields_that_are_trained_on():
    data = fields(20)
    levels = [fs.Level(resolution=8, epochs=1, batch_size=8)]
    network = fs.FNO(basis="cosine", width=4, modes=2, layers=1, projection=4)
    model = fs.Diffusion(network, basis=BASIS, noise=fs.Bessel())
    model.fit(data, levels, validation=0.2, transforms={"pressure": fs.Anomaly()})
    mean = model.fitted.statistics.transforms.mean
    np.testing.assert_allclose(mean[1], data.values[:16, 1].mean(0), rtol=1e-12)
    assert not mean[0].any()
    assert model.sample(fs.DPMSolver(steps=2), n=8, indices=[0]).fields.isfinite().all()


def test_levels_see_restrictions_of_transformed_fields():
    """So that the logarithm of what a coarse level sees is the projection of the logarithm."""
    data = fields(12)
    model = fs.Gaussian(BASIS).fit(data, transforms={"permeability": fs.Log()})
    statistics = model.fitted.statistics
    u = torch.from_numpy(data.values)
    coarse = model._normalised(u, 8, fs.spaces.downsampling.Spectral(), statistics)
    expected = BASIS.restrict(u[:, 0].log(), 8)
    expected = (expected - statistics.mean[0]) / statistics.scale[0]
    torch.testing.assert_close(coarse[:, 0], expected.float(), rtol=0, atol=1e-5)


def test_what_has_no_transform_is_refused_by_name():
    with pytest.raises(ValueError, match=r"transforms\.pressure: log needs values that are pos"):
        fs.Gaussian(BASIS).fit(-fields(5), transforms={"pressure": fs.Log()})
    with pytest.raises(ValueError, match=r"transforms\.salinity: no such channel; use one of perm"):
        fs.Gaussian(BASIS).fit(fields(5), transforms={"salinity": fs.Log()})
