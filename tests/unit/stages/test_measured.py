"""Measurements in the place of simulated data: blocks, files, numbers and pages without truth."""

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff import study as config
from fsdiff.data import json_files, storage
from fsdiff.data.hierarchy import statistics
from fsdiff.parts import build
from fsdiff.spaces.bases import FourierBasis
from fsdiff.stages.judge_posteriors import judge_baselines, judge_posterior
from fsdiff.stages.observe import observe
from fsdiff.stages.observed import Observed, labelled
from fsdiff.stages.posterior_pages import Files, Inverse, draw_posteriors
from fsdiff.study import ConfigurationError

POINTS = "x, value\n0.5, 1.0\n1.5, -0.5\n"
"""On an interval whose side is 2, and 1 in coordinates of the box."""
METRICS = {"misfit": {"kind": "misfit"}, "crps": {"kind": "crps"}, "ranks": {"kind": "truth_error"}}


def study(tmp_path, text=POINTS, **observation):
    path = tmp_path / "given.csv"
    path.write_text(text, encoding="utf-8")
    block = {
        "dataset": "waves",
        "data": str(path),
        "operator": {"kind": "points", "noise": 0.1},
        **observation,
    }
    source = {
        "kind": "random_field",
        "resolution": 16,
        "basis": {"kind": "fourier", "dimension": 1},
        "length": 2.0,
    }
    split = {"train": 40, "validation": 2, "test": 4}
    samples = {"count": 2, "resolutions": [16]}
    surrogate = {"dataset": "waves", "method": {"kind": "gaussian"}, "samples": samples}
    return config.load(
        {
            "datasets": {"waves": {"source": source, "split": split, "resolutions": [16]}},
            "experiments": {"surrogate": surrogate},
            "observations": {"seen": block},
            "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
        }
    )


def refusal(tmp_path, text=POINTS, **observation):
    with pytest.raises(ConfigurationError) as caught:
        study(tmp_path, text, **observation)
    (found,) = caught.value.problems
    return found


def test_places_are_those_of_the_file(tmp_path):
    loaded = study(tmp_path)
    slice_ = loaded.observe_slice("seen")
    assert "cases" not in slice_
    operator = build("operator", slice_["operator"])
    assert operator.points == ((0.25,), (0.75,))
    inner = {"kind": "points", "noise": 0.1}
    channel = study(tmp_path, operator={"kind": "channel", "channel": 0, "observation": inner})
    assert build("operator", channel.observe_slice("seen")["operator"]).observation == operator
    again = study(tmp_path, POINTS.replace("1.0", "2.0")).observe_slice("seen")
    assert again["content"] != slice_["content"]


def test_what_does_not_fit_is_refused(tmp_path):
    at = "observations.seen"
    assert refusal(tmp_path, cases=2).startswith(f"{at}.cases")
    assert refusal(tmp_path, "value\n1\n").startswith(f"{at}.operator: points: give some, or")
    averages = {"kind": "averages", "resolution": 4, "noise": 0.1}
    found = refusal(tmp_path, "value\n1\n2\n", operator=averages)
    assert found.startswith(f"{at}.data")
    assert "has 2 data a case, and averages observes 4" in found
    assert "has places, and so has the operator" in refusal(tmp_path, operator=averages)
    found = refusal(tmp_path, POINTS.replace("1.5", "north"))
    assert found.startswith(f"{at}.data")
    assert "not all of column x are numbers" in found
    simulated = {"data": None, "operator": {"kind": "points", "noise": 0.1}}
    assert "points: there are none: give some" in refusal(tmp_path, **simulated)


@pytest.fixture
def files(tmp_path):
    """A data set, its measurements, and draws that are right at one of two points."""
    loaded = study(tmp_path)
    dataset, made = loaded.datasets["waves"], storage.Provenance({}, "code", 0)
    data = dataset.source.part.generate(range(46), 0)
    split = ["train"] * 40 + ["validation"] * 2 + ["test"] * 4
    data = data.assign_coords(split=("sample", split))
    data = data.merge(statistics(data, dataset.basis), compat="override", combine_attrs="override")
    storage.write(data, tmp_path / "data.nc", title="data", provenance=made)
    block = loaded.observe_slice("seen")
    job = {"config": block, "code": "code"}
    observe(job, data=tmp_path / "data.nc", output=tmp_path / "observation.nc")
    return loaded, block, made


def test_without_a_truth_only_what_needs_none_is_judged(files, tmp_path):
    _, block, made = files
    observed = Observed.read(tmp_path / "observation.nc", FourierBasis(1))
    assert not observed.truths
    assert observed.data.tolist() == [[1.0, -0.5]]
    stored = storage.read_results(tmp_path / "observation.nc")
    np.testing.assert_allclose(stored["place"].values, [[0.5], [1.5]])
    basis, operator = FourierBasis(1), build("operator", block["operator"])
    with storage.read(tmp_path / "data.nc") as data:
        fields = data["field"].values[:30].astype(np.float32)
    draws = torch.from_numpy(fields)[None]
    residuals = torch.stack([observed.residuals(draws[0], 0, operator, basis)])
    values = fields[:, 0, [4, 12]]
    np.testing.assert_allclose(residuals[0], (values - [1.0, -0.5]) / 0.1, rtol=1e-4, atol=1e-4)
    file = labelled(draws, residuals, observed, basis)
    storage.write(file, tmp_path / "draws.nc", title="draws", provenance=made)
    judged = {
        "basis": block["basis"],
        "operator": block["operator"],
        "posterior_metrics": METRICS,
        "resolution": 16,
    }
    given = {"observation": tmp_path / "observation.nc", "reference": None}
    output = tmp_path / "judged.json"
    judge_posterior(
        {"config": judged, "code": "code"},
        draws=tmp_path / "draws.nc",
        data=tmp_path / "data.nc",
        output=output,
        **given,
    )
    (row,) = json_files.read(output)["rows"]
    assert row.keys() == {"row", "misfit"}
    judge_baselines(
        {"config": judged | {"draws": 50, "seed": 0}, "code": "code"},
        data=tmp_path / "data.nc",
        output=output,
        **given,
    )
    rows = {row["row"]: row for row in json_files.read(output)["rows"]}
    assert rows["kriging"]["misfit"] < 4 < rows["prior"]["misfit"]
    assert "crps" not in rows["kriging"]
    assert json_files.read(output)["by_case"]["kriging"] == [{}]


def test_pages_have_the_mean_in_the_place_of_the_truth(files, tmp_path):
    _, block, made = files
    basis, operator = FourierBasis(1), build("operator", block["operator"])
    observed = Observed.read(tmp_path / "observation.nc", basis)
    with storage.read(tmp_path / "data.nc") as data:
        draws = torch.from_numpy(data["field"].values[:30].astype(np.float32))[None]
    residuals = torch.stack([observed.residuals(draws[0], 0, operator, basis)])
    file = labelled(draws, residuals, observed, basis)
    storage.write(file, tmp_path / "draws.nc", title="draws", provenance=made)
    shown = {
        "basis": block["basis"],
        "operator": block["operator"],
        "resolution": 16,
        "title": "buoys",
        "posteriors": [{"name": "led", "place": 0, "title": "led by buoys"}],
    }
    inputs = Files(
        observation=tmp_path / "observation.nc",
        posteriors=[tmp_path / "draws.nc"],
        references=[],
        data=[tmp_path / "data.nc"],
    )
    problem = Inverse.read(shown, inputs)
    scene = problem.scene(0)
    assert scene.called == "mean of led by buoys"
    assert scene.title == "buoys: case 0"
    np.testing.assert_allclose(scene.truth.values, draws[0].double().mean(0), atol=1e-6)
    names = {"fields": "f.png", "coverage": "c.svg", "calibrated": "c.json"}
    outputs = {key: tmp_path / name for key, name in names.items()}
    draw_posteriors({"config": shown, "code": "code"}, inputs, **outputs)
    assert json_files.read(tmp_path / "c.json")["rows"] == [{"posterior": "led", "draws": 30}]
    assert "no truth is known" in (tmp_path / "c.svg").read_text()


def test_files_that_change_in_a_study_are_refused(files, tmp_path):
    _, block, _ = files
    (tmp_path / "given.csv").write_text(POINTS.replace("1.0", "3.0"), encoding="utf-8")
    with pytest.raises(storage.StorageError, match=r"given\.csv has changed since the study began"):
        observe(
            {"config": block, "code": "code"},
            data=tmp_path / "data.nc",
            output=tmp_path / "again.nc",
        )


def test_what_one_study_observed_may_be_given_to_another(files, tmp_path):
    """A file of observations is one of measurements."""
    with xr.open_dataset(tmp_path / "observation.nc") as file:
        path = tmp_path / "other.nc"
        file[["data", "place"]].to_netcdf(path)
    loaded = study(tmp_path, data=str(path))
    assert build("operator", loaded.observe_slice("seen")["operator"]).points == ((0.25,), (0.75,))
