"""Transforms of channels: inverted exactly, the same at every resolution, undone in samples."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.data import json_files, storage
from fsdiff.data.fitting import fit, transforms_in
from fsdiff.data.hierarchy import restrict, statistics, with_transforms
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.data.transforms import Anomaly, Log, SquareRoot, Standardise, Transform, Transforms
from fsdiff.jobs.failures import DamagedError
from fsdiff.measures.permeability import LogNormal
from fsdiff.methods import models
from fsdiff.methods.gaussian import Gaussian
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.downsampling import Average, Spectral

N = 16
COSINE = CosineBasis()
LOG, ANOMALY, STANDARDISE = {"kind": "log"}, {"kind": "anomaly"}, {"kind": "standardise"}


def dataset(values, basis=COSINE, channels=None, train=None, dtype=np.float32):
    """A data set of fields (sample, [time], channel, y, x), the first of them for training."""
    values = np.asarray(values)
    times = ("time",) if values.ndim == 5 else ()
    nodes = basis.nodes(values.shape[-1])
    train = len(values) - 4 if train is None else train
    split = ["train"] * train + ["validation"] * 2
    split += ["test"] * (len(values) - len(split))
    names = channels or [f"c{i}" for i in range(values.shape[-3])]
    coordinates = {"sample": np.arange(len(values)), "channel": list(names), "y": nodes, "x": nodes}
    if times:
        coordinates["time"] = np.arange(values.shape[1]) / 2
    made = xr.Dataset(
        {"field": (("sample", *times, "channel", "y", "x"), values.astype(dtype), {"units": "K"})},
        coordinates,
        {"fsdiff_basis": basis.kind},
    ).assign_coords(split=("sample", split))
    return made.merge(statistics(made, basis))


def smooth(count, channels=1, seed=0, n=N, basis=COSINE, modes=5):
    """Random fields of few modes, so that grids of 10 nodes or more hold them exactly."""
    random = torch.Generator().manual_seed(seed)
    shape = (count, channels, modes, modes)
    coarse = torch.randn(shape, generator=random, dtype=torch.float64)
    return basis.resample(coarse, n)


def waves(n, *terms):
    """1 + Σ a cos(πjx) cos(πky) on n nodes per axis, for (a, j, k)."""
    x = torch.from_numpy(COSINE.nodes(n))
    parts = (
        a * torch.outer(torch.cos(np.pi * k * x), torch.cos(np.pi * j * x)) for a, j, k in terms
    )
    return 1 + sum(parts)


def some_transforms(basis=COSINE, n=N):
    """Those of three channels, with known functions."""
    mean = torch.stack([torch.zeros(n, n), waves(n, (0.3, 1, 2)), waves(n, (5.0, 2, 0))])
    deviation = torch.ones(3, n, n).double()
    deviation[2] = waves(n, (0.5, 1, 1)).exp()
    return Transforms((Log(), Anomaly(), Standardise()), basis, mean, deviation)


# The maps


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.sampled_from([8, 15, 16, 33]),
    size=st.floats(1e-3, 1e3),
)
def test_the_inverse_undoes_a_transform_on_every_grid(seed, n, size):
    transforms = some_transforms()
    random = torch.Generator().manual_seed(seed)
    fields = size * torch.randn(2, 3, n, n, generator=random, dtype=torch.float64)
    fields[:, 0] = fields[:, 0].abs() + 1e-6 * size
    back = transforms.inverse(transforms.forward(fields))
    torch.testing.assert_close(back, fields, rtol=1e-12, atol=1e-12 * (size + 10))
    ahead = transforms.forward(transforms.inverse(fields.clamp(-50, 50)))
    torch.testing.assert_close(ahead, fields.clamp(-50, 50), rtol=1e-11, atol=1e-10)


def test_each_channel_has_its_own_formula():
    transforms, fields = some_transforms(), smooth(2, 3).exp()
    found = transforms.forward(fields)
    torch.testing.assert_close(found[:, 0], fields[:, 0].log())
    torch.testing.assert_close(found[:, 1], fields[:, 1] - waves(N, (0.3, 1, 2)))
    expected = (fields[:, 2] - waves(N, (5.0, 2, 0))) / waves(N, (0.5, 1, 1)).exp()
    torch.testing.assert_close(found[:, 2], expected)


@pytest.mark.parametrize("n", [9, 16, 31])
def test_functions_are_the_same_on_every_grid(n):
    zero = some_transforms().inverse(torch.zeros(3, n, n))
    one = some_transforms().inverse(torch.ones(3, n, n))
    torch.testing.assert_close(zero[1], waves(n, (0.3, 1, 2)))
    torch.testing.assert_close(zero[2], waves(n, (5.0, 2, 0)))
    torch.testing.assert_close(one[2] - zero[2], waves(n, (0.5, 1, 1)).exp())


def test_a_deviation_stays_positive_on_every_grid():
    random = torch.Generator().manual_seed(0)
    rough = 10 ** (3 * torch.randn(1, N, N, generator=random, dtype=torch.float64))
    transforms = Transforms((Standardise(),), COSINE, torch.zeros_like(rough), rough)
    for n in (5, N, 40):
        span = transforms.inverse(torch.ones(1, n, n)) - transforms.inverse(torch.zeros(1, n, n))
        assert (span > 0).all()


def test_the_identity_is_left_alone():
    fields = smooth(2)
    assert Transforms((Transform(),), COSINE).forward(fields).equal(fields)


# Fitted to data


def test_functions_are_those_of_the_training_split():
    values = np.exp(smooth(20, 3).numpy()) + 2
    made = fit(dataset(values), {"c0": LOG, "c1": ANOMALY, "c2": STANDARDISE}, COSINE)
    transforms, training = transforms_in(made), values[:16].astype(np.float32).astype(float)
    mean, deviation = transforms.mean.numpy(), transforms.deviation.numpy()
    np.testing.assert_allclose(mean[1:], training[:, 1:].mean(0), rtol=1e-12)
    np.testing.assert_allclose(deviation[2], training[:, 2].std(0), rtol=1e-12)
    assert (mean[0] == 0).all()
    assert (deviation[:2] == 1).all()
    other = values.copy()
    other[16:] *= 2
    again = transforms_in(fit(dataset(other), {"all": STANDARDISE}, COSINE))
    np.testing.assert_array_equal(again.mean[1:], transforms.mean[1:])


def test_what_is_for_all_is_for_those_without_their_own():
    made = fit(dataset(np.exp(smooth(9, 3).numpy())), {"all": LOG, "c1": ANOMALY}, COSINE)
    assert transforms_in(made).channels == (Log(), Anomaly(), Log())
    made = fit(dataset(smooth(9, 3).numpy()), {"c1": ANOMALY}, COSINE)
    assert transforms_in(made).channels == (Transform(), Anomaly(), Transform())


def test_standardised_fields_have_mean_zero_and_variance_one_at_each_node():
    values = 5 + smooth(24).numpy() * np.linspace(0.1, 3, N)
    made = with_transforms(dataset(values), {"all": STANDARDISE}, COSINE)
    seen = transforms_in(made).forward(torch.from_numpy(made["field"].values[:20]))
    torch.testing.assert_close(seen.mean(0), torch.zeros(1, N, N).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(seen.square().mean(0), torch.ones(1, N, N).double())
    assert made["transformed_scale"].values == pytest.approx([1.0])


def test_frames_of_series_have_functions_of_their_own():
    values = np.stack([smooth(12, 2, seed=1), 10 + 3 * smooth(12, 2, seed=2)], 1)
    made = with_transforms(dataset(values), {"c1": STANDARDISE}, COSINE)
    transforms = transforms_in(made)
    assert transforms.channels == (Transform(), Standardise()) * 2
    expected = made["field"].values[:8].astype(float)
    assert made["pointwise_mean"].dims == ("time", "channel", "fine_y", "fine_x")
    np.testing.assert_allclose(transforms.mean[3], expected[:, 1, 1].mean(0), rtol=1e-12)
    fields = torch.from_numpy(made["field"].values).flatten(1, 2)
    found = Statistics.of(made)
    np.testing.assert_allclose(found.normalise(fields)[:8].square().mean((0, 2, 3)), 1, rtol=1e-6)
    np.testing.assert_allclose(found.denormalise(found.normalise(fields)), fields, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, -1e-3])
def test_values_without_a_logarithm_are_named(value):
    values = np.exp(smooth(12, 2).numpy())
    values[7, 1, 3, 4] = values[11, 1, 0, 0] = value
    with pytest.raises(ValueError, match="log needs values") as caught:
        fit(dataset(values, channels=["depth", "permeability"]), {"all": LOG}, COSINE)
    assert str(caught.value) == (
        "transforms.permeability: log needs values that are positive, and those of channel "
        "permeability are not all so in sample 7, 11: leave these out, or choose another transform"
    )


def test_many_samples_without_a_logarithm_are_counted():
    with pytest.raises(ValueError, match=r"in sample 0, 1, 2, .*, 9 and 2 more: leave"):
        fit(dataset(-np.exp(smooth(12).numpy())), {"all": LOG}, COSINE)


def test_nodes_that_do_not_vary_cannot_be_standardised():
    values = smooth(12).numpy()
    values[..., 0] = 5.0
    with pytest.raises(ValueError, match=f"channel c0 does not vary at {N} nodes over .*: use ano"):
        fit(dataset(values), {"all": STANDARDISE}, COSINE)
    assert transforms_in(fit(dataset(values), {"all": ANOMALY}, COSINE)).mean[0, 0, 0] == 5.0


def test_unknown_channels_are_refused():
    with pytest.raises(
        ValueError, match=r"transforms.c7: no such channel; use one of c0, or 'all'"
    ):
        fit(dataset(smooth(12).numpy()), {"c7": LOG}, COSINE)


@pytest.mark.parametrize("part", [Log(), Standardise()])
def test_fields_that_vanish_at_walls_have_anomalies_only(part):
    with pytest.raises(ValueError, match="do not vanish at the walls"):
        part.check(SineBasis())
    part.check(COSINE)
    part.check(FourierBasis())
    Anomaly().check(SineBasis())


# The hierarchy


@pytest.mark.parametrize("downsampling", [Spectral(), Average()])
@pytest.mark.parametrize("block", [LOG, ANOMALY, STANDARDISE])
@pytest.mark.parametrize("basis", [COSINE, FourierBasis()])
def test_coarse_fields_stand_for_restricted_transformed_ones(basis, block, downsampling):
    values = np.exp(smooth(12, 2, basis=basis).numpy())
    fine = with_transforms(dataset(values, basis), {"c0": block}, basis)
    coarse = restrict(fine, N // 2, downsampling, basis)
    before, after = Statistics.of(fine), Statistics.of(coarse)
    expected = downsampling(before.normalise(torch.from_numpy(fine["field"].values)), N // 2, basis)
    found = after.normalise(torch.from_numpy(coarse["field"].values))
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-4, atol=2e-5)
    assert coarse["field"].attrs == {"units": "K"}
    assert coarse["field"].dtype == np.float32


def test_without_transforms_nothing_changes():
    plain = dataset(smooth(12, 2).numpy())
    assert transforms_in(plain) is None
    fields = torch.from_numpy(plain["field"].values)
    found = Statistics.of(plain)
    assert found.normalise(fields).equal(Statistics.physical(plain).normalise(fields))
    assert found.normalise(fields).dtype == torch.float32


def test_coarse_permeabilities_are_exponentials_of_restricted_logarithms():
    logarithms = smooth(12, modes=12)
    fine = with_transforms(dataset(logarithms.exp().numpy()), {"all": LOG}, COSINE)
    coarse = restrict(fine, 8, Spectral(), COSINE)["field"].values
    np.testing.assert_allclose(coarse, COSINE.restrict(logarithms, 8).exp(), rtol=2e-5)
    assert (coarse > 0).all()


def test_coarse_fields_keep_what_is_said_of_their_coordinates():
    """Units of time, and names, are the same whatever models see."""
    made = dataset(np.stack([smooth(12).exp(), smooth(12, seed=1).exp()], 1))
    about = {"time": {"units": "h"}, "channel": {"long_name": "tracer"}, "sample": {"note": "run"}}
    for name, attributes in about.items():
        made[name].attrs.update(attributes)
    made["y"].attrs["units"] = made["x"].attrs["units"] = "km"
    coarse = restrict(with_transforms(made, {"all": LOG}, COSINE), 8, Spectral(), COSINE)
    assert {name: coarse[name].attrs for name in about} == about
    assert (coarse["y"].attrs["units"], coarse["x"].attrs["units"]) == ("km", "km")
    assert coarse["field"].attrs["units"] == "K"


def test_anomalies_change_nothing_in_linear_hierarchies():
    plain = dataset(3 + smooth(12, modes=12).numpy())
    fitted = with_transforms(plain, {"all": ANOMALY}, COSINE)
    expected, found = (restrict(item, 8, Spectral(), COSINE)["field"] for item in (plain, fitted))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_moments_for_metrics_are_those_of_physical_fields():
    plain = dataset(np.exp(smooth(12, 2).numpy()))
    fitted = with_transforms(plain, {"c1": LOG}, COSINE)
    assert Statistics.physical(fitted).scale.equal(Statistics.physical(plain).scale)
    assert Statistics.of(fitted).scale[0] == Statistics.physical(plain).scale[0]
    logarithms = np.log(plain["field"].values[:8, 1].astype(float))
    assert Statistics.of(fitted).scale[1] == pytest.approx(logarithms.std(), rel=1e-12)


def test_files_keep_transforms(tmp_path):
    made = with_transforms(dataset(np.exp(smooth(12, 2).numpy())), {"c0": STANDARDISE}, COSINE)
    coarse = restrict(made, 8, Spectral(), COSINE)
    storage.write(coarse, tmp_path / "8.nc", title="coarse", provenance=Provenance({}, "", 0))
    with storage.read(tmp_path / "8.nc") as read:
        found, expected = transforms_in(read), transforms_in(made)
        assert found.channels == expected.channels
        assert found.basis == COSINE
        assert found.mean.equal(expected.mean)
        assert found.deviation.equal(expected.deviation)


@pytest.mark.parametrize(
    ("mean", "deviation", "block", "precision"),
    [
        (101325.0, 0.01, ANOMALY, torch.float64),
        (101325.0, 1e4, ANOMALY, torch.float32),
        (1e-12, 1e-13, LOG, torch.float32),
        (1.0, 1e-5, LOG, torch.float64),
    ],
)
def test_physical_fields_have_digits_enough_for_what_is_transformed(
    mean, deviation, block, precision
):
    values = mean + deviation * smooth(12).numpy()
    fine = with_transforms(dataset(values, dtype=np.float64), {"all": block}, COSINE)
    assert Statistics.of(fine).precision == precision


# The law of what is drawn


def surrogate(statistics, basis, count):
    """Normalised fields of the Gaussian method."""
    return Gaussian(statistics.measured(basis)).sample(N, range(count), 0).fields


def test_a_gaussian_of_the_logarithm_has_the_one_point_law_of_permeabilities():
    basis, law = FourierBasis(), LogNormal(variance=1.0, correlation_length=0.1, median=2.0)
    values = law.sample(basis, N, range(400), 0).numpy()
    fine = with_transforms(dataset(values, basis, train=396), {"all": LOG}, basis)
    found = Statistics.of(fine)
    drawn = found.denormalise(surrogate(found, basis, 400)).double()
    assert (drawn > 0).all()
    logarithms = drawn.log()
    assert logarithms.mean() == pytest.approx(np.log(2), abs=0.03)
    variance = np.log(values).var()  # a little less than one, without what the grid does not hold
    assert logarithms.var() == pytest.approx(variance, rel=0.05)
    normal = (logarithms - logarithms.mean()) / logarithms.std()
    assert (normal**3).mean() == pytest.approx(0, abs=0.06)
    assert (normal**4).mean() == pytest.approx(3, abs=0.1)
    mean = 2 * np.exp(variance / 2)
    assert drawn.mean() == pytest.approx(mean, rel=0.05)
    assert drawn.std() == pytest.approx(mean * np.sqrt(np.expm1(variance)), rel=0.15)
    # Without the transform many values are negative.
    plain = Statistics.of(dataset(values, basis, train=396))
    assert (plain.denormalise(surrogate(plain, basis, 400)) < 0).double().mean() > 0.1


# Models


BLOCKS = {
    "basis": {"kind": "cosine"},
    "method": {"kind": "diffusion"},
    "prior": {"kind": "bessel"},
    "process": {"kind": "vp"},
    "prediction": {"kind": "wiener"},
    "time_sampling": {"kind": "uniform"},
    "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1},
}
AXES = [{"name": name, "start": 0.0, "scale": 1.0, "attributes": {}} for name in "yx"]
DATA = {"channels": ["c0", "c1"], "axes": AXES, "field": {}}
ABOUT = {"config": BLOCKS, "data": DATA, "parameters": 1, "training_seconds": 0.0}


def saved(folder, blocks=None):
    blocks = blocks or {"c0": LOG, "c1": STANDARDISE}
    made = with_transforms(dataset(np.exp(smooth(12, 2).numpy())), blocks, COSINE)
    found, path = Statistics.of(made), folder / "model.safetensors"
    method = models.make_method(BLOCKS, found, seed=0)
    models.save(method, found, ABOUT, weights=path, sidecar=path.with_suffix(".json"))
    return found, path


def test_models_keep_transforms_and_undo_them_in_samples(tmp_path):
    found, path = saved(tmp_path)
    model = models.load(path)
    for n in (8, N, 24):
        normal = torch.randn(3, 2, n, n, generator=torch.Generator().manual_seed(0))
        physical = model.statistics.denormalise(normal)
        assert physical.equal(found.denormalise(normal))
        assert physical.dtype == torch.float32
        assert (physical[:, 0] > 0).all()
        torch.testing.assert_close(
            model.statistics.normalise(physical).float(), normal, rtol=1e-4, atol=1e-4
        )


def changed(path, name, value):
    """Model files whose statistics have another tensor of this name."""
    held, _ = models.tensors.read(path)
    held[name] = value
    described = json_files.read(path.with_suffix(".json"))
    described["weights"] = models.tensors.write(path, held, {})
    json_files.write(path.with_suffix(".json"), described)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pointwise_deviation", torch.zeros(2, N, N).double(), "pointwise_deviation is not posit"),
        ("pointwise_mean", torch.zeros(3, N, N).double(), "pointwise_mean is torch.float64 of sh"),
        ("pointwise_mean", torch.zeros(2, N, N), "pointwise_mean is torch.float32 of shape"),
    ],
)
def test_functions_that_cannot_be_are_refused(tmp_path, name, value, message):
    _, path = saved(tmp_path)
    changed(path, f"statistics.{name}", value)
    with pytest.raises(DamagedError, match=message):
        models.load(path)


def test_functions_that_no_transform_has_are_refused(tmp_path):
    _, path = saved(tmp_path, {"all": LOG})
    changed(path, "statistics.pointwise_mean", torch.zeros(2, N, N).double())
    with pytest.raises(DamagedError, match="pointwise_mean is of no use"):
        models.load(path)


def test_counts_are_squares_and_never_negative():
    transforms = Transforms((SquareRoot(),), COSINE)
    counts = torch.tensor([0.0, 1.0, 9.0, 400.0]).double().expand(2, 1, 4, 4)
    seen = transforms.forward(counts)
    torch.testing.assert_close(seen[0, 0, 0], torch.tensor([0.0, 1.0, 3.0, 20.0]).double())
    torch.testing.assert_close(transforms.inverse(seen), counts)
    assert (transforms.inverse(-seen) == 0).all()
