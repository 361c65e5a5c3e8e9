"""Conditions in configurations: mistakes are named; experiments without stay as they are."""

import copy

import numpy as np
import pytest

from fsdiff import parts
from fsdiff.study import ConfigurationError, load

SENSORS = {"kind": "random_points", "number": 16, "noise": 0.05}
STUDY = {
    "datasets": {
        "waves": {
            "source": {
                "kind": "random_field",
                "resolution": 16,
                "channels": ["u", "v"],
                "length": 2.0,
            },
            "split": {"train": 20, "validation": 4, "test": 4},
            "resolutions": [8, 16],
        }
    },
    "experiments": {
        "amortised": {
            "dataset": "waves",
            "prior": {"kind": "bessel"},
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
            "condition": {"kind": "kriging", "operator": SENSORS, "fewest": 4},
            "levels": [{"resolution": 16, "epochs": 2}],
            "sampler": {"kind": "dpm_solver", "steps": 3},
            "samples": {"count": 2, "resolutions": [16]},
        },
        "surrogate": {
            "dataset": "waves",
            "method": {"kind": "gaussian"},
            "samples": {"count": 2, "resolutions": [16]},
        },
    },
    "observations": {
        "pressures": {
            "dataset": "waves",
            "operator": {"kind": "channel", "channel": "v", "observation": SENSORS},
        }
    },
    "posteriors": {
        "draws": {
            "experiment": "amortised",
            "observation": "pressures",
            "draws": 20,
            "resolutions": [16],
        }
    },
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}


def study(**changes):
    """The study with other settings of the condition; ``...`` takes one away."""
    raw = copy.deepcopy(STUDY)
    block = raw["experiments"]["amortised"]["condition"]
    block |= changes
    for name in [name for name, value in block.items() if value is ...]:
        del block[name]
    return raw


def problem(raw):
    with pytest.raises(ConfigurationError) as caught:
        load(raw)
    (found,) = caught.value.problems
    return found


def test_slices_have_the_condition_with_numbers_for_channels():
    raw = study(operator={"kind": "channel", "channel": "v", "observation": SENSORS})
    loaded = load(raw)
    for block in (loaded.train_slice("amortised", 16, 0), loaded.sample_slice("amortised", 16, 0)):
        condition = block["condition"]
        assert condition["operator"]["channel"] == 1
        built = parts.build("condition", condition)
        assert (built.fewest, built.drop, built.operator.observation.number) == (4, 0.1, 16)
        assert "fsdiff.inverse.conditions.kriging" in parts.modules(block)
        assert "fsdiff.inverse.observations.points" in parts.modules(block)


def test_experiments_without_a_condition_have_none_in_their_slices():
    raw = study()
    del raw["experiments"]["amortised"]["condition"], raw["posteriors"]
    loaded = load(raw)
    block = loaded.train_slice("amortised", 16, 0)
    assert "condition" not in block
    assert not any("inverse" in module for module in parts.modules(block))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fewest": 17}, ".fewest = 17: no more than 16 are observed"),
        ({"fewest": 0}, ".fewest = 0: expected an integer > 0"),
        ({"drop": 1.0}, ".drop = 1.0: expected a number >= 0 and < 1"),
        ({"operator": ...}, ".operator: missing; expected a block with kind:"),
        (
            {"kind": "regression"},
            ".kind = regression: random_points has other places for every field",
        ),
        (
            {"operator": {"kind": "points", "points": [[0.5, 3.0]]}},
            ".operator: points: x = 3 is outside of the box, whose axis x goes from 0 to 1",
        ),
        (
            {"operator": {"kind": "mapped", "map": {"kind": "darcy"}, "noise": 0.1}},
            ".operator: map of kind darcy is of one channel, and fields have 2: use kind: channel",
        ),
        (
            {"operator": {"kind": "channel", "channel": "w", "observation": SENSORS}},
            ".operator: channel = w: no such channel; known: u, v",
        ),
        (
            {
                "kind": "ucos",
                "fewest": 2,
                "operator": {"kind": "averages", "resolution": 4, "noise": 0.1},
            },
            ".fewest = 2: kind = ucos takes all data of one observation",
        ),
        (
            {
                "kind": "ucos",
                "fewest": ...,
                "operator": {"kind": "mapped", "map": {"kind": "darcy"}, "noise": 0.1},
            },
            ".operator: map of kind darcy is of one channel, and fields have 2: use kind: channel",
        ),
    ],
    ids=[
        "too_many",
        "none",
        "always",
        "missing",
        "random",
        "outside",
        "nonlinear",
        "channel",
        "part_of_combined",
        "combined_nonlinear",
    ],
)
def test_what_is_wrong_with_a_condition_is_named(changes, message):
    raw = study(**changes)
    del raw["posteriors"]
    assert problem(raw).startswith(f"experiments.amortised.condition{message}")


def test_states_combined_with_data_are_not_read_from_noise():
    raw = study(kind="ucos", fewest=...)
    raw["experiments"]["amortised"]["prediction"] = {"kind": "noise"}
    del raw["posteriors"]
    found = problem(raw)
    assert found.startswith("experiments.amortised.condition: noise is of the noise of states")


def test_told_models_may_be_led_besides():
    raw = study()
    draws = raw["posteriors"]["draws"]
    draws["told"] = True
    assert problem(raw).startswith("posteriors.draws.told = true: there is no guidance")
    draws["guidance"] = {"kind": "daps"}
    assert problem(raw).startswith("posteriors.draws.told = true: daps leads models")
    draws["guidance"] = {"kind": "wiener"}
    block = load(raw).infer_slice("draws", 16, 0)
    assert block["told"]
    assert block["condition"]["kind"] == "kriging"
    draws["told"] = False
    assert "told" not in load(raw).infer_slice("draws", 16, 0)
    draws["told"] = True
    del raw["experiments"]["amortised"]["condition"]
    assert problem(raw).startswith("posteriors.draws.told = true: there is no condition")


def test_transforms_forbid_kriging():
    raw = study()
    raw["datasets"]["waves"]["transforms"] = {"all": {"kind": "standardise"}}
    del raw["posteriors"]
    assert "models see transformed fields" in problem(raw)


def test_methods_without_conditions_refuse_them():
    raw = study()
    raw["experiments"]["surrogate"]["condition"] = raw["experiments"]["amortised"]["condition"]
    found = problem(raw)
    assert found.startswith("experiments.surrogate.condition")
    assert "experiments of method gaussian have no such block; leave it out" in found


def test_posteriors_of_conditional_experiments_need_no_guidance():
    """Those of kriging take other observations; of regression only that of training."""
    loaded = load(study())
    assert "guidance" not in loaded.infer_slice("draws", 16, 0)
    assert loaded.infer_slice("draws", 16, 0)["condition"]["kind"] == "kriging"
    fixed = {"kind": "averages", "resolution": 4, "noise": 0.1}
    raw = study(kind="regression", operator=fixed)
    found = problem(raw)
    assert found.startswith("posteriors.draws.observation")
    assert "given those of another" in found
    raw["observations"]["pressures"]["operator"] = fixed
    load(raw)


def test_places_of_sensors_must_fit_into_every_grid():
    """Of 16 × 16 nodes: the number of sensors and 127 places."""
    raw = study(kind="ucos", operator={"kind": "random_points", "number": 128, "noise": 0.1})
    del raw["posteriors"]
    found = problem(raw)
    assert found.startswith("experiments.amortised.levels[0].resolution = 16: kind = ucos: 128 sen")
    raw = study(kind="ucos", operator={"kind": "random_points", "number": 127, "noise": 0.1})
    raw["observations"]["pressures"]["operator"] = {"kind": "points", "points": [[0.5, 0.5]]}
    raw["observations"]["pressures"]["operator"]["noise"] = 0.1
    assert load(raw)
    raw["posteriors"]["draws"]["resolutions"] = [8]
    assert problem(raw).startswith("posteriors.draws.resolutions[0] = 8: kind = ucos: 127 sensors")


def test_places_of_sensors_must_fit_into_the_coarsest_grid_of_a_sampler():
    """Of 4 × 4 nodes: the number of sensors and 7 places."""
    sensors = {"kind": "random_points", "number": 8, "noise": 0.1}
    raw = study(kind="ucos", operator=sensors, fewest=2)
    raw["observations"]["pressures"]["operator"] = sensors
    load(raw)
    sampler = {"kind": "multilevel", "coarsest": 4}
    raw["posteriors"]["draws"]["sampler"] = sampler
    expected = "sampler.coarsest = 4: kind = ucos: 8 sensors, whose places do not fit into a grid"
    assert problem(raw).startswith(f"posteriors.draws.{expected}")
    del raw["posteriors"]
    raw["experiments"]["amortised"]["sampler"] = sampler
    assert problem(raw).startswith(f"experiments.amortised.{expected}")


@pytest.mark.parametrize("seed", range(4))
def test_sensors_elsewhere_are_not_combined_where_data_have_gaps(tmp_path, seed):
    """Whether or not one of the places of the seed is in a gap."""
    fields = np.random.default_rng(0).standard_normal((32, 1, 8, 8))
    fields[:, :, 2:4, 3:6] = np.nan
    np.save(tmp_path / "gaps.npy", fields)
    sensors = {"kind": "random_points", "number": 6, "noise": 0.1, "seed": seed}
    raw = study(kind="ucos", operator=sensors, fewest=2)
    del raw["posteriors"], raw["observations"]
    raw["datasets"]["waves"] |= {"resolutions": [8]}
    raw["datasets"]["waves"]["source"] = {
        "kind": "files",
        "path": str(tmp_path / "gaps.npy"),
        "dimensions": ["sample", "channel", "y", "x"],
        "basis": {"kind": "cosine"},
        "gaps": "mask",
    }
    for experiment in raw["experiments"].values():
        experiment["samples"]["resolutions"] = [8]
    raw["experiments"]["amortised"]["levels"][0]["resolution"] = 8
    found = problem(raw)
    assert found.startswith("experiments.amortised.condition.fewest = 2: kind = ucos has sensors")
    condition = raw["experiments"]["amortised"]["condition"]
    del condition["fewest"]
    load(raw)
    condition |= {"kind": "kriging", "fewest": 2}
    load(raw)
