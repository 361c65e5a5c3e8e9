"""Samples during training: weights kept on the way, evaluated as those of the end are."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from fsdiff import parts
from fsdiff import study as config
from fsdiff.data import hierarchy, json_files, storage, tensors
from fsdiff.jobs.devices import DeviceError
from fsdiff.jobs.failures import StorageError
from fsdiff.methods import models
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.stages import trajectory as stage
from fsdiff.stages.evaluate import evaluate_samples, training_of
from fsdiff.stages.files import normalised_split
from fsdiff.stages.sample import SamplingError, sample, sample_shard
from fsdiff.stages.train import train
from fsdiff.stages.trajectory import trajectory
from fsdiff.study import strict_yaml
from fsdiff.training.kept import KeptWeights, kept_weights

SEED = 0
STUDY = """
datasets:
  waves:
    source: {kind: random_field, resolution: 16}
    split: {train: 16, validation: 4, test: 8}
    resolutions: [8, 16]
experiments:
  one:
    dataset: waves
    prior: {kind: bessel, power: 0.6}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, width: 4, modes: 2, layers: 1, projection: 4}
    training: {validate_at: [16]}
    levels: [{resolution: 8, epochs: 3, batch_size: 8}, {resolution: 16, epochs: 4, batch_size: 8}]
    sampler: {kind: ddim, steps: 2}
    samples: {count: 4, resolutions: [16]}
    trajectory: {every: 2, count: 3}
evaluation:
  metrics:
    one_point: {kind: one_point}
"""


class Run:
    """The study from its data to trained weights, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.study = config.load(strict_yaml.parse(STUDY))
        dataset = self.study.datasets["waves"]
        basis = dataset.basis
        made_from = storage.Provenance(self.study.simulate_slice("waves"), "code", SEED)
        fields = dataset.source.part.generate(range(dataset.samples), SEED)
        storage.write(fields, self.path("shard.nc"), title="shard", provenance=made_from)
        counts = dataset.split.plain()
        merged = hierarchy.merge([self.path("shard.nc")], split=counts, expected=made_from)
        measured = hierarchy.statistics(merged, basis)
        merged = merged.merge(measured, compat="override", combine_attrs="override")
        for n in (8, 16):
            block = self.study.hierarchy_slice("waves", n)
            downsampling = parts.build("downsampling", block["downsampling"])
            coarse = hierarchy.restrict(merged, n, downsampling, basis)
            storage.write(coarse, self.path(f"{n}.nc"), title="data", provenance=made_from)
        self.train(8, None, None)
        self.train(16, self.path("8.safetensors"), (2, self.path("kept.safetensors")))

    def path(self, name):
        return self.folder / name

    def train(self, n, coarser, keep, *, folder=None, **level):
        config = self.study.train_slice("one", n, SEED)
        folder = folder or self.folder
        train(
            {"config": {**config, "level": {**config["level"], **level}}, "code": "code"},
            data={m: self.path(f"{m}.nc") for m in self.study.validated("one", n)},
            warm_start=coarser,
            weights=folder / f"{n}.safetensors",
            sidecar=folder / f"{n}.json",
            history=folder / f"{n}.history.nc",
            states=folder,
            keep=keep,
        )

    @property
    def histories(self):
        return [self.path(f"{n}.history.nc") for n in (8, 16)]

    def trajectory(self):
        """The evaluations during training."""
        trajectory(
            {"config": self.study.trajectory_slice("one", 16, SEED), "code": "code"},
            weights=self.path("16.safetensors"),
            kept=self.path("kept.safetensors"),
            histories=self.histories,
            data=self.path("16.nc"),
            output=self.path("trajectory.nc"),
            states=self.folder,
        )
        return xr.load_dataset(self.path("trajectory.nc"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


def test_weights_are_kept_after_every_so_many_epochs_and_nothing_else_is_left(run):
    kept = list(kept_weights(run.path("kept.safetensors"), 2))
    assert [epoch for epoch, _, _ in kept] == [2, 4]
    curve = xr.load_dataset(run.histories[-1])
    assert [seconds for _, seconds, _ in kept] == curve["seconds"].sel(epoch=[2, 4]).values.tolist()
    assert [epoch for epoch, _, _ in kept_weights(run.path("kept.safetensors"), 4)] == [4]
    assert not list(run.folder.glob("train-*"))


def test_what_a_level_that_ends_early_had_kept_is_gathered(run, tmp_path):
    kept = tmp_path / "kept.safetensors"
    run.train(8, None, (1, kept), folder=tmp_path, epochs=50, patience=2, learning_rate=1.0)
    last = int(xr.load_dataset(tmp_path / "8.history.nc")["epoch"][-1])
    assert 2 <= last < 50
    assert [epoch for epoch, _, _ in kept_weights(kept, 1)] == list(range(1, last + 1))
    assert not list(tmp_path.glob("train-*"))


def test_what_is_kept_are_the_averaged_weights_that_are_validated(run):
    """Given to the network, they have the loss that the history says."""
    curve = xr.load_dataset(run.histories[-1])["validation_loss"].sel(resolution=16)
    model = models.load(run.path("16.safetensors"))
    for epoch, _, weights in kept_weights(run.path("kept.safetensors"), 2):
        models.set_parameters(model.method.network, weights, run.path("kept.safetensors"))
        fields = normalised_split(run.path("16.nc"), "validation")
        assert model.test_loss(fields) == pytest.approx(float(curve.sel(epoch=epoch)), rel=1e-6)


def test_the_last_evaluation_is_that_of_the_end(run):
    """Where the weights of the end are the last ones: the first samples, the same numbers."""
    found = run.trajectory()
    assert found["epoch"].values.tolist() == [2, 4]
    coarse, fine = (xr.load_dataset(path)["seconds"] for path in run.histories)
    expected = coarse[-1].item() + fine.sel(epoch=[2, 4]).values
    np.testing.assert_allclose(found["seconds"], expected, rtol=1e-12)

    job = run.study.trajectory_slice("one", 16, SEED)
    _, _, weights = list(kept_weights(run.path("kept.safetensors"), 4))[-1]
    last = models.load(run.path("16.safetensors"))
    models.set_parameters(last.method.network, weights, run.path("kept.safetensors"))
    description = last.description
    files = {"weights": run.path("last.safetensors"), "sidecar": run.path("last.json")}
    models.save(last.method, last.statistics, description, **files)
    sample(
        {"config": job, "code": "code"},
        weights=files["weights"],
        output=run.path("samples.nc"),
        cost=run.path("cost.json"),
        states=run.folder,
    )
    evaluate_samples(
        {"config": job, "code": "code"},
        samples=run.path("samples.nc"),
        data=run.path("16.nc"),
        weights=files["weights"],
        histories=run.histories,
        cost=run.path("cost.json"),
        output=run.path("metrics.json"),
    )
    (row,) = json_files.read(run.path("metrics.json"))["rows"]
    assert job["samples"]["count"] == 3
    for name in ("one_point_w1", "one_point_kurtosis"):
        assert row[name] == float(found[name].sel(epoch=4))
        assert row[name] != float(found[name].sel(epoch=2))
    curves = xr.load_dataset(run.histories[-1])
    loss = curves["validation_loss"].sel(resolution=16)
    assert row["validation_loss"] == curves.attrs["best_loss"] == float(loss.min())
    assert row["validation_loss_final"] == float(loss[-1])
    assert row["training_seconds_at_16"] == float(curves["seconds"][-1])
    untrained = xr.load_dataset(run.histories[0])["validation_loss"].sel(resolution=16)
    assert row["validation_loss_initial"] == float(untrained[0])


def test_shards_of_samples_make_the_same_file(run, tmp_path, monkeypatch):
    """To the bit, whatever is in which; and the cost of a sample is the same."""
    block = run.study.sample_slice("one", 16, SEED)
    count, job = block["samples"]["count"], {"config": block, "code": "code"}
    weights, shards = run.path("16.safetensors"), []
    for indices in (range(1), range(1, count)):
        shards.append(tmp_path / f"{indices.start}-{indices[-1]}.shard.safetensors")
        sample_shard(job, indices, weights=weights, output=shards[-1], states=tmp_path)
    for name, joined in (("whole", ()), ("joined", shards)):
        files = {"output": tmp_path / f"{name}.nc", "cost": tmp_path / f"{name}.json"}
        sample(job, weights=weights, shards=joined, **files, states=tmp_path)
    assert (tmp_path / "joined.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    costs = [json_files.read(tmp_path / f"{name}.json") for name in ("whole", "joined")]
    taken = [cost.pop("seconds") for cost in costs]
    assert costs[0] == costs[1]
    assert min(taken) > 0
    # Shards that were drawn on GPUs are put together where there are none.
    monkeypatch.setenv("FSDIFF_DEVICE", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    files = {"weights": weights, "output": tmp_path / "gathered.nc", "cost": tmp_path / "cost.json"}
    sample(job, shards=shards, **files, states=tmp_path)
    gathered = xr.load_dataset(tmp_path / "gathered.nc")
    assert gathered.attrs["fsdiff_device"] == "cuda"
    assert gathered.equals(xr.load_dataset(tmp_path / "whole.nc"))
    with pytest.raises(DeviceError, match="sees no GPU"):
        sample(job, **files, states=tmp_path)


def test_losses_and_seconds_are_of_what_was_trained_and_validated(run):
    """The coarse level is validated on both grids, the fine one on its own alone."""
    coarse, fine = run.histories
    both, seconds = [coarse, fine], {"training_seconds_at_8", "training_seconds_at_16"}
    assert training_of([fine], 8).keys() == {"training_seconds_at_16"}
    assert training_of(both, 8).keys() == {"validation_loss_initial", *seconds}
    ends = {"validation_loss_initial", "validation_loss_final"}
    assert training_of(both, 16).keys() == {*ends, *seconds}
    assert min(training_of(both, 16).values()) > 0.0


class Killed(BaseException):
    """As a signal would, between two epochs."""


def test_an_interrupted_trajectory_goes_on_where_it_was(run, monkeypatch):
    expected = run.trajectory()
    calls = itertools.count()
    evaluated = stage._evaluated

    def once(*arguments):
        if next(calls) == 1:
            raise Killed
        return evaluated(*arguments)

    monkeypatch.setattr(stage, "_evaluated", once)
    with pytest.raises(Killed):
        run.trajectory()
    found = run.trajectory()
    assert next(calls) == 3
    xr.testing.assert_identical(found, expected)


def stopped_after_an_epoch(run, monkeypatch):
    """Kill a trajectory in its second epoch, with samples drawn; the two files that it leaves."""
    drawn = stage.draw

    def killed(indices, model, config, state, training):
        samples = drawn(indices, model, config, state, training)
        if state.stem.endswith("epoch4"):
            samples.save(state)
            raise Killed
        return samples

    with monkeypatch.context() as patch:
        patch.setattr(stage, "draw", killed)
        with pytest.raises(Killed):
            run.trajectory()
    (rows,) = run.folder.glob("trajectory-16-*.json")
    (samples,) = run.folder.glob("trajectory-16-*-epoch4.safetensors")
    return rows, samples


STATES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "empty": lambda path: path.write_bytes(b""),
    "edited": lambda path: path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1)),
    "no rows": lambda path: json_files.write(path, {"rows": None}),
    "rows of words": lambda path: json_files.write(path, {"rows": [{"epoch": "two"}]}),
    "rows without epochs": lambda path: json_files.write(path, {"rows": [{"seconds": 1.0}]}),
}


@pytest.mark.parametrize("damage", STATES.values(), ids=STATES)
def test_a_trajectory_starts_afresh_where_its_rows_are_damaged(run, monkeypatch, caplog, damage):
    """And samples of its second epoch are not taken for those of the first."""
    expected = run.trajectory()
    rows, _ = stopped_after_an_epoch(run, monkeypatch)
    damage(rows)
    found = run.trajectory()
    xr.testing.assert_identical(found, expected)
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert rows.name in warning.getMessage()
    assert not list(run.folder.glob("trajectory-16-*"))


def test_a_trajectory_draws_again_where_its_samples_are_damaged(run, monkeypatch, caplog):
    expected = run.trajectory()
    _, samples = stopped_after_an_epoch(run, monkeypatch)
    samples.write_bytes(samples.read_bytes()[:-3])
    xr.testing.assert_identical(run.trajectory(), expected)
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert samples.name in warning.getMessage()
    assert not list(run.folder.glob("trajectory-16-*"))


def test_samples_that_are_not_finite_leave_a_gap(run, monkeypatch):
    draw = stage.draw
    calls = itertools.count()

    def diverging(*arguments):
        if next(calls) == 0:
            raise SamplingError
        return draw(*arguments)

    monkeypatch.setattr(stage, "draw", diverging)
    found = run.trajectory()
    assert np.isnan(found["one_point_w1"].values).tolist() == [True, False]


def test_constant_samples_leave_a_gap_in_what_they_do_not_have(run, monkeypatch):
    """As those of a network are whose last layer starts from zero."""
    joined = stage.concatenate
    calls = itertools.count()

    def constant_at_first(parts):
        samples = joined(parts)
        return samples if next(calls) else samples._replace(fields=0 * samples.fields)

    monkeypatch.setattr(stage, "concatenate", constant_at_first)
    found = run.trajectory()
    assert np.isnan(found["one_point_kurtosis"].values).tolist() == [True, False]
    assert np.isfinite(found["one_point_w1"].values).all()


def test_what_holds_no_kept_weights_is_refused(tmp_path, run):
    damaged = tmp_path / "kept.safetensors"
    damaged.write_bytes(run.path("kept.safetensors").read_bytes()[:100])
    told = {
        damaged: "is truncated or no safetensors file",
        run.path("16.safetensors"): "holds no weights that were kept",
        tmp_path / "absent.safetensors": "does not exist",
    }
    for path, message in told.items():
        with pytest.raises(StorageError, match=f"{path} {message}.*; .*run the workflow"):
            list(kept_weights(path, 2))


def test_epochs_that_are_made_again_replace_those_before(tmp_path):

    kept = KeptWeights(tmp_path / "state.safetensors", 1)
    for value in (1.0, 2.0):
        kept.keep(1, value, {"w": torch.full((2,), value)})
    kept.gather(1, tmp_path / "kept.safetensors", {"fsdiff_lineage": "0123"})
    kept.remove()
    ((epoch, seconds, weights),) = kept_weights(tmp_path / "kept.safetensors", 1)
    assert (epoch, seconds, weights["w"].tolist()) == (1, 2.0, [2.0, 2.0])
    assert tensors.read_header(tmp_path / "kept.safetensors").about["fsdiff_lineage"] == "0123"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.safetensors"]


# Configuration


def problems(**trajectory):
    raw = strict_yaml.parse(STUDY)
    raw["experiments"]["one"]["trajectory"] = trajectory
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(raw)
    return caught.value.problems


@pytest.mark.parametrize(
    ("trajectory", "problem"),
    [
        ({"every": 5}, "every = 5: the finest level has 4 epochs; use every <= 4"),
        ({"every": 2, "count": 5}, "count = 5: 4 samples are drawn; use count <= 4"),
        (
            {"every": 2, "resolutions": [8]},
            "resolutions[0] = 8: samples are compared with data at 16 only",
        ),
        ({"every": 0}, "every = 0: expected an integer > 0"),
        ({"every": 2, "cuont": 1}, "cuont = 1: unknown key; allowed: every, resolutions, count"),
    ],
)
def test_trajectories_that_cannot_be_are_refused(trajectory, problem):
    (found,) = problems(**trajectory)
    assert found.startswith(f"experiments.one.trajectory.{problem}")


def test_something_is_kept_however_soon_training_ends():
    raw = strict_yaml.parse(STUDY)
    experiment = raw["experiments"]["one"]
    experiment["levels"][-1]["patience"] = 3
    experiment["trajectory"] = {"every": 3}
    config.load(raw)
    experiment["levels"][-1]["patience"] = 2
    with pytest.raises(config.ConfigurationError, match="may end after 2 epochs; use every <= 2"):
        config.load(raw)


def test_weights_are_kept_often_enough_for_all_that_share_them():
    raw = strict_yaml.parse(STUDY)
    first = raw["experiments"]["one"]
    raw["experiments"] |= {
        "two": {**first, "sampler": {"kind": "ddim", "steps": 3}, "trajectory": {"every": 3}},
        "none": {**first, "seeds": [1], "trajectory": None},
        "other": {**first, "prior": {"kind": "standard"}},
        "silent": {**first, "prior": {"kind": "laplacian"}, "trajectory": None},
    }
    study = config.load(raw)
    every = {name: study.kept_every(name) for name in study.experiments}
    assert every == {"one": 1, "two": None, "none": None, "other": 2, "silent": None}
    assert study.evaluated_during_training("one") == [16]
    assert study.evaluated_during_training("none") == []


def test_training_does_not_depend_on_what_is_kept():
    raw = strict_yaml.parse(STUDY)
    without = strict_yaml.parse(STUDY)
    del without["experiments"]["one"]["trajectory"]
    slices = [config.load(item).train_slice("one", 16, SEED) for item in (raw, without)]
    assert slices[0] == slices[1]


# The figure


def table():
    rows = [
        {
            **{"experiment": name, "title": name, "dataset": "waves", "row": "model"},
            **{"seed": seed, "resolution": 16, "trained_at": 16, "epoch": epoch},
            **{"seconds": 10.0 * epoch, "one_point_w1": (1 + seed) / epoch},
        }
        for name in ("warm", "cold")
        for seed in (0, 1)
        for epoch in (1, 2, 4)
    ]
    return pd.DataFrame(rows)


def test_the_figure_has_the_mean_over_seeds_and_the_floor():
    summary = pd.DataFrame(
        [
            {"dataset": "waves", "row": "real", "resolution": 16, "one_point_w1": 0.1},
            {"experiment": "warm", "row": "model", "resolution": 16, "one_point_w1": 0.4},
            {"experiment": "cold", "row": "model", "resolution": 16, "one_point_w1": 0.4},
        ]
    )
    for against, x in (("epoch", [1, 2, 4]), ("seconds", [10, 20, 40])):
        (axes,) = metric_by_epoch(table(), summary, against=against).axes
        curves = {line.get_label(): line.get_data() for line in axes.lines}
        np.testing.assert_allclose(curves["warm"], [x, [1.5, 0.75, 0.375]])
        assert list(curves["real against real"][1]) == [0.1, 0.1]


def test_curves_end_where_one_seed_s_training_did():
    longer = table()
    longer = longer[(longer["seed"] == 0) | (longer["epoch"] < 4)]
    (axes,) = metric_by_epoch(longer, table()).axes
    assert {line.get_label(): list(line.get_xdata()) for line in axes.lines}["warm"] == [1, 2]


def test_panels_fill_rows_and_those_of_a_metric_share_the_range_of_all_their_curves():
    names = ("gradient_w1", "mmd_gaussian", "log_spectrum_error", "sliced_wasserstein")
    coarse = table().assign(**dict.fromkeys(names, 1.0))
    fine = coarse.assign(resolution=32, one_point_w1=100 * coarse["one_point_w1"])
    figure = metric_by_epoch(coarse, coarse)
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)
    figure = metric_by_epoch(pd.concat([coarse, fine]), pd.concat([coarse, fine]))
    assert figure.axes[0].get_gridspec().get_geometry() == (5, 2)
    named = [axes for axes in figure.axes if axes.get_ylabel() == "one-point W₁"]
    (first,) = named
    (other,) = first.get_shared_y_axes().get_siblings(first)[1:]
    low, high = other.get_ylim()
    assert first.get_ylim() == (low, high)
    assert low < coarse["one_point_w1"].min() < fine["one_point_w1"].max() < high


def test_a_table_without_metrics_says_so():
    figure = metric_by_epoch(table().drop(columns="one_point_w1"), table())
    assert [text.get_text() for text in figure.texts] == [NO_NUMBERS]
