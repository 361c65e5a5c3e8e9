"""Combinations that make no sense are refused when a study is read, with the reason."""

import copy

import pytest

from fsdiff.study import ConfigurationError, load
from fsdiff.study.strict_yaml import parse

STUDY = parse(
    """
datasets:
  patterns:
    source: {kind: reaction_diffusion, resolution: 128}
    split: {train: 8, validation: 2, test: 4}
    resolutions: [32, 128]
experiments:
  one:
    dataset: patterns
    prior: {kind: bessel}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, modes: 12}
    levels: [{resolution: 32, epochs: 1}]
    sampler: {kind: ddim}
    samples: {count: 2, resolutions: [32, 128]}
evaluation:
  metrics:
    one_point: {kind: one_point}
"""
)


def study(**blocks):
    """The study with other blocks in its experiment."""
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["one"] |= blocks
    return raw


BLUR = {"kind": "heat_dissipation"}
HEAT = {"kind": "stochastic_heat"}
FEW_LEVELS = {"kind": "annealed_langevin", "steps": 20}

WRONG = {
    "noise that does not fall": (
        {"process": BLUR, "sampler": {"kind": "annealed_langevin"}},
        "one.sampler: annealed_langevin follows noise that falls level by level, and that of "
        "heat_dissipation is the same at all times: use ddim or dpm_solver",
    ),
    "the same in a nested block": (
        {"process": BLUR, "sampler": {"kind": "multilevel", "sampler": FEW_LEVELS}},
        "one.sampler: annealed_langevin follows noise that falls",
    ),
    "noise that tells nothing": (
        {"process": BLUR, "prediction": {"kind": "score"}},
        "one.prediction: score cannot be turned into data where the noise is the same",
    ),
    "times of another process": (
        {"process": BLUR, "time_sampling": {"kind": "log_snr", "mean": -1.0}},
        "one.time_sampling.mean = -1: heat_dissipation runs from 4.16 down to 0.288",
    ),
    "unstable steps": (
        {"process": HEAT, "sampler": {"kind": "euler_maruyama"}},
        "one.samples.resolutions[1] = 128: explicit steps of euler_maruyama are unstable for "
        "stochastic_heat on 128 nodes",
    ),
    "levels too far apart": (
        {"sampler": FEW_LEVELS},
        "one.samples.resolutions[0] = 32: noise falls by up to 0.5 ",
    ),
    "a coarse grid that the network does not resolve": (
        {"sampler": {"kind": "multilevel", "coarsest": 16}},
        "one.sampler.coarsest = 16: the coarsest grid of the sampler, 16 nodes, resolves 8 fourier "
        "modes and the network has 12",
    ),
    "grids within grids": (
        {"sampler": {"kind": "multilevel", "sampler": {"kind": "multilevel"}}},
        'one.sampler.sampler.kind = "multilevel": unknown; known: annealed_langevin, ddim, '
        "dpm_solver, euler_maruyama, heun, predictor_corrector",
    ),
    "grids that must be known beforehand": (
        {"sampler": {"kind": "multilevel", "sampler": {"kind": "adaptive_heun"}}},
        'one.sampler.sampler.kind = "adaptive_heun": unknown; known: ',
    ),
    "a nested key": (
        {"sampler": {"kind": "predictor_corrector", "sampler": {"kind": "ddim", "stps": 3}}},
        "one.sampler.sampler.stps = 3: unknown key; allowed: kind, steps, spacing, eta (did you",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_nonsense_is_refused(name):
    blocks, message = WRONG[name]
    with pytest.raises(ConfigurationError) as caught:
        load(study(**blocks))
    assert caught.value.problems[0].startswith(f"experiments.{message}")


@pytest.mark.parametrize(
    "blocks",
    [
        {"sampler": {"kind": "multilevel", "sampler": {"kind": "predictor_corrector"}}},
        {"process": BLUR, "prediction": {"kind": "preconditioned"}},
        {"process": HEAT, "prediction": {"kind": "velocity"}, "sampler": {"kind": "heun"}},
    ],
)
def test_what_makes_sense_is_not(blocks):
    experiment = load(study(**blocks)).experiments["one"]
    for name, block in blocks.items():
        assert getattr(experiment, name).plain().items() >= {"kind": block["kind"]}.items()
