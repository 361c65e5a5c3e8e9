"""Curves at arbitrary points in configurations: there is one grid, and no series of cosines."""

import copy

import pytest

from fsdiff.study import ConfigurationError, load

KERNEL = {"kind": "rbf", "length": 0.3}
POINTS = [0.0, 0.05, 0.15, 0.2, 0.4, 0.55, 0.6, 0.8, 0.9, 1.0]
SENSORS = {"kind": "random_points", "number": 2, "noise": 0.1}
STUDY = {
    "datasets": {
        "curves": {
            "source": {
                "kind": "random_field",
                "resolution": 10,
                "basis": {"kind": "gram", "points": POINTS, "covariance": KERNEL},
            },
            "split": {"train": 20, "validation": 4, "test": 8},
            "resolutions": [10],
        }
    },
    "experiments": {
        "told": {
            "dataset": "curves",
            "prior": KERNEL,
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
            "condition": {"kind": "kriging", "operator": SENSORS},
            "levels": [{"resolution": 10, "epochs": 1}],
            "sampler": {"kind": "dpm_solver", "steps": 3},
            "samples": {"count": 2, "resolutions": [10]},
        },
        "surrogate": {
            "dataset": "curves",
            "method": {"kind": "gaussian"},
            "samples": {"count": 2, "resolutions": [10]},
        },
    },
    "observations": {"sensors": {"dataset": "curves", "operator": SENSORS}},
    "posteriors": {
        "draws": {
            "experiment": "told",
            "observation": "sensors",
            "draws": 20,
            "resolutions": [10],
        }
    },
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}

OTHER = "these functions live on 10 points, not on"
SEEN = "functions on arbitrary points are observed at points or by their modes: use kind: points, "
AVERAGES = {"kind": "averages", "resolution": 10, "noise": 0.1}
COARSE = {"kind": "multilevel", "coarsest": 5}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            "experiments.surrogate.samples.resolutions",
            [10, 20],
            f"experiments.surrogate.samples.resolutions[1] = 20: {OTHER} 20: use 10",
        ),
        (
            "datasets.curves.resolutions",
            [5, 10],
            f"datasets.curves.resolutions[0] = 5: {OTHER} 5: use 10",
        ),
        (
            "experiments.told.samples.resolutions",
            [5],
            f"experiments.told.samples.resolutions[0] = 5: {OTHER} 5: use 10",
        ),
        (
            "experiments.told.sampler",
            COARSE,
            f"experiments.told.sampler.coarsest = 5: {OTHER} 5: use 10",
        ),
        (
            "posteriors.draws.sampler",
            COARSE,
            f"posteriors.draws.sampler.coarsest = 5: {OTHER} 5: use 10",
        ),
        (
            "experiments.told.condition",
            {"kind": "kriging", "operator": SENSORS, "resolution": 5},
            f"experiments.told.condition.resolution = 5: {OTHER} 5: use 10",
        ),
        (
            "experiments.told.condition.operator",
            AVERAGES,
            f"experiments.told.condition.operator: {SEEN}",
        ),
        (
            "experiments.told.condition.operator",
            {**AVERAGES, "kind": "low_pass"},
            f"experiments.told.condition.operator: {SEEN}",
        ),
        ("observations.sensors.operator", AVERAGES, f"observations.sensors.operator: {SEEN}"),
        (
            "observations.sensors.operator",
            {"kind": "mask", "resolution": 5, "share": 0.5},
            f"observations.sensors.operator: {OTHER} 5: use 10",
        ),
        (
            "posteriors.draws.resolutions",
            [20],
            "posteriors.draws.resolutions[0] = 20: no data to compare with; datasets.curves has 10",
        ),
    ],
)
def test_what_arbitrary_points_have_not_is_refused_by_name(path, value, problem):
    study = copy.deepcopy(STUDY)
    load(study)
    *above, last = path.split(".")
    block = study
    for key in above:
        block = block[key]
    block[last] = value
    with pytest.raises(ConfigurationError) as caught:
        load(study)
    assert any(found.startswith(problem) for found in caught.value.problems), caught.value.problems


def test_modes_of_curves_at_arbitrary_points_may_lead_models_and_be_told_them():
    study, modes = copy.deepcopy(STUDY), {"kind": "modes", "highest": 2, "noise": 0.1}
    study["observations"]["sensors"]["operator"] = modes
    study["experiments"]["told"]["condition"]["operator"] = modes
    study["posteriors"]["draws"]["guidance"] = {"kind": "wiener"}
    load(study)
