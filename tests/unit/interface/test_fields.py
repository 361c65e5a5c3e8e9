"""What arrays say besides their values: gaps, names, units, coordinates; what is held out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.training.trainer import TrainingError

BASIS, N = CosineBasis(1), 8
X = (np.arange(N) + 0.5) / N


def fields(count=12, n=N):
    return fs.Bessel(power=2.0, reference_resolution=n).sample(BASIS, n, range(count), 0)


def named(values=None, **coordinates):
    """Two channels on an axis x."""
    values = torch.cat([fields(), 3 * fields().flip(0)], 1).numpy() if values is None else values
    coordinates = {"channel": ["u", "v"]} | coordinates
    return xr.DataArray(values, dims=("sample", "channel", "x"), coords=coordinates)


def model():
    network = fs.FNO(dimension=1, basis="cosine", width=4, modes=2, layers=1, projection=4)
    return fs.Diffusion(network, basis=BASIS, noise=fs.Bessel(power=2.0))


LEVEL = fs.Level(resolution=N, epochs=2, batch_size=4)


# What is held out


def test_without_validation_all_fields_are_trained_on_and_the_last_weights_kept():
    weights = [
        dict(fitted.fitted.method.network.named_parameters())
        for count in (1, 2)
        for fitted in [model().fit(fields(), [replace(LEVEL, epochs=count)], validation=0)]
    ]
    moved = [not first.equal(weights[1][name]) for name, first in weights[0].items()]
    assert all(moved)
    (curves,) = model().fit(fields(), [LEVEL], validation=0).history
    assert curves.attrs["steps"] == 2 * (12 // 4)
    assert curves.attrs["best_epoch"] == 2
    assert math.isnan(curves.attrs["best_loss"])
    assert np.isnan(curves["validation_loss"]).all()


def test_losses_on_other_grids_are_recorded_and_change_nothing():
    with_others, alone = (
        model().fit(fields(), [LEVEL], options=fs.TrainingOptions(validate_at=grids))
        for grids in ((N // 2,), ())
    )
    (curves,), (own,) = with_others.history, alone.history
    assert curves["resolution"].values.tolist() == [N // 2, N]
    assert own["resolution"].values.tolist() == [N]
    assert np.isfinite(curves["validation_loss"]).all()
    losses = curves["validation_loss"].sel(resolution=[N])
    np.testing.assert_array_equal(losses, own["validation_loss"])
    with pytest.raises(ValueError, match=f"goes to coarser grids: {N} -> {2 * N} nodes"):
        model().fit(fields(), [LEVEL], options=fs.TrainingOptions(validate_at=(2 * N,)))


def test_patience_needs_something_to_validate_with():
    level = fs.Level(resolution=N, epochs=2, patience=1)
    with pytest.raises(TrainingError, match="no validation fields: keep some, or leave patience"):
        model().fit(fields(), [level], validation=0)
    with pytest.raises(ValueError, match="there are no fields"):
        model().fit(fields(), [LEVEL], validation=fields()[:0])


def test_channels_to_validate_with_are_put_in_order():
    data = named()
    fitted = [
        model().fit(data[:8], [LEVEL], validation=held_out)
        for held_out in (data[8:], data[8:, ::-1], data[8:].values)
    ]
    losses = [float(m.history[0]["validation_loss"][-1, 0]) for m in fitted]
    assert losses == [losses[0]] * 3


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        (named(channel=["u", "w"]), "its channels are u, w, and those to train on u, v"),
        (named()[:, :1], r"shape \(1, 8\).*those to train on \(2, 8\)"),
        (named()[..., ::2], r"shape \(2, 4\).*those to train on \(2, 8\)"),
        (named(x=5 * X[::-1]), "its coordinates along x are not those"),
    ],
)
def test_other_fields_to_validate_with_are_refused(held_out, message):
    data = named(x=5 * X)
    with pytest.raises(ValueError, match=f"validation: .*{message}"):
        model().fit(data, [LEVEL], validation=held_out)


# Masks


def test_masked_values_are_missing_ones():
    values = fields().numpy()
    values[..., 2] = 1e20
    masked = np.ma.masked_greater(values, 1e10)
    values[..., 2] = np.nan
    drawn = [fs.Gaussian(BASIS).fit(u).sample(n=N, indices=[0]).fields for u in (masked, values)]
    assert drawn[0].isnan().sum() == 1
    torch.testing.assert_close(*drawn, rtol=0, atol=0, equal_nan=True)


# Names and coordinates


def test_attributes_of_any_kind_are_saved(tmp_path):
    data = named(x=("x", X, {"actual_range": np.array([0.0, 1.0], np.float32)}))
    data.attrs = {"units": "m", "gain": np.float32(0.5), "since": np.datetime64("2000")}
    data.attrs["_FillValue"] = np.nan
    data["channel"].attrs["long_name"] = "quantity"
    fs.Gaussian(BASIS).fit(data).save(tmp_path / "model")
    drawn = fs.load(tmp_path / "model")
    found = drawn.label(drawn.sample(n=N, indices=[3, 7]))["field"]
    assert found["x"].attrs == {"actual_range": [0.0, 1.0]}
    assert found["channel"].attrs == {"long_name": "quantity"}
    assert found.attrs["units"] == "m"
    assert found.attrs["gain"] == 0.5
    assert found.attrs["since"] == "2000-01-01"
    assert "_FillValue" not in found.attrs  # which is not said of samples


@pytest.mark.parametrize("count", [8, 1000])
def test_samples_are_on_the_nodes_of_the_data(count, tmp_path):
    """To the last digit, or arrays join on fewer of them; on other grids, between the same ends."""
    x = (1850 + 0.1 * np.arange(count)).astype(np.float32)
    data = named(np.repeat(named().values, count // N, axis=-1), x=x)
    fs.Gaussian(BASIS).fit(data).save(tmp_path / "model")
    fitted = fs.load(tmp_path / "model")
    labelled = fitted.label(fitted.sample(n=count, indices=[0]))["field"]
    assert (labelled - data.mean("sample")).shape == (1, 2, count)
    np.testing.assert_array_equal(labelled["x"], x)
    fine = fitted.label(fitted.sample(n=2 * count, indices=[0]))["x"].values
    np.testing.assert_allclose(fine.reshape(-1, 2).mean(1), x, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X**2, "along x are not equally spaced"),
        (0 * X, "along x do not increase"),
        ([f"station {number}" for number in range(N)], "along x are no numbers"),
    ],
)
def test_nodes_of_other_grids_are_refused(x, message):
    with pytest.raises(ValueError, match=f"coordinates {message}"):
        fs.Gaussian(BASIS).fit(named(x=x))


def test_nodes_of_held_axes_may_be_anywhere_and_others_may_fall():
    axes = (
        fs.Axis(kind="neumann", name="level", nodes=3, held=True),
        fs.Axis(kind="neumann", name="x", nodes=N),
    )
    values = np.random.default_rng(0).standard_normal((6, 3, N))
    data = xr.DataArray(
        values,
        dims=("sample", "level", "x"),
        coords={"level": [1000.0, 850.0, 10.0], "x": 90 - 5.0 * np.arange(N)},
    )
    fitted = fs.Gaussian(fs.Box(axes=axes)).fit(data)
    found = fitted.label(fitted.sample(n=N, indices=[0]))
    for name in ("level", "x"):
        np.testing.assert_array_equal(found[name], data[name])


def test_samples_are_called_by_their_indices():
    fitted = fs.Gaussian(BASIS).fit(fields())
    drawn = fitted.sample(n=N, indices=[3, 7])
    assert fitted.label(drawn)["sample"].values.tolist() == [3, 7]
    assert fitted.label(drawn.at([1]))["sample"].values.tolist() == [7]
    assert fitted.label(drawn.fields)["sample"].values.tolist() == [0, 1]


def test_indices_are_needed():
    with pytest.raises(ValueError, match="indices: give one for each sample"):
        fs.Bessel().sample(FourierBasis(1), 8, [], 0)
