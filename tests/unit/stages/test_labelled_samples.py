"""Studies of labelled data: from a table of curves to samples by class and what these teach."""

import copy

import numpy as np
import pytest
import xarray as xr

from fsdiff import parts
from fsdiff import study as config
from fsdiff.data import hierarchy, json_files, storage
from fsdiff.stages.evaluate import evaluate_samples
from fsdiff.stages.measure import measure
from fsdiff.stages.references import evaluate_references
from fsdiff.stages.sample import SamplingError, sample, sample_shard
from fsdiff.stages.train import train
from fsdiff.stages.trajectory import trajectory
from fsdiff.study import ConfigurationError

N, COUNT = 16, 12
STUDY = {
    "datasets": {
        "motions": {
            "source": {"kind": "curves", "path": "", "label": "kind"},
            "split": {"train": 24, "validation": 4, "test": 16},
            "resolutions": [N],
        }
    },
    "defaults": {
        "dataset": "motions",
        "condition": {"kind": "label"},
        "samples": {"count": COUNT, "resolutions": [N]},
    },
    "experiments": {
        "told": {
            "prior": {"kind": "bessel", "power": 0.6},
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "basis": "cosine", "width": 4, "modes": 2, "layers": 1},
            "levels": [{"resolution": N, "epochs": 2, "batch_size": 8, "learning_rate": 0.02}],
            "sampler": {"kind": "ddim", "steps": 2},
            "training": {"average_decay": 0.5, "validate_every": 2},
            "trajectory": {"every": 2},
        },
        "copies": {"method": {"kind": "imitating", "imitation": {"kind": "resampled"}}},
        "surrogate": {"method": {"kind": "gaussian"}},
    },
    "evaluation": {
        "metrics": {
            "one_point": {"kind": "one_point"},
            "transfer": {"kind": "train_on_synthetic", "kernels": 30},
        }
    },
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Waves of two frequencies and any phase, and of which kind they are."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("table") / "curves.csv"
    kinds = np.arange(44) % 2
    x = (np.arange(N) + 0.5) / N
    values = np.sin(2 * np.pi * ((1 + 2 * kinds[:, None]) * x + random.random((44, 1))))
    rows = [
        ",".join([*map(str, row), ("slow", "fast")[kind]])
        for row, kind in zip(values, kinds, strict=True)
    ]
    path.write_text("\n".join([",".join([*(f"t{i}" for i in range(N)), "kind"]), *rows]))
    return path


def block(table, **changes):
    made = copy.deepcopy(STUDY)
    made["datasets"]["motions"]["source"]["path"] = str(table)
    return made | changes


class Run:
    """The study up to its samples, in a folder."""

    def __init__(self, table, folder):
        self.folder, self.study = folder, config.load(block(table))
        dataset = self.study.datasets["motions"]
        made = storage.Provenance(self.study.simulate_slice("motions"), "code", 0)
        fields = dataset.source.part.generate(range(dataset.samples), 0)
        storage.write(fields, folder / "shard.nc", title="shard", provenance=made)
        counts = dataset.split.plain()
        merged = hierarchy.merge([folder / "shard.nc"], split=counts, expected=made)
        measured = hierarchy.statistics(merged, dataset.basis)
        merged = merged.merge(measured, compat="override", combine_attrs="override")
        down = parts.build("downsampling", self.study.hierarchy_slice("motions", N)["downsampling"])
        coarse = hierarchy.restrict(merged, N, down, dataset.basis)
        storage.write(coarse, self.data, title="data", provenance=made)
        train(
            self.job("train", "told"),
            data={N: self.data},
            warm_start=None,
            **self.model("told"),
            history=folder / "history.nc",
            states=folder,
            keep=(2, folder / "kept.safetensors"),
        )
        for name in ("copies", "surrogate"):
            measure(self.job("measure", name), data=self.data, **self.model(name))

    @property
    def data(self):
        return self.folder / "data.nc"

    def job(self, kind, name):
        return {"config": getattr(self.study, f"{kind}_slice")(name, N, 0), "code": "code"}

    def model(self, name):
        return {
            "weights": self.folder / f"{name}.safetensors",
            "sidecar": self.folder / f"{name}.json",
        }

    def sample(self, name, shards=(), **changes):
        job = self.job("sample", name)
        job["config"]["samples"] |= changes
        paths = []
        for first, last in shards:
            paths.append(self.folder / f"{first}.safetensors")
            sample_shard(
                job,
                range(first, last + 1),
                weights=self.model(name)["weights"],
                output=paths[-1],
                states=self.folder,
            )
        output = self.folder / f"{name}.nc"
        sample(
            job,
            weights=self.model(name)["weights"],
            shards=paths,
            output=output,
            cost=self.folder / f"{name}.cost.json",
            states=self.folder,
        )
        with storage.read(output) as found:
            return found.load()

    def judged(self, name):
        self.sample(name)
        evaluate_samples(
            self.job("evaluate", name),
            samples=self.folder / f"{name}.nc",
            data=self.data,
            weights=self.model(name)["weights"],
            histories=[self.folder / "history.nc"],
            cost=self.folder / f"{name}.cost.json",
            output=self.folder / "row.json",
        )
        (row,) = json_files.read(self.folder / "row.json")["rows"]
        return row


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    return Run(table, tmp_path_factory.mktemp("run"))


def test_files_of_samples_say_of_which_class_each_is(run):
    found = run.sample("told")
    assert set(found["kind"].values) == {"slow", "fast"}
    assert abs(int((found["kind"] == "slow").sum()) - COUNT // 2) <= 2
    for changes in ({"batch_size": 5}, {"shards": [(0, 6), (7, 11)]}):
        again = run.sample("told", **changes)
        xr.testing.assert_identical(again["field"].drop_attrs(), found["field"].drop_attrs())


def test_how_often_samples_are_of_each_class_trains_nothing_again(run, table, monkeypatch):
    def sampled(*shares):
        made = block(table)
        made["defaults"]["condition"] = {"kind": "label", "shares": [*shares]}
        monkeypatch.setattr(run, "study", config.load(made))
        return [run.sample(name)["kind"].values for name in ("told", "copies")]

    weights = {kind: run.job(kind, "told") for kind in ("train", "measure", "sample")}
    for kinds in sampled(1, 3):  # of "fast" and "slow"
        assert abs(int((kinds == "slow").sum()) - 3 * COUNT // 4) <= 1
    assert [kind for kind in weights if run.job(kind, "told") != weights[kind]] == ["sample"]
    with pytest.raises(SamplingError, match="condition: 3 shares for 2 classes of 'kind'"):
        sampled(1, 1, 1)


def test_so_does_how_much_samples_go_by_their_class(run, table, monkeypatch):
    weights = {kind: run.job(kind, "told") for kind in ("train", "sample")}
    plain, made = run.sample("told"), block(table)
    made["experiments"]["told"]["condition"] = {"kind": "label", "guidance_scale": 2.0}
    monkeypatch.setattr(run, "study", config.load(made))
    assert [kind for kind in weights if run.job(kind, "told") != weights[kind]] == ["sample"]
    found = run.sample("told")
    assert found["kind"].equals(plain["kind"])
    assert not np.array_equal(found["field"], plain["field"])


def test_samples_teach_what_they_know(run):
    """Copies by class all, and what has no classes nothing."""
    copies, told, surrogate = map(run.judged, ("copies", "told", "surrogate"))
    assert copies["synthetic_accuracy"] == 1
    assert copies["real_accuracy"] == 1
    assert 0 <= told["synthetic_accuracy"] <= 1
    assert told.keys() >= {"loss", "validation_loss"}
    assert "synthetic_accuracy" not in surrogate
    job = {"config": run.study.reference_slice("motions", N, COUNT), "code": "code"}
    assert job["config"]["label"] == "kind"
    evaluate_references(job, data=run.data, output=run.folder / "references.json")
    rows = json_files.read(run.folder / "references.json")["rows"]
    floor = [row["synthetic_accuracy"] for row in rows if row["row"] == "real"]
    assert len(floor) == 4  # more samples than half of the test fields: of as many as that half
    assert np.mean(floor) > 0.9
    assert not [row for row in rows if row["row"] != "real" and "synthetic_accuracy" in row]


def test_samples_during_training_are_judged_by_class(run):
    """Those of the last epoch, which is the best here, as those of the end are."""
    trajectory(
        run.job("trajectory", "told"),
        weights=run.model("told")["weights"],
        kept=run.folder / "kept.safetensors",
        histories=[run.folder / "history.nc"],
        data=run.data,
        output=run.folder / "trajectory.nc",
        states=run.folder,
    )
    found, row = xr.load_dataset(run.folder / "trajectory.nc"), run.judged("told")
    for name in ("synthetic_accuracy", "real_accuracy", "one_point_w1"):
        assert float(found[name][-1]) == pytest.approx(row[name], rel=1e-6)


def test_classes_that_only_test_data_have_are_refused_before_training(run, tmp_path):
    with storage.read(run.data) as found:
        data = found.load()
    data["kind"] = data["kind"].where(np.arange(data.sizes["sample"]) < 43, "still").astype(str)
    storage.write(
        data, tmp_path / "data.nc", title="data", provenance=storage.Provenance({}, "", 0)
    )
    with pytest.raises(ValueError, match="'still' is no class of the training samples"):
        measure(run.job("measure", "copies"), data=tmp_path / "data.nc", **run.model("other"))


def problems(made):
    with pytest.raises(ConfigurationError) as caught:
        config.load(made)
    return "\n".join(caught.value.problems)


def test_what_cannot_be_told_classes_is_refused(table):
    made = block(table)
    made["datasets"]["motions"]["source"] |= {"label": None, "labels": ["kind"]}
    assert "datasets.motions.source: evaluation.metrics.transfer asks" in problems(made)
    del made["evaluation"]["metrics"]["transfer"]
    made["defaults"]["samples"] = {"count": 8, "resolutions": [N]}
    assert "condition.kind = label: these samples have no labels" in problems(made)
    made = block(table)
    made["defaults"]["condition"] = {"kind": "label", "label": "sort"}
    assert "label = sort: the labels of these data are kind" in problems(made)
    assert "no experiment is told any" not in problems(made)  # which only follows from the other
    made["defaults"]["condition"] = {"kind": "label", "classes": ["slow"]}
    assert "classes = ('slow',): there are two classes or more" in problems(made)
    made = block(table)
    made["claims"] = {
        "near": {"where": "here", "statement": "Near.", "experiment": "surrogate", "resolution": N}
        | {"metric": "synthetic_accuracy", "at_least": 0.5}
    }
    assert "a number of samples with classes, and surrogate is told none" in problems(made)
    made["claims"]["near"]["experiment"] = "copies"
    config.load(made)
    made = block(table)
    made["experiments"]["told"]["process"] = {"kind": "heat_dissipation"}
    assert "sampler: ddim: much of the mean of the data is left at the end" in problems(made)
    start = {"kind": "starting_from", "law": "empirical", "sampler": {"kind": "ddim"}}
    made["experiments"]["told"]["sampler"] = start
    config.load(made)
    made = block(table)
    made["experiments"]["adversary"] = {
        **{key: made["experiments"]["told"][key] for key in ("prior", "network", "levels")},
        "method": {"kind": "gano"},
    }
    assert "models of this method cannot be told classes" in problems(made)
    made = block(table)
    del made["defaults"]["condition"]
    assert "evaluation.metrics.transfer: it is about samples with classes" in problems(made)
    made = block(table)
    sensors = {"kind": "points", "points": [[0.5]], "noise": 0.1}
    made["experiments"]["told"]["condition"] = {"kind": "label", "drop": 0}
    made["observations"] = {"one": {"dataset": "motions", "operator": sensors, "cases": 1}}
    led = {"experiment": "told", "observation": "one", "guidance": {"kind": "wiener"}}
    made["posteriors"] = {"led": {**led, "draws": 20, "resolutions": [N]}}
    assert "guidance: experiment told: drop = 0: the model is always told a class" in problems(made)
    made["experiments"]["copies"]["condition"] = {"kind": "kriging", "operator": sensors}
    assert "imitations can be told classes" in problems(made)
    made = block(table)
    made["datasets"]["motions"]["source"]["label"] = "field"
    assert "label = field: files of fields have" in problems(made)
