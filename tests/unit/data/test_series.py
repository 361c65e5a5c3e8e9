"""Series of frames through every stage: the model is of all frames jointly, files have the time."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import wasserstein_distance

from fsdiff import parts
from fsdiff import study as config
from fsdiff.data import hierarchy, json_files, storage
from fsdiff.data.statistics import Statistics
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.methods import models
from fsdiff.reports.plotting.fields import sample_grid
from fsdiff.reports.plotting.style import quantity_of
from fsdiff.stages.evaluate import evaluate_samples
from fsdiff.stages.files import fields_of, normalised_split, split
from fsdiff.stages.labels import label
from fsdiff.stages.references import evaluate_references, node_noise
from fsdiff.stages.sample import sample
from fsdiff.stages.train import train
from fsdiff.study import strict_yaml
from fsdiff.study.evaluation import other_results, unknown_result

SEED = 0
STUDY = """
datasets:
  waves:
    source: {SOURCE}
    shards: 2
    split: {train: 6, validation: 2, test: 4}
    resolutions: [8, 16]
experiments:
  one:
    dataset: waves
    prior: {kind: bessel, power: 0.6}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, width: 4, modes: 2, layers: 1, projection: 4}
    levels: [{resolution: 8, epochs: 1}, {resolution: 16, epochs: 1}]
    sampler: {kind: ddim, steps: 2}
    samples: {count: 2, resolutions: [16, 24]}
evaluation:
  metrics:
    one_point: {kind: one_point}
    spectrum: {kind: spectrum}
    patches: {kind: patch_sliced_wasserstein, projections: 5}
"""


WAVES = "kind: reaction_diffusion, resolution: 16, channels: [u, v], time: "


class Run:
    """The stages of the study, one after the other, in a folder."""

    def __init__(self, folder, source):
        self.folder = folder
        self.study = config.load(strict_yaml.parse(STUDY.replace("SOURCE", source)))
        self.basis = self.study.datasets["waves"].basis

    def path(self, name):
        return self.folder / name

    def simulate(self):
        made_from = storage.Provenance(self.study.simulate_slice("waves"), "code", SEED)
        source = parts.build("source", made_from.config["source"])
        shards = []
        for first, last in self.study.datasets["waves"].shard_ranges():
            shards.append(self.path(f"shard-{first}.nc"))
            fields = source.generate(range(first, last + 1), SEED)
            storage.write(fields, shards[-1], title="shard", provenance=made_from)
        counts = self.study.dataset_slice("waves")["split"]
        merged = hierarchy.merge(shards, split=counts, expected=made_from)
        measured = hierarchy.statistics(merged, self.basis)
        merged = merged.merge(measured, compat="override", combine_attrs="override")
        storage.write(merged, self.path("dataset.nc"), title="all", provenance=made_from)
        for n in (8, 16):
            block = self.study.hierarchy_slice("waves", n)
            downsampling = parts.build("downsampling", block["downsampling"])
            fine = storage.read(self.path("dataset.nc"), chunks="auto")
            if block["transforms"]:
                fine = hierarchy.with_transforms(fine, block["transforms"], self.basis)
            coarse = hierarchy.restrict(fine, n, downsampling, self.basis)
            storage.write(coarse, self.path(f"{n}.nc"), title="data", provenance=made_from)

    def train(self):
        for n, coarser in ((8, None), (16, self.path("model-8.safetensors"))):
            train(
                {"config": self.study.train_slice("one", n, SEED), "code": "code"},
                data={n: self.path(f"{n}.nc") for n in (8, 16)},
                warm_start=coarser,
                weights=self.path(f"model-{n}.safetensors"),
                sidecar=self.path(f"model-{n}.json"),
                history=self.path(f"history-{n}.nc"),
                states=self.folder,
            )

    def sample(self):
        for n in (16, 24):
            sample(
                {"config": self.study.sample_slice("one", n, SEED), "code": "code"},
                weights=self.path("model-16.safetensors"),
                output=self.path(f"samples-{n}.nc"),
                cost=self.path(f"cost-{n}.json"),
                states=self.folder,
            )

    def evaluate(self):
        job = {"config": self.study.evaluate_slice("one", 16, SEED), "code": "code"}
        evaluate_samples(
            job,
            samples=self.path("samples-16.nc"),
            data=self.path("16.nc"),
            weights=self.path("model-16.safetensors"),
            histories=[self.path(f"history-{n}.nc") for n in (8, 16)],
            cost=self.path("cost-16.json"),
            output=self.path("metrics.json"),
        )
        job["config"] = self.study.reference_slice("waves", 16, self.study.drawn("one"))
        evaluate_references(job, data=self.path("16.nc"), output=self.path("reference.json"))

    def all(self):
        self.simulate()
        self.train()
        self.sample()
        self.evaluate()
        return self


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("series"), f"{WAVES} [0.25, 1.0, 3.0]").all()


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("single"), f"{WAVES} 1.0").all()


def test_data_are_the_source_s_series_at_every_resolution(series):
    source = series.study.datasets["waves"].source.part
    made = source.generate(range(12), SEED)
    fine, coarse = (storage.read(series.path(f"{n}.nc")) for n in (16, 8))
    np.testing.assert_array_equal(fine["field"], made["field"])
    expected = series.basis.restrict(torch.from_numpy(made["field"].values).double(), 8)
    np.testing.assert_allclose(coarse["field"], expected, atol=1e-6)
    assert fine["mean"].dims == ("time", "channel")
    for dataset in (fine, coarse):
        assert dataset["time"].values.tolist() == [0.25, 1.0, 3.0]


def test_frames_are_channels_of_the_network_time_by_time(series):
    fields = fields_of(series.path("16.nc"))
    with storage.read(series.path("16.nc")) as dataset:
        values, statistics = dataset["field"].values, Statistics.of(dataset)
        test = split(dataset, "test")
        np.testing.assert_array_equal(test, fields[8:])
    assert fields.shape == (12, 6, 16, 16)
    for time in range(3):
        for channel in range(2):
            number = 2 * time + channel
            np.testing.assert_array_equal(fields[:, number], values[:, time, channel])
            mean = values[:6, time, channel].mean(dtype=float)
            assert float(statistics.mean[number]) == pytest.approx(mean, rel=1e-9)
    train = normalised_split(series.path("16.nc"), "train").double()
    assert torch.allclose(train.mean((0, 2, 3)), torch.zeros(6).double(), atol=1e-5)
    assert torch.allclose(train.square().mean((0, 2, 3)), torch.ones(6).double(), rtol=1e-5)
    assert models.load(series.path("model-16.safetensors")).method.denoiser.law.channels == 6


@pytest.mark.parametrize("n", [16, 24])
def test_samples_have_their_time_back(series, n):
    samples = storage.read(series.path(f"samples-{n}.nc"))
    assert samples["field"].dims == ("sample", "time", "channel", "y", "x")
    assert samples["field"].shape == (2, 3, 2, n, n)
    assert samples["channel"].values.tolist() == ["u", "v"]
    with storage.read(series.path("16.nc")) as data:
        xr.testing.assert_identical(samples["time"], data["time"])
        np.testing.assert_allclose(samples["x"], 2 * series.basis.nodes(n) - 1, atol=1e-12)
    model = models.load(series.path("model-16.safetensors"))
    flat = fields_of(series.path(f"samples-{n}.nc"))
    np.testing.assert_array_equal(
        label(flat, model.method.basis, model.description["data"])["field"], samples["field"]
    )


def test_samples_of_snapshots_know_their_time(single):
    samples = storage.read(single.path("samples-16.nc"))
    assert samples["field"].dims == ("sample", "channel", "y", "x")
    assert samples["time"].dims == ()
    assert float(samples["time"]) == 1.0
    assert samples["time"].attrs == storage.read(single.path("16.nc"))["time"].attrs


def test_a_series_contains_the_snapshots(series, single):
    """Frame and statistics at that time, up to the solver's error: its steps end at the times."""
    frames, fields = (storage.read(run.path("16.nc")) for run in (series, single))
    for name in ("field", "mean", "scale", "spectrum"):
        frame = frames[name].sel(time=1.0)
        np.testing.assert_allclose(frame, fields[name], atol=1e-5, err_msg=name)


def test_fields_in_sines_go_through_every_stage(tmp_path):
    source = "kind: random_field, resolution: 16, basis: {kind: sine}, length: 2.0"
    run = Run(tmp_path, source).all()
    data, samples = (storage.read(tmp_path / name) for name in ("16.nc", "samples-24.nc"))
    assert data["mean"].values.tolist() == [0.0]
    assert data["field"].attrs == samples["field"].attrs
    np.testing.assert_allclose(samples["x"], 2 * run.basis.nodes(24))
    coarse = run.study.datasets["waves"].source.part.generate(range(12), SEED)["field"]
    np.testing.assert_allclose(data["field"], coarse, atol=1e-6)
    assert all(
        np.isfinite(v)
        for v in json_files.read(tmp_path / "metrics.json")["rows"][0].values()
        if v != "model"
    )


def test_series_are_evaluated_for_all_channels_and_for_each(series):
    row, *_ = json_files.read(series.path("metrics.json"))["rows"]
    assert all(np.isfinite(value) for key, value in row.items() if key != "row")
    rows = json_files.read(series.path("reference.json"))["rows"]
    names = dict.fromkeys(item["row"] for item in rows)
    assert list(names) == ["real", "surrogate", "white_noise"]
    metrics = series.study.evaluation.metrics
    known = {key for block in metrics.values() for key in block.part.results}
    of_channels = {f"{key}[{name}]" for key in known for name in ("u", "v")}
    for item in rows:
        assert item.keys() == {"row", *known, *of_channels}
    assert row.keys() >= {*known, *of_channels}
    del row["row"]
    others = other_results(series.study.datasets["waves"].resolutions)
    assert [key for key in row if unknown_result(key, metrics, ["u", "v"], others)] == []


def test_results_are_of_frames_in_units_of_their_own_deviation(series):
    """Recomputed from the files by SciPy, frame by frame and channel by channel."""
    row, *_ = json_files.read(series.path("metrics.json"))["rows"]
    with storage.read(series.path("16.nc")) as dataset:
        target = dataset["field"].values[8:10].astype(float)
        scale = dataset["scale"].values
    samples = storage.read(series.path("samples-16.nc"))["field"].values.astype(float)
    assert scale.max() > 2 * scale.min()
    apart = np.array(
        [
            [
                wasserstein_distance(samples[:, i, j].ravel(), target[:, i, j].ravel())
                for j in range(2)
            ]
            for i in range(3)
        ]
    )
    expected = apart / scale
    assert row["one_point_w1"] == pytest.approx(expected.mean(), rel=1e-4)
    assert row["one_point_w1[u]"] == pytest.approx(expected[:, 0].mean(), rel=1e-4)
    assert row["one_point_w1[v]"] == pytest.approx(expected[:, 1].mean(), rel=1e-4)


def test_synthetic_references_are_normalised(series):
    """The surrogate has the spectrum of each frame, whatever the frame's size; noise has none."""
    with storage.read(series.path("16.nc")) as dataset:
        statistics = Statistics.of(dataset)
    surrogate = gaussian_fields(statistics.measured(series.basis), 16, range(400), seed=0)
    energy = series.basis.forward(surrogate).square().mean(0)
    assert torch.allclose(energy.sum((1, 2)), torch.ones(6), rtol=0.2)
    largest = statistics.spectrum[:, 0, 1]
    assert torch.allclose(energy[:, 0, 1].double(), largest, rtol=0.3)
    noise = node_noise(50, (6, 16, 16))
    assert noise.shape == (50, 6, 16, 16)
    assert torch.allclose(noise.square().mean((0, 2, 3)), torch.ones(6), rtol=0.1)


def test_figures_show_the_first_frame_and_say_which(series, single):
    with storage.read(series.path("16.nc")) as dataset:
        data, quantity = split(dataset, "test"), quantity_of(dataset)
        statistics = Statistics.of(dataset)
        surrogate = gaussian_fields(statistics.measured(series.basis), 16, range(4), seed=0)
        surrogate = statistics.denormalise(surrogate)
    assert quantity == "u at t = 0.25"
    samples = {"one": fields_of(series.path("samples-16.nc"))}
    figure = sample_grid(data, samples, surrogate=surrogate, quantity=quantity)
    assert figure.get_suptitle().startswith("u at t = 0.25")
    with storage.read(single.path("16.nc")) as dataset:
        assert quantity_of(dataset) == "u"


def test_permeabilities_stay_positive_through_every_stage(tmp_path):
    law = "{kind: log_normal, variance: 2.0}, channels: [permeability]"
    source = f"kind: darcy, resolution: 16, permeability: {law}}}"
    run = Run(tmp_path, source + "\n    transforms: {permeability: {kind: log}").all()
    data, coarse = (storage.read(run.path(f"{n}.nc"))["field"] for n in (16, 8))
    logarithms = torch.from_numpy(np.log(data.values.astype(float)))
    np.testing.assert_allclose(np.log(coarse), run.basis.restrict(logarithms, 8), atol=1e-5)
    for n in (16, 24):
        assert (storage.read(run.path(f"samples-{n}.nc"))["field"] > 0).all()
    split = normalised_split(run.path("8.nc"), "train")
    statistics = models.load(run.path("model-8.safetensors")).statistics
    expected = (np.log(coarse[:6]) - statistics.mean.item()) / statistics.scale.item()
    np.testing.assert_allclose(split, expected, atol=1e-5)
