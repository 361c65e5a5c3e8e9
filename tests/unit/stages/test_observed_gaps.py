"""Fields of the sea, in degrees and with land: where they are observed, and what becomes of it."""

import netCDF4
import numpy as np
import pytest
import torch

from fsdiff import study as config
from fsdiff.data import hierarchy, masking, storage
from fsdiff.inverse.observations.some import Some
from fsdiff.methods import models
from fsdiff.metrics.posterior.calibration import fair_score
from fsdiff.parts import build
from fsdiff.reports.posteriors.seen import seen
from fsdiff.stages.infer import infer
from fsdiff.stages.judge_posteriors import PosteriorJudge
from fsdiff.stages.measure import prepared
from fsdiff.stages.observe import observe
from fsdiff.stages.observed import Observed
from fsdiff.study import ConfigurationError

N, LAND = 12, (slice(2, 6), slice(5, 10))


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """Smooth fields on 12 × 12 nodes between 40° and 51° N, 0° and 22° E, and none on land."""
    path = tmp_path_factory.mktemp("sea") / "sea.nc"
    latitude, longitude = 40.0 + np.arange(N), 2.0 * np.arange(N)
    normals = np.random.default_rng(0).standard_normal((8, 3))
    x, y = np.meshgrid(longitude / 24, latitude / 12)
    waves = np.stack([np.cos(np.pi * x), np.cos(np.pi * y), np.cos(np.pi * (x + y))])
    fields = np.tensordot(normals, waves, 1)
    fields[:, *LAND] = np.nan
    with netCDF4.Dataset(path, "w") as file:
        for name, values in (
            ("sample", np.arange(8)),
            ("latitude", latitude),
            ("longitude", longitude),
        ):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        file["latitude"].units, file["longitude"].units = "degrees_north", "degrees_east"
        names = ("sample", "latitude", "longitude")
        file.createVariable("temperature", "f8", names, fill_value=1e20)[:] = np.ma.masked_invalid(
            fields
        )
    return path


def loaded(sea, **operator):
    return config.load(document(sea, **operator))


def document(sea, **operator):
    source = {"kind": "files", "path": str(sea), "gaps": "mask"}
    split = {"train": 3, "validation": 1, "test": 4}
    return {
        "datasets": {"sea": {"source": source, "split": split, "resolutions": [N]}},
        "experiments": {
            "surrogate": {
                "dataset": "sea",
                "method": {"kind": "gaussian"},
                "samples": {"count": 2, "resolutions": [N]},
            }
        },
        "evaluation": {
            "metrics": {"one_point": {"kind": "one_point"}},
            "posterior_metrics": {"crps": {"kind": "crps"}},
        },
        "observations": {"seen": {"dataset": "sea", "operator": {"noise": 0.1, **operator}}},
    }


def refusal(sea, **operator):
    with pytest.raises(ConfigurationError) as caught:
        loaded(sea, **operator)
    (found,) = caught.value.problems
    return found


def told(sea, condition, **operator):
    """A study of a model with a condition, and draws given what is observed."""
    study = document(sea, **operator)
    condition = {**condition, "operator": {"noise": 0.1, **condition["operator"]}}
    study["experiments"] = {
        "model": {
            "dataset": "sea",
            "prior": {"kind": "bessel"},
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
            "condition": condition,
            "levels": [{"resolution": N, "epochs": 1, "batch_size": 3}],
            "sampler": {"kind": "dpm_solver", "steps": 2},
            "samples": {"count": 2, "resolutions": [N]},
        }
    }
    drawn = {"experiment": "model", "observation": "seen", "draws": 20, "resolutions": [N]}
    wiener = {"guidance": {"kind": "wiener"}}
    study["posteriors"] = {"told": drawn, "led": {**drawn, **wiener}}
    return config.load(study)


def observe_data(study, folder):
    """The data set of a study and what is observed of it, in ``12.nc`` and ``seen.nc``."""
    dataset = study.datasets["sea"]
    made = storage.Provenance(study.simulate_slice("sea"), "code", 0)
    fields = dataset.source.part.generate(range(8), 0)
    storage.write(fields, folder / "shard.nc", title="shard", provenance=made)
    counts = dataset.split.plain()
    merged = hierarchy.merge([folder / "shard.nc"], split=counts, expected=made)
    merged = merged.merge(hierarchy.statistics(merged, dataset.basis), combine_attrs="override")
    merged = merged.assign(masking.restricted(merged, dataset.basis, N))
    storage.write(merged, folder / "12.nc", title="data", provenance=made)
    job = {"config": study.observe_slice("seen"), "code": "code"}
    observe(job, data=folder / "12.nc", output=folder / "seen.nc")


def test_methods_that_need_values_everywhere_are_refused(sea):
    study = document(sea, kind="points", points=[[41.0, 4.0]])
    study["experiments"]["surrogate"] |= {
        "method": {"kind": "gano", "modes": 2},
        "prior": {"kind": "bessel"},
        "network": {"kind": "fno", "modes": 2},
        "levels": [{"resolution": N, "epochs": 1}],
    }
    with pytest.raises(ConfigurationError, match="gano is for fields that have values at all node"):
        config.load(study)


def test_points_are_places_in_degrees(sea):
    points = [[41.0, 4.0], [50.5, 20.0]]
    study = loaded(sea, kind="points", measured="data", points=points)
    operator = build("operator", study.observe_slice("seen")["operator"])
    axes = study.datasets["sea"].basis.axes
    latitude, longitude = (axis.side / N * (np.arange(N) + 0.5) for axis in axes)
    expected = [[latitude[1], longitude[2]], [latitude[10] + axes[0].side / N / 2, longitude[10]]]
    np.testing.assert_allclose(operator.points, expected, rtol=1e-9)
    found = refusal(sea, kind="points", measured="data", points=[[52.0, 4.0]])
    assert found.startswith("observations.seen.operator: points: latitude = 52 is outside of the")


def test_nothing_is_seen_on_land(sea):
    found = refusal(sea, kind="points", measured="data", points=[[41.0, 4.0], [44.0, 14.0]])
    assert "is where the data have no values (gaps: mask): leave it out" in found
    found = refusal(sea, kind="averages", resolution=4)
    assert found.startswith("observations.seen.operator: averages looks at nodes without values")
    study = loaded(sea, kind="mask", resolution=N, share=1.0)
    operator = build("operator", study.observe_slice("seen")["operator"])
    land = np.zeros((N, N), bool)
    land[LAND] = True
    assert isinstance(operator, Some)
    assert operator.data == tuple(np.flatnonzero(~land.ravel()).tolist())


def test_residuals_of_fields_without_values_on_land_are_those_of_the_sea(sea, tmp_path):
    """What was seen is at nodes with values; what draws have elsewhere is of no account."""
    study = loaded(sea, kind="mask", resolution=N, share=0.5)
    dataset, block = study.datasets["sea"], study.observe_slice("seen")
    observe_data(study, tmp_path)
    observed = Observed.read(tmp_path / "seen.nc", dataset.basis)
    operator = build("operator", block["operator"])
    with storage.read(tmp_path / "12.nc") as data:
        truth = torch.from_numpy(data["field"].sel(sample=list(observed.samples)).values)
        mask = masking.mask_in(data)
        known = masking.known(data["field"], data).values[4]
    residuals = observed.residuals(mask.emptied(truth), 0, operator, dataset.basis, mask)
    stored = storage.read_results(tmp_path / "seen.nc")
    expected = (stored["exact"] - stored["data"]).values / 0.1
    np.testing.assert_allclose(residuals[0], expected[0], atol=1e-5)
    # Each is the value of the field at its node, in degrees; the picture is blank elsewhere.
    field, places = known[0], stored["place"].values
    rows, columns = np.rint(places[:, 0] - 40).astype(int), np.rint(places[:, 1] / 2).astype(int)
    np.testing.assert_allclose(stored["exact"].values[0], field[rows, columns], atol=1e-5)
    (image,) = seen(operator, dataset.basis, 1, stored["data"].values[0], N)[0]
    assert np.isfinite(image.values).sum() == len(places)
    assert not np.isfinite(image.values[np.isnan(field)]).any()


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ({"kind": "kriging", "operator": {"kind": "averages", "resolution": 4}}, "looks at nodes"),
        (
            {
                "kind": "kriging",
                "operator": {"kind": "points", "measured": "data", "points": [[44.0, 14.0]]},
            },
            "is where the data have no values",
        ),
        (
            {"kind": "regression", "operator": {"kind": "mask", "resolution": N, "share": 0.5}},
            "mask has other places for every field",
        ),
    ],
)
def test_conditions_on_land_are_refused(sea, condition, wrong):
    with pytest.raises(ConfigurationError) as caught:
        told(sea, condition, kind="mask", resolution=N, share=0.5)
    assert any("experiments.model.condition" in problem for problem in caught.value.problems)
    assert any(wrong in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("kind", "operator"),
    [
        ("kriging", {"kind": "random_points", "number": 20}),
        ("regression", {"kind": "grid_of_points", "shape": [4, 4]}),
        ("ucos", {"kind": "mask", "resolution": N, "share": 0.5}),
    ],
)
def test_models_with_conditions_are_trained_and_asked_at_sea(sea, tmp_path, kind, operator):
    """And draws led by the data besides know nothing of what a network says of land."""
    study = told(sea, {"kind": kind, "operator": operator}, **operator)
    observe_data(study, tmp_path)
    block = study.train_slice("model", N, 0)
    method, statistics, about = prepared(block, tmp_path / "12.nc")
    with storage.read(tmp_path / "12.nc") as data:
        fields = statistics.normalise(torch.from_numpy(data["field"].values[:3])).float()
    method.prepare(fields)
    assert method.loss(fields, torch.Generator().manual_seed(0)).isfinite().all()
    about |= {"parameters": 0, "training_seconds": 0.0}
    about |= storage.Provenance(block, "code", 0).attributes()
    paths = {"weights": tmp_path / "m.safetensors", "sidecar": tmp_path / "m.json"}
    models.save(method, statistics, about, **paths)
    found = {}
    for name in ("told", "led"):
        infer(
            {"config": study.infer_slice(name, N, 0), "code": "code"},
            weights=paths["weights"],
            observation=tmp_path / "seen.nc",
            output=tmp_path / f"{name}.nc",
            cost=tmp_path / f"{name}.json",
            states=tmp_path,
        )
        found[name] = storage.read_results(tmp_path / f"{name}.nc")
    land = np.zeros((N, N), bool)
    land[LAND] = True
    for draws in found.values():
        values = draws["draws"].values
        np.testing.assert_array_equal(np.isnan(values), np.broadcast_to(land, values.shape))
        assert np.isfinite(draws["residuals"].values).all()
    # An untrained network knows nothing; led by data of Gaussian fields draws come near to them.
    assert np.square(found["led"]["residuals"].values).mean() < 9


@pytest.mark.parametrize("coarse", [N, N // 2])
def test_posteriors_are_compared_at_sea(sea, tmp_path, coarse):
    """Scores are means over the sea, whatever draws and reference have on land."""
    study = loaded(sea, kind="mask", resolution=N, share=0.5)
    observe_data(study, tmp_path)
    basis = study.datasets["sea"].basis
    metrics = {"crps": {"kind": "crps"}, "moments": {"kind": "posterior_moments"}}
    config = {"posterior_metrics": metrics, "basis": study.observe_slice("seen")["basis"]}
    with storage.read(tmp_path / "12.nc") as data:
        observed = Observed.read(tmp_path / "seen.nc", basis)
        judge, mask = PosteriorJudge.of(config, data, observed), masking.mask_in(data)
    random = torch.Generator().manual_seed(0)
    shape = (len(observed.samples), 6, 1)
    draws = torch.randn((*shape, N, N), generator=random)
    reference = torch.randn((*shape, coarse, coarse), generator=random)
    at_sea, there = mask.at(N)[0], mask.at(coarse)[0]
    own, true = judge.normalise(draws).double(), judge.normalise(reference).double()
    row = judge.with_reference(reference)(draws, torch.zeros(*shape[:2], 3))
    scores = [fair_score(u, v)[0, at_sea].mean() for u, v in zip(own, judge.truth, strict=True)]
    assert row["crps"] == pytest.approx(float(torch.stack(scores).mean()), rel=1e-9)
    own, true = basis.restrict(own, coarse)[:, :, 0, there], true[:, :, 0, there]
    shift, spread = (own.mean(1) - true.mean(1)).norm(dim=1), true.std(1).norm(dim=1)
    assert row["posterior_mean"] == pytest.approx(float((shift / spread).mean()), rel=1e-6)
