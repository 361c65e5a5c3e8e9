"""One entry of a configuration that stands for several experiments."""

import pytest

from fsdiff.study import ConfigurationError, load, strict_yaml

STUDY = """
datasets:
  waves:
    source: {kind: reaction_diffusion, resolution: 32, time: 0.5}
    split: {train: 32, validation: 8, test: 16}
    resolutions: [16, 32]
defaults:
  process: {kind: vp}
  network: {kind: fno, width: 8, modes: 4, layers: 2}
  sampler: {kind: ddim, steps: 4}
  samples: {count: 8, resolutions: [16]}
  levels: [{resolution: 16, epochs: 3}]
experiments:
  waves:
    title: Waves
    dataset: waves
    vary:
      prediction:
        "0": {title: noise, prediction: {kind: noise}}
        "1": {prediction: {kind: wiener}}
      prior:
        rough: {title: Bessel, prior: {kind: bessel, power: 0.75}}
        white: {title: white, prior: {kind: standard}}
evaluation:
  metrics:
    one_point: {kind: one_point}
"""
RANKED = {
    "title": "T",
    "text": "",
    "combinations": [{"columns": ["one_point_w1"], "resolutions": [16]}],
}

OTHER = {"dataset": "waves", "prior": {"kind": "standard"}, "prediction": {"kind": "noise"}}


def loaded(*overlays, text: str = STUDY):
    return load(strict_yaml.parse(text), *overlays)


def test_there_is_an_experiment_for_each_combination():
    study = loaded()
    found = {
        name: (item.title, item.prediction.kind, item.prior.kind)
        for name, item in study.experiments.items()
    }
    assert found == {
        "waves_0_rough": ("Waves, noise, Bessel", "noise", "bessel"),
        "waves_0_white": ("Waves, noise, white", "noise", "standard"),
        "waves_1_rough": ("Waves, 1, Bessel", "wiener", "bessel"),
        "waves_1_white": ("Waves, 1, white", "wiener", "standard"),
    }
    assert study.variations["waves_1_rough"].choices == {"prediction": "1", "prior": "Bessel"}


def test_results_depend_on_what_is_chosen_alone():
    """The experiment is the one that could have been written out."""
    written = STUDY.partition("    vary:")[0] + (
        "    prior: {kind: bessel, power: 0.75}\n    prediction: {kind: wiener}\n"
        "evaluation: {metrics: {one_point: {kind: one_point}}}\n"
    )
    one, several = loaded(text=written), loaded()
    slices = (one.train_slice("waves", 16, 0), several.train_slice("waves_1_rough", 16, 0))
    assert slices[0] == slices[1]


def test_an_overlay_changes_or_removes_a_combination():
    overlay = {"experiments": {"waves_0_rough": {"title": "mine"}, "waves_1_white": None}}
    study = loaded(overlay)
    assert list(study.experiments) == ["waves_0_rough", "waves_0_white", "waves_1_rough"]
    assert study.experiments["waves_0_rough"].title == "mine"
    assert list(study.variations) == list(study.experiments)


def test_titles_that_are_null_are_names():
    untitled = {"title": None, "vary": {"prior": {"white": {"title": None}}}}
    study = loaded({"experiments": {"waves": untitled}})
    assert study.experiments["waves_0_white"].title == "waves, noise, white"


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [
        (
            {"experiments": {"waves": {"vary": {"other": {"x": {"prior": {"kind": "rbf"}}}}}}},
            "experiments.waves.vary.other.x.prior: prior chooses this, too; let one of them do so",
        ),
        (
            {"experiments": {"waves": {"vary": {"prior": {"x": {"prior": {"kind": "rfb"}}}}}}},
            "experiments.waves_0_x.prior.kind = ",
        ),
        (
            {"experiments": {"waves_0": {"vary": {"prior": {"rough": {"seeds": [1]}}}}}},
            "experiments.waves_0: there is a waves_0_rough already",
        ),
        (
            {"defaults": {"vary": {}}},
            "defaults.vary: say it in each experiment that stands for several",
        ),
        (
            {
                "experiments": {
                    "waves": {
                        "vary": {"seed": {f"s{seed}": {"seeds": [seed]} for seed in range(501)}}
                    }
                }
            },
            "experiments.waves.vary: 2004 experiments; give fewer choices, 2000 combine at most",
        ),
        (
            {"page": RANKED, "experiments": {"waves": None, "other": OTHER}},
            "page.combinations[0]: no experiment varies anything: say vary in one",
        ),
        (
            {"experiments": {"waves": {"vary": {"resolution": {"x": {"seeds": [1]}}}}}},
            "experiments.waves.vary.resolution: rankings have a column of this name",
        ),
        (
            {
                "page": RANKED,
                "experiments": {"waves": {"vary": {"prior": {"white": {"title": "Bessel"}}}}},
            },
            "page.combinations[0]: 2 experiments are called 'Waves, noise, Bessel': give entries",
        ),
        (
            {"experiments": {"waves": {"title": ["Waves"]}}},
            'experiments.waves.title = ["Waves"]: expected text',
        ),
        (
            {"experiments": {"waves": {"vary": {"prior": {"white": {"title": 1.5}}}}}},
            "experiments.waves.vary.prior.white.title = 1.5: expected text",
        ),
        (
            {"page": {**RANKED, "combinations": [{"columns": ["vendi"], "resolutions": [16]}]}},
            "page.combinations[0].columns[0] = ",
        ),
    ],
)
def test_mistakes_are_named(overlay, problem):
    with pytest.raises(ConfigurationError) as caught:
        loaded(overlay)
    assert problem in str(caught.value)
