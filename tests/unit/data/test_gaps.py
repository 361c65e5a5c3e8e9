"""Nodes without values: from files through the hierarchy, training, sampling and metrics."""

import copy

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff import study
from fsdiff.data import hierarchy, json_files, storage
from fsdiff.data.sources.files import FileData
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.some import Some
from fsdiff.jobs.failures import StorageError
from fsdiff.methods import models
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.downsampling import Spectral
from fsdiff.stages.judge import Judge
from fsdiff.stages.references import evaluate_references
from fsdiff.stages.sample import sample
from fsdiff.stages.train import train

N, SAMPLES = 16, 24
X = (np.arange(N) + 0.5) / N
LAND = (X[:, None] - 0.3) ** 2 + (X - 0.6) ** 2 < 0.2**2
PRESENT = np.stack([~LAND, np.ones_like(LAND)])
METRICS = {
    name: {"kind": name}
    for name in (
        *("one_point", "gradient", "spectrum", "autocovariance", "sliced_wasserstein"),
        *("energy_distance", "vendi", "sw_gaussian_approx_physical"),
    )
}
STUDY = {
    "datasets": {
        "sea": {
            "source": {"kind": "files", "basis": {"kind": "cosine"}, "gaps": "mask"},
            "split": {"train": 12, "validation": 4, "test": 8},
            "resolutions": [8, N],
        }
    },
    "experiments": {
        "model": {
            "dataset": "sea",
            "prior": {"kind": "bessel", "power": 0.6},
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
            "levels": [{"resolution": N, "epochs": 2, "batch_size": 4}],
            "sampler": {"kind": "dpm_solver", "steps": 3},
            "samples": {"count": 3, "resolutions": [N, 2 * N]},
        }
    },
    "evaluation": {"metrics": METRICS},
}


def waves(count=SAMPLES):
    """Smooth random fields (sample, channel, y, x), the first channel with gaps."""
    random = np.random.default_rng(1)
    a = random.standard_normal((count, 2, 3, 3)) / (1 + np.arange(3))
    c = np.cos(np.pi * np.arange(3)[:, None] * X)
    fields = 20 + np.einsum("sckl,ky,lx->scyx", a, c, c)
    return np.where(PRESENT, fields, np.nan).astype(np.float32)


def written(path, fields, variables=("sst", "ice")):
    dimensions = ("sample", "y", "x")
    held = {name: (dimensions, fields[:, i]) for i, name in enumerate(variables)}
    encoding = {name: {"_FillValue": np.float32(-9999.0)} for name in variables}
    xr.Dataset(held).to_netcdf(path, encoding=encoding)
    return path


def source(path, **options):
    options = {"variables": ("sst", "ice"), "gaps": "mask"} | options
    return FileData(path=str(path), basis=CosineBasis(), **options)


def test_gaps_are_refused_and_the_message_says_what_to_do(tmp_path):
    path = written(tmp_path / "a.nc", waves())
    with pytest.raises(StorageError, match="say gaps: mask where the same nodes have none"):
        source(path, gaps="refuse").generate([0], 0)


def test_fields_are_kept_where_they_are_and_harmonic_elsewhere(tmp_path):
    made = source(written(tmp_path / "a.nc", waves())).generate([5, 2, 9], 0)
    np.testing.assert_array_equal(made["present"].values, PRESENT)
    assert made["present"].attrs["flag_meanings"] == "missing present"
    assert made["field"].attrs["ancillary_variables"] == "present"
    there = np.broadcast_to(PRESENT, made["field"].shape)
    np.testing.assert_array_equal(made["field"].values[there], waves()[[5, 2, 9]][there])
    u = made["field"].values[:, 0].astype(float)
    mean = (u[:, 2:, 1:-1] + u[:, :-2, 1:-1] + u[:, 1:-1, 2:] + u[:, 1:-1, :-2]) / 4
    np.testing.assert_allclose(mean[:, LAND[1:-1, 1:-1]], u[:, LAND], atol=1e-5)


def test_without_gaps_nothing_changes(tmp_path):
    path = written(tmp_path / "a.nc", np.nan_to_num(waves(), nan=3.0))
    plain, masked = (source(path, gaps=kind).generate(range(4), 0) for kind in ("refuse", "mask"))
    xr.testing.assert_identical(plain, masked)


def test_series_have_gaps_of_each_frame(tmp_path):
    fields = waves().reshape(6, 4, 2, N, N)[:, :, :1]
    fields[:, 2, 0, 0, 0] = np.nan
    data = xr.Dataset({"sst": (("sample", "time", "y", "x"), fields[:, :, 0])})
    data.to_netcdf(tmp_path / "a.nc")
    made = source(tmp_path / "a.nc", variables=("sst",)).generate([3], 0)
    expected = np.repeat(PRESENT[None, :1], 4, axis=0)
    expected[2, 0, 0, 0] = False
    np.testing.assert_array_equal(made["present"].values, expected)
    assert np.isfinite(made["field"].values).all()
    coarse = hierarchy.restrict(made.assign_coords(), 8, Spectral(), CosineBasis())
    mask = Statistics.of(coarse.merge(measured_of(made))).mask
    np.testing.assert_array_equal(mask.at(N).numpy(), expected.reshape(4, N, N))


def measured_of(dataset):
    """Statistics of a data set all of which is trained on; of one sample they are of no use."""
    about = {"mean": ("time", "channel"), "scale": ("time", "channel")}
    shape = (dataset.sizes["time"], dataset.sizes["channel"])
    held = {name: (dimensions, np.ones(shape)) for name, dimensions in about.items()}
    modes = ("time", "channel", "mode_y", "mode_x")
    return xr.Dataset({**held, "spectrum": (modes, np.ones((*shape, N, N)))})


def test_other_gaps_in_other_samples_are_refused(tmp_path):
    fields = waves()
    fields[7, 1, :2, 0] = np.nan
    path = written(tmp_path / "a.nc", fields)
    message = (
        r"a\.nc: sample 7 there \(sample 7 of the data set\) and the first sample differ in "
        r"whether values are missing at 2 nodes, and gaps: mask needs the same ones in all"
    )
    with pytest.raises(StorageError, match=message):
        source(path).generate(range(SAMPLES), 0)
    fields[7] = waves()[7]
    fields[3, 0] = 1.0
    path = written(tmp_path / "b.nc", fields)
    with pytest.raises(StorageError, match=rf"sample 3 there .* missing at {LAND.sum()} nodes"):
        source(path).generate(range(SAMPLES), 0)


def test_infinite_values_are_no_gaps(tmp_path):
    fields = waves()
    fields[:, 1, 0, 0] = np.inf
    with pytest.raises(StorageError, match="1 values of sample 0 there"):
        source(written(tmp_path / "a.nc", fields)).generate([0], 0)


def test_a_channel_without_any_value_is_refused(tmp_path):
    fields = waves()
    fields[:, 0] = np.nan
    with pytest.raises(StorageError, match="has no values of channel sst: leave out"):
        source(written(tmp_path / "a.nc", fields)).generate([0], 0)


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """Data, model, samples and reference rows, as the rules make them."""
    folder = tmp_path_factory.mktemp("gaps")
    path = str(written(folder / "a.nc", waves()))
    given = {"path": path, "variables": ["sst", "ice"]}
    config = {**STUDY, "datasets": {"sea": STUDY["datasets"]["sea"] | {}}}
    config["datasets"]["sea"]["source"] = STUDY["datasets"]["sea"]["source"] | given
    loaded = study.load(config)
    dataset = loaded.datasets["sea"]
    basis = dataset.basis
    made = storage.Provenance(loaded.simulate_slice("sea"), "code", 0)
    fields = dataset.source.part.generate(range(dataset.samples), 0)
    storage.write(fields, folder / "shard.nc", title="shard", provenance=made)
    split = dataset.split.plain()
    merged = hierarchy.merge([folder / "shard.nc"], split=split, expected=made)
    merged = merged.merge(hierarchy.statistics(merged, basis), compat="override")
    for n in (8, N):
        coarse = hierarchy.restrict(merged, n, Spectral(), basis)
        storage.write(coarse, folder / f"{n}.nc", title="data", provenance=made)
    train(
        {"config": loaded.train_slice("model", N, 0), "code": "code"},
        data={m: folder / f"{m}.nc" for m in (8, N)},
        warm_start=None,
        weights=folder / "model.safetensors",
        sidecar=folder / "model.json",
        history=folder / "history.nc",
        states=folder,
    )
    for n in (N, 2 * N):
        sample(
            {"config": loaded.sample_slice("model", n, 0), "code": "code"},
            weights=folder / "model.safetensors",
            output=folder / f"samples{n}.nc",
            cost=folder / f"cost{n}.json",
            states=folder,
        )
    references = {"config": loaded.reference_slice("sea", N, 3), "code": "code"}
    evaluate_references(references, data=folder / f"{N}.nc", output=folder / "rows.json")
    return folder, loaded, basis


def test_statistics_are_those_of_nodes_with_values(workflow):
    folder, _, _ = workflow
    with storage.read(folder / f"{N}.nc") as dataset:
        statistics = Statistics.of(dataset)
    training = waves()[:12].astype(float)
    mean = np.nanmean(training, axis=(0, 2, 3))
    np.testing.assert_allclose(statistics.mean, mean, rtol=1e-12)
    deviation = training - mean[:, None, None]
    scale = np.sqrt(np.nanmean(deviation**2, axis=(0, 2, 3)))
    np.testing.assert_allclose(statistics.scale, scale, rtol=1e-12)


def test_the_mask_is_that_of_the_data_at_every_level(workflow):
    folder, _, _ = workflow
    model = models.load(folder / "model.safetensors")
    for n in (8, N):
        with storage.read(folder / f"{n}.nc") as dataset:
            own = dataset["present"].values == 1
            np.testing.assert_array_equal(Statistics.of(dataset).mask.at(n).numpy(), own)
        np.testing.assert_array_equal(model.statistics.mask.at(n).numpy(), own)
    np.testing.assert_array_equal(own, PRESENT)


def test_samples_lack_values_where_the_data_do(workflow):
    folder, _, _ = workflow
    for n, there in ((N, PRESENT), (2 * N, PRESENT.repeat(2, 1).repeat(2, 2))):
        with storage.read(folder / f"samples{n}.nc") as dataset:
            expected = np.broadcast_to(there, dataset["field"].shape)
            np.testing.assert_array_equal(np.isfinite(dataset["field"].values), expected)
            np.testing.assert_array_equal(dataset["present"].values == 1, there)
        with netCDF4.Dataset(folder / f"samples{n}.nc") as stored:
            assert np.isnan(stored["field"]._FillValue)
            np.testing.assert_array_equal(stored["field"][:].mask, ~expected)


def test_what_is_in_the_gaps_of_samples_and_of_data_is_of_no_account(workflow):
    folder, loaded, _ = workflow
    config = loaded.reference_slice("sea", N, 3)
    with storage.read(folder / f"{N}.nc") as dataset:
        judge = Judge.of(config, dataset)
        fields = torch.from_numpy(dataset["field"].values)
    first, second = fields[:8], fields[8:16]
    expected = judge(judge.normalise(first), judge.normalise(second))
    garbage = torch.where(torch.from_numpy(PRESENT), second, 1e6)
    assert judge(judge.normalise(first), judge.normalise(garbage)) == expected
    missing = torch.where(torch.from_numpy(PRESENT), second, torch.nan)
    assert judge(judge.normalise(first), judge.normalise(missing)) == expected
    # Other channels' numbers do not depend on the gaps of this one.
    whole = Judge(judge.metrics, judge.basis, judge.statistics, judge.channels)
    object.__setattr__(whole.statistics, "mask", None)
    plain = whole(whole.normalise(first), whole.normalise(second))
    for name, value in expected.items():
        if name.endswith("[ice]"):
            assert plain[name] == pytest.approx(value, rel=1e-6)
    assert plain["one_point_kurtosis[sst]"] != expected["one_point_kurtosis[sst]"]


def test_metrics_of_points_and_norms_are_those_of_the_other_nodes(workflow):
    _, loaded, basis = workflow
    metrics = loaded.evaluation.metrics
    x, y = torch.randn(2, 6, 1, N, N, dtype=torch.float64)
    there = torch.from_numpy(~LAND)[None]
    kurtosis = metrics["one_point"].part.compare(x, y, basis, there)["one_point_kurtosis"]
    values = x[:, 0][:, there[0]]
    centred = values - values.mean()
    assert kurtosis == pytest.approx(
        float((centred**4).mean() / centred.square().mean() ** 2), rel=1e-5
    )
    # The distance of point masses at two fields is 2 E‖x − y‖ − 0 − 0 of the nodes with values.
    fields = [u[:1].repeat(2, 1, 1, 1) for u in (x, y)]
    distance = metrics["energy_distance"].part.compare(*fields, basis, there)["energy_distance"]
    norm = (x[0, 0] - y[0, 0])[there[0]].square().mean().sqrt()
    assert distance == pytest.approx(2 * float(norm), rel=1e-6)
    # No difference across a coast counts: fields that are constant on either side have none.
    steps = torch.where(there, 1.0, 0.0).expand(4, -1, -1, -1).double()
    slopes = metrics["gradient"].part.compare(steps, steps, basis, there)
    assert slopes["gradient_w1"] == 0
    assert np.isnan(slopes["gradient_kurtosis"])


def test_the_loss_is_that_of_nodes_with_values(workflow):
    folder, _, _ = workflow
    method = models.load(folder / "model.safetensors").method
    loss, denoiser = method.denoising_loss, method.denoiser
    fields, noise = torch.randn(2, 3, 2, N, N)
    t = torch.tensor([0.2, 0.5, 0.8])
    seen = {}

    class Watched(type(denoiser.prediction)):
        def residual(self, *arguments):
            seen["residual"] = super().residual(*arguments)
            return seen["residual"]

    watched = Denoiser(denoiser.law, denoiser.network, Watched())
    found = type(loss)(watched, loss.time_sampling).at(fields, t, noise)
    squares = seen["residual"].square()
    expected = squares[:, 0][:, ~torch.from_numpy(LAND)].mean(1) + squares[:, 1].mean((1, 2))
    torch.testing.assert_close(found, expected)
    assert denoiser.law.mask is not None


def test_reference_rows_are_finite(workflow):
    folder, _, _ = workflow
    rows = json_files.read(folder / "rows.json")["rows"]
    assert list(dict.fromkeys(row["row"] for row in rows)) == ["real", "surrogate", "white_noise"]
    assert rows[-1]["one_point_w1[sst]"] > 0
    assert {len(row) for row in rows} == {len(rows[0])}


def test_augmentation_is_refused(tmp_path):
    path = str(written(tmp_path / "a.nc", waves()))
    config = copy.deepcopy(STUDY)
    config["datasets"]["sea"]["source"] |= {"path": path, "variables": ["sst", "ice"]}
    config["experiments"]["model"]["training"] = {"augmentation": "square"}
    with pytest.raises(ValueError, match=r"augmentation = \"square\": symmetries move"):
        study.load(config)
    model = fs.Diffusion(fs.FNO(width=4, modes=2, layers=1), basis=CosineBasis(), noise=fs.Bessel())
    with pytest.raises(ValueError, match="moves the nodes without values"):
        model.fit(waves(), options=fs.TrainingOptions(augmentation="square"))


def test_arrays_with_gaps_are_fitted_saved_and_sampled(tmp_path):
    levels = [fs.Level(resolution=n, epochs=1, batch_size=4) for n in (8, N)]
    network = fs.FNO(basis="cosine", width=4, modes=2, layers=1, projection=4)
    model = fs.Diffusion(network, basis=CosineBasis(), noise=fs.Bessel()).fit(waves(), levels)
    drawn = model.sample(fs.DPMSolver(steps=2), n=2 * N, indices=[0, 1])
    there = PRESENT.repeat(2, 1).repeat(2, 2)
    assert torch.equal(drawn.fields.isfinite(), torch.from_numpy(there).expand(2, -1, -1, -1))
    np.testing.assert_array_equal(model.label(drawn)["present"].values == 1, there)
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model").sample(fs.DPMSolver(steps=2), n=2 * N, indices=[0, 1])
    assert torch.equal(again.fields.nan_to_num(), drawn.fields.nan_to_num())


@pytest.mark.parametrize(
    "condition",
    [
        fs.KrigingCondition(operator=fs.RandomPoints(number=8, noise=0.1)),
        fs.RegressionCondition(operator=fs.GridOfPoints(shape=(4, 4), noise=0.1)),
        fs.CombinedCondition(operator=Mask(resolution=8, share=0.5, noise=0.1)),
    ],
    ids=lambda condition: condition.kind,
)
def test_models_are_told_of_arrays_with_gaps_what_is_seen_of_them(tmp_path, condition):
    """Sensors and nodes where there are values; draws have gaps, and are the same once loaded."""
    model = fs.Diffusion(
        fs.FNO(basis="cosine", width=4, modes=2, layers=1, projection=4),
        basis=CosineBasis(),
        noise=fs.Bessel(),
        condition=condition,
    ).fit(waves(), [fs.Level(resolution=N, epochs=1, batch_size=4)])
    seen = model.denoiser.conditions.condition.operator
    if condition.kind == "kriging":  # of any data: those trained with are others for every field
        assert seen == condition.operator
        seen = fs.Points(points=((0.1, 0.1), (0.9, 0.3)), noise=0.1)
    else:
        assert isinstance(seen, Some)
    data = torch.zeros(len(seen.deviations(CosineBasis(), 2)), dtype=torch.float64)
    few = fs.DPMSolver(steps=2)
    drawn = model.sample(few, n=N, indices=[0, 1], observed=(seen, data))
    there = torch.from_numpy(PRESENT).expand(2, -1, -1, -1)
    assert torch.equal(drawn.fields.isfinite(), there)
    apart = model.sample(few, n=N, indices=[0, 1]).fields
    assert not torch.equal(drawn.fields.nan_to_num(), apart.nan_to_num())
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model").sample(few, n=N, indices=[1], observed=(seen, data))
    assert torch.equal(again.fields.nan_to_num(), drawn.fields[1:].nan_to_num())


def test_arrays_with_gaps_that_differ_are_refused():
    fields = waves()
    fields[5, 1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="values of sample 5 are missing at other nodes"):
        fs.Gaussian(CosineBasis()).fit(fields)
    with pytest.raises(ValueError, match="validation: values are missing at other nodes"):
        fs.Gaussian(CosineBasis()).fit(
            waves(), [fs.Level(resolution=8, epochs=1)], validation=np.nan_to_num(waves())
        )
