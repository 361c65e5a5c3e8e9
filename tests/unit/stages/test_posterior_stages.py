"""From functions to draws given what was observed: data, guided draws, resumption."""

import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff import parts
from fsdiff import study as config
from fsdiff.data import hierarchy, json_files, storage
from fsdiff.interface.fields import labelled
from fsdiff.inverse.guidance.base import GuidedDenoiser
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.latent.posterior import posterior_of
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.observations.some import Some
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.interruption import Interrupted
from fsdiff.methods import models
from fsdiff.parts import described
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages import sample as sampling
from fsdiff.stages.infer import drawing, infer, infer_shard, within_cases
from fsdiff.stages.judge_posteriors import judge_baselines, judge_posterior
from fsdiff.stages.measure import prepared
from fsdiff.stages.observe import observe, observed
from fsdiff.stages.posterior_pages import Files as Inputs
from fsdiff.stages.posterior_pages import draw_posteriors
from fsdiff.study import strict_yaml

STUDY = """
datasets:
  waves:
    source:
      kind: random_field
      resolution: 64
      basis: {kind: fourier, dimension: 1}
      measure: {kind: gaussian_random_field, correlation_length: 0.2, smoothness: 1.5}
      length: 3.0
    split: {train: 2000, validation: 2, test: 4}
    resolutions: [32, 64]
experiments:
  wiener:
    dataset: waves
    prior: {kind: bessel, power: 0.6}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, basis: fourier, width: 4, modes: 2, layers: 1, projection: 4}
    levels: [{resolution: 64, epochs: 1}]
    sampler: {kind: dpm_solver, steps: 15}
    samples: {count: 2, resolutions: [64]}
  adversary:
    dataset: waves
    method: {kind: gano, width: 4, modes: 2}
    prior: {kind: bessel, power: 0.6}
    network: {kind: fno, basis: fourier, width: 4, modes: 2, layers: 1, projection: 4}
    condition: {kind: kriging, operator: &sensors {kind: random_points, number: 6, noise: 0.2}}
    levels: [{resolution: 64, epochs: 1}]
    samples: {count: 2, resolutions: [64]}
observations:
  sensors: {dataset: waves, operator: *sensors, cases: 2}
posteriors:
  guided:
    experiment: wiener
    observation: sensors
    guidance: {kind: wiener}
    draws: 100
    resolutions: [64]
    batch_size: 64
  made:
    experiment: adversary
    observation: sensors
    draws: 20
    resolutions: [64]
evaluation:
  metrics:
    one_point: {kind: one_point}
"""


class Folder:
    """Data, observations, and a model whose network says nothing: exact for Gaussian data."""

    def __init__(self, folder, study=STUDY, n=64):
        self.folder, self.n = folder, n
        self.study = config.load(strict_yaml.parse(study))
        self.dataset = self.study.datasets["waves"]
        made = storage.Provenance(self.study.simulate_slice("waves"), "code", 0)
        fields = self.dataset.source.part.generate(range(self.dataset.samples), 0)
        storage.write(fields, self.path("shard.nc"), title="shard", provenance=made)
        counts = self.dataset.split.plain()
        merged = hierarchy.merge([self.path("shard.nc")], split=counts, expected=made)
        measured = hierarchy.statistics(merged, self.dataset.basis)
        merged = merged.merge(measured, compat="override", combine_attrs="override")
        storage.write(merged, self.data, title="data", provenance=made)
        for experiment in self.study.experiments:
            self.save_silent(experiment, made)
        job = {"config": self.study.observe_slice("sensors"), "code": "code"}
        observe(job, data=self.data, output=self.path("sensors.nc"))

    def path(self, name):
        return self.folder / name

    @property
    def data(self):
        return self.path(f"{self.n}.nc")

    def save_silent(self, experiment, made):
        block = self.study.train_slice(experiment, self.n, 0)
        method, statistics, about = prepared(block, self.data)
        with torch.no_grad():
            for weights in method.network.parameters():
                weights.zero_()
        about |= {"parameters": 0, "training_seconds": 0.0}
        about |= made.attributes() | {"validation_loss": 0.0}
        weights = self.path(f"{experiment}.safetensors")
        models.save(
            method, statistics, about, weights=weights, sidecar=weights.with_suffix(".json")
        )

    def inputs(self, posterior="guided"):
        """The files that draws are made from."""
        experiment = self.study.posteriors[posterior].experiment
        weights = self.path(f"{experiment}.safetensors")
        return {"weights": weights, "observation": self.path("sensors.nc")}

    def job(self, posterior="guided", **changes):
        """The job that draws, with other settings than the study's."""
        return {"config": self.study.infer_slice(posterior, self.n, 0) | changes, "code": "code"}

    def infer(self, folder, posterior="guided", shards=(), **changes):
        """The file of draws, with other settings than the study's."""
        infer(
            self.job(posterior, **changes),
            **self.inputs(posterior),
            shards=shards,
            output=folder / "draws.nc",
            cost=folder / "draws.json",
            states=folder,
        )
        return storage.read_results(folder / "draws.nc")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("posteriors"))


def test_functions_are_observed_at_their_places(made):
    """Data are values of the first test samples at the sensors, whose places are in metres."""
    seen = storage.read_results(made.path("sensors.nc"))
    with storage.read(made.path("64.nc")) as dataset:
        test = dataset["field"][(dataset["split"] == "test").values]
    np.testing.assert_array_equal(seen["truth"].values, test.values[:2])
    assert seen["sample"].values.tolist() == [2002, 2003]
    places = seen["place"].values
    assert 1 < places.max() <= 3.0  # the side is 3 long
    assert seen["datum_channel"].values.tolist() == [0] * 6
    # The series of each function at the places, by the definition of the basis.
    values = seen["truth"].values[:, 0].astype(float)
    k = np.fft.rfftfreq(64, 1 / 64)
    waves = np.exp(2j * np.pi * np.outer(places[:, 0] / 3.0, k))
    weights = np.where((k == 0) | (k == 32), 1, 2)
    series = (np.fft.rfft(values) / 64) * weights @ waves.T
    np.testing.assert_allclose(seen["exact"].values, series.real, atol=1e-5)
    noise = (seen["data"] - seen["exact"]).values
    assert 0.05 < np.abs(noise).mean() < 0.5
    assert np.all(seen["deviation"].values == 0.2)


def test_noise_of_a_case_does_not_depend_on_how_many_there_are(made, tmp_path):
    block = made.study.observe_slice("sensors")
    for cases in (1, 4):
        job = {"config": block | {"cases": cases}, "code": "code"}
        observe(job, data=made.path("64.nc"), output=tmp_path / f"{cases}.nc")
    few, many = (storage.read_results(tmp_path / f"{cases}.nc") for cases in (1, 4))
    np.testing.assert_array_equal(few["data"].values, many["data"].values[:1])
    assert len(np.unique((many["data"] - many["exact"]).values)) == 24


def test_draws_are_those_of_the_exact_posterior(made, tmp_path):
    """Of Gaussian data: means within five standard errors, deviations as sampling allows.

    The statistics of 2000 training samples stand for the law, which costs some per cent.
    """
    draws = made.infer(tmp_path)
    assert draws["draws"].dims == ("case", "draw", "channel", "x")
    seen = storage.read_results(made.path("sensors.nc"))
    source = made.dataset.source.part
    operator = made.study.observations["sensors"].operator.part
    for case in range(2):
        data = torch.from_numpy(seen["data"].values[case])
        exact = GaussianPosterior.of(posterior_of(source, operator, 64, data))
        found = torch.from_numpy(draws["draws"].values[case].astype(float))
        deviation = exact.variance.sqrt()
        error = (found.mean(0) - exact.mean).abs() / deviation
        assert float(error.max()) < 5 / 100**0.5 + 0.05
        assert float((found.std(0) / deviation - 1).abs().max()) < 0.35
        at_sensors = operator.on(source.basis, 1, 64).forward(found)
        expected = (at_sensors - data) / 0.2
        np.testing.assert_allclose(draws["residuals"].values[case], expected, atol=1e-4)


IRREGULAR = """
datasets:
  waves:
    source:
      kind: random_field
      resolution: 24
      basis: {kind: gram, points: POINTS, covariance: {kind: rbf, length: 0.2}}
      measure: {kind: gaussian_random_field, correlation_length: 0.2, smoothness: 1.5}
    split: {train: 200, validation: 2, test: 4}
    resolutions: [24]
experiments:
  wiener:
    dataset: waves
    prior: {kind: rbf, length: 0.2}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, basis: cosine, width: 4, modes: 2, layers: 1, projection: 4}
    levels: [{resolution: 24, epochs: 1}]
    sampler: {kind: dpm_solver, steps: 5}
    samples: {count: 2, resolutions: [24]}
observations:
  sensors: {dataset: waves, operator: {kind: random_points, number: 4, noise: 0.2}, cases: 2}
posteriors:
  guided:
    experiment: wiener
    observation: sensors
    guidance: {kind: wiener}
    draws: 40
    resolutions: [24]
evaluation:
  metrics:
    one_point: {kind: one_point}
""".replace("POINTS", str([round(((i + 0.5) / 24) ** 2, 4) for i in range(24)]))


def test_draws_on_irregular_points_are_judged_and_drawn(tmp_path):
    made = Folder(tmp_path, IRREGULAR, 24)
    draws = made.infer(tmp_path)
    files = {"observation": tmp_path / "sensors.nc", "data": made.data}
    job = {"config": made.study.judge_posterior_slice("guided", 24, 0), "code": "code"}
    judge_posterior(
        job, draws=tmp_path / "draws.nc", reference=None, output=tmp_path / "rows.json", **files
    )
    (row,) = json_files.read(tmp_path / "rows.json")["rows"]
    block = made.study.judge_baselines_slice("sensors", 24) | {"draws": 40}
    judge_baselines(
        {"config": block, "code": "code"}, reference=None, output=tmp_path / "base.json", **files
    )
    assert row["crps"] > 0
    shown = {
        **made.study.judge_posterior_slice("guided", 24, 0),
        "title": "sensors",
        "posteriors": [{"name": "guided", "place": 0, "title": "guided"}],
    }
    inputs = Inputs(tmp_path / "sensors.nc", [tmp_path / "draws.nc"], [], [made.data])
    outputs = {"fields": tmp_path / "f.png", "coverage": tmp_path / "c.svg"}
    draw_posteriors(
        {"config": shown, "code": "code"}, inputs, **outputs, calibrated=tmp_path / "c.json"
    )
    (told,) = json_files.read(tmp_path / "c.json")["rows"]
    assert 0 <= told["p_value"] <= 1
    assert draws["draws"].shape == (2, 40, 1, 24)


def test_adversarial_operators_that_make_nothing_draw_the_estimate(made, tmp_path):
    """Which is the exact mean of Gaussian data, as far as 2000 samples tell their law."""
    draws = made.infer(tmp_path, "made")["draws"].values
    assert (draws == draws[:, :1]).all()
    seen = storage.read_results(made.path("sensors.nc"))
    source, operator = made.dataset.source.part, made.study.observations["sensors"].operator.part
    for case in range(2):
        data = torch.from_numpy(seen["data"].values[case])
        exact = GaussianPosterior.of(posterior_of(source, operator, 64, data))
        error = (torch.from_numpy(draws[case, 0]) - exact.mean).abs() / exact.variance.sqrt()
        assert float(error.max()) < 0.1


def test_files_have_what_particles_tell_of_each_case(made, tmp_path):
    particles = {"guidance": {"kind": "smc", "particles": 8}, "draws": 20}
    whole = made.infer(tmp_path, **particles)
    assert whole["log_evidence"].dims == whole["effective_share"].dims == ("case", "draw")
    assert len(np.unique(whole["log_evidence"].values)) == 6  # three systems of each case
    for numbers in (range(6), range(6, 20)):
        output = tmp_path / f"{numbers.start}.safetensors"
        infer_shard(made.job(**particles), numbers, **made.inputs(), output=output, states=tmp_path)
    shards = [tmp_path / "0.safetensors", tmp_path / "6.safetensors"]
    again = made.infer(tmp_path, shards=shards, **particles)
    assert whole["log_evidence"].equals(again["log_evidence"])
    judge_posterior(
        {"config": made.study.judge_posterior_slice("guided", 64, 0), "code": "code"},
        observation=made.path("sensors.nc"),
        draws=tmp_path / "draws.nc",
        reference=None,
        data=made.data,
        output=tmp_path / "rows.json",
    )
    told = json_files.read(tmp_path / "rows.json")["particles"]
    least = whole["effective_share"].values.min(1)
    assert [case["effective_share"] for case in told] == least.tolist()
    assert [case["collapsed"] for case in told] == (8 * least < 2).tolist()
    expected = whole["log_evidence"].values.mean(1)
    assert [case["log_evidence"] for case in told] == pytest.approx(expected.tolist())


def test_a_draw_depends_on_its_case_and_number_only(made, tmp_path):
    """More draws and other batches leave those that there were as they are; cases differ."""
    few, many = made.infer(tmp_path, draws=5, batch_size=2), None
    (tmp_path / "more").mkdir()
    many = made.infer(tmp_path / "more", draws=8, batch_size=8)
    np.testing.assert_allclose(few["draws"].values, many["draws"].values[:, :5], atol=1e-6)
    assert np.abs(many["draws"].values[0] - many["draws"].values[1]).max() > 0.1


@pytest.mark.parametrize("ranges", [[(0, 4)], [(0, 1), (2, 4)], [(0, 0), (1, 2), (3, 4)]])
def test_shards_make_the_same_file(made, tmp_path, ranges):
    """To the bit, whatever the draws of a shard; and its network evaluations are those of all."""
    made.infer(tmp_path, draws=5)
    shards = []
    for first, last in ranges:
        shards.append(tmp_path / f"{first}-{last}.shard.safetensors")
        numbers, output = range(first, last + 1), shards[-1]
        infer_shard(made.job(draws=5), numbers, **made.inputs(), output=output, states=tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    made.infer(again, shards=shards, draws=5)
    assert (again / "draws.nc").read_bytes() == (tmp_path / "draws.nc").read_bytes()
    costs = [json_files.read(folder / "draws.json") for folder in (tmp_path, again)]
    del costs[0]["seconds"], costs[1]["seconds"]
    assert costs[0] == costs[1]
    assert not list(tmp_path.glob("infer-*"))


def test_shards_that_do_not_make_up_the_draws_are_refused(made, tmp_path):
    shard = tmp_path / "0-2.shard.safetensors"
    infer_shard(made.job(draws=5), range(3), **made.inputs(), output=shard, states=tmp_path)
    with pytest.raises(StorageError, match="holds 6 samples, expected 10; delete it"):
        made.infer(tmp_path, shards=[shard], draws=5)


def test_an_interrupted_run_goes_on(made, tmp_path, monkeypatch):
    """What is drawn before is not drawn again, and the file is the same to the bit."""
    whole = made.infer(tmp_path, draws=5, batch_size=2)
    content = (tmp_path / "draws.nc").read_bytes()
    finite, calls = sampling.check_finite, []

    def stopped(fields, first, mask=None):
        calls.append(first)
        finite(fields, first, mask)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGTERM)

    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.setattr(sampling, "check_finite", stopped)
    with pytest.raises(Interrupted):
        made.infer(again, draws=5, batch_size=2)
    assert list(again.glob("infer-64*.safetensors"))
    assert not (again / "draws.nc").exists()
    resumed = made.infer(again, draws=5, batch_size=2)
    assert calls == [0, 2, 4, 5, 7, 9]
    np.testing.assert_array_equal(whole["draws"].values, resumed["draws"].values)
    assert (again / "draws.nc").read_bytes() == content
    assert not list(again.glob("infer-*"))


@pytest.mark.parametrize(
    ("start", "batches"),
    [
        (0, [(0, 2), (2, 4), (4, 5), (5, 7), (7, 9), (9, 10)]),
        (5, [(5, 7), (7, 9), (9, 10)]),
        (8, [(8, 10)]),
        (10, []),
    ],
)
def test_batches_are_of_one_case(start, batches):
    assert [(b.start, b.stop) for b in within_cases(start, 2, 5, 2)] == batches


def test_blocks_of_jobs_build_the_parts_that_were_named(made):
    """Slices hold all that decides, channels by number; equal slices for equal results."""
    block = made.study.observe_slice("sensors")
    assert parts.build("operator", block["operator"]).number == 6
    block = made.study.infer_slice("guided", 64, 0)
    assert block["guidance"] == {"kind": "wiener", "iterations": 1}
    assert block["finest"] == 64
    assert {"prior", "process", "network", "sampler", "operator", "basis"} <= block.keys()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_job_draws_on_as_many_threads_as_it_is_given(made, tmp_path, monkeypatch, threads):
    """Blocks of draws side by side, each on one; draws do not depend on it."""
    used, settings = set(), {"draws": 20, "batch_size": 20}
    estimate = GuidedDenoiser.estimate

    def seen(self, *arguments):
        used.add(threading.get_ident())
        assert torch.get_num_threads() == 1
        return estimate(self, *arguments)

    monkeypatch.setattr(GuidedDenoiser, "estimate", seen)
    drawn = [made.infer(tmp_path, **settings)["draws"].values]
    assert len(used) == 1
    used.clear()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        drawn.append(made.infer(tmp_path, **settings)["draws"].values)
    finally:
        torch.set_num_threads(before)
    assert (len(used) > 1) == (threads > 1)
    np.testing.assert_array_equal(*drawn)


def test_models_that_are_told_and_led_have_condition_and_data(monkeypatch):
    """The guided denoiser asks the network with the condition that the data mean."""
    basis = fs.FourierBasis(1)
    fields = fs.Bessel(power=1.5).sample(basis, 16, range(12), 0, channels=1).float()
    sensors = fs.RandomPoints(number=4, noise=0.2)
    network = fs.FNO(basis="fourier", width=4, modes=2, layers=1, projection=4)
    told = fs.KrigingCondition(operator=sensors)
    model = fs.Diffusion(network, basis=basis, noise=fs.Bessel(), condition=told)
    model.fit(fields, [fs.Level(resolution=16, epochs=1)])
    y = sensors.draw(fields[:1].double(), basis, 0, [0])
    conditions, estimate = [], GuidedDenoiser.estimate

    def seen(self, x, marginal, condition=None):
        conditions.append(condition)
        return estimate(self, x, marginal, condition)

    monkeypatch.setattr(GuidedDenoiser, "estimate", seen)
    blocks = {"operator": sensors, "sampler": fs.DPMSolver(steps=3), "guidance": WienerGuidance()}
    config = {name: parts.described(part) for name, part in blocks.items()}
    config |= {"resolution": 16, "seed": 0, "finest": 16}
    observed = SimpleNamespace(data=y)
    expected = model.fitted.condition(sensors, y[0], 16)
    for more in ({}, {"told": True}):
        conditions.clear()
        fields = drawing(model.fitted, observed, config | more)(0)(range(2)).fields
        assert fields.shape == (2, 1, 16)
        if more:
            assert all(torch.allclose(one[0], expected, atol=1e-5) for one in conditions)
        else:
            assert conditions == [None] * len(conditions)


def test_some_data_of_a_channel_are_of_that_channel():
    basis, random = CosineBasis(1), np.random.default_rng(0)
    dataset = labelled(random.standard_normal((3, 2, 8)), basis)
    dataset = dataset.assign_coords(sample=range(3), split=("sample", ["train", "train", "test"]))
    sensors = Channel(channel=1, observation=Points(points=((0.2,), (0.6,), (0.9,))))
    chosen = Some(observation=sensors, data=(2, 0))
    config = {"basis": described(basis), "operator": described(chosen), "cases": 1, "seed": 0}
    seen = observed(dataset, config)
    assert seen["datum_channel"].values.tolist() == [1, 1]
    np.testing.assert_allclose(seen["place"].values, [[0.9], [0.2]])
