"""Analyses whose parts do not suit each other: refused by name before any job starts."""

import numpy as np
import pytest

from fsdiff.parts import build
from fsdiff.study import ConfigurationError, load

BESSEL = {"kind": "bessel", "power": 1.0}
PAIR = {"kind": "points", "points": [[1.0, 0.0], [-1.0, 0.0]]}
FUNCTIONS = {"kind": "functions", "functions": [[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]}
GRAM = {"kind": "gram", "points": [0.1, 0.5, 0.9], "covariance": {"kind": "exponential"}}
HEAT = {"kind": "heat_dissipation"}
SMALL = {"kind": "fno", "width": 4, "modes": 3, "layers": 1, "projection": 4}
DDIM = {"kind": "ddim"}
LANGEVIN = {"kind": "annealed_langevin"}
PUBLISHED = {"kind": "annealed_langevin_published"}


def sampling(**settings):
    block = {"kind": "gaussian_sampling", "covariance": BESSEL, "sampler": DDIM, "values": [5]}
    return {**block, "resolution": 8, **settings}


def score(**settings):
    block = {"kind": "score_error", "network": SMALL, "data_resolution": 16}
    return {**block, "training_resolution": 8, "resolutions": [8], **settings}


def expectation(**settings):
    source = {"kind": "quadratic", "resolution": 10}
    network = {**SMALL, "dimension": 1}
    return {"kind": "expectation_error", "network": network, "source": source, **settings}


def calibration(**settings):
    source = {"kind": "quadratic", "resolution": 10}
    return {"kind": "two_sample_calibration", "source": source, "permutations": 19, **settings}


def of_points(kind, **settings):
    return {"kind": kind, "law": PAIR, **settings}


REFUSED = {
    "sampler of another process": (
        sampling(sampler=PUBLISHED),
        "sampler: annealed_langevin_published has levels of noise on data that stay as they are",
    ),
    "sampler of another process, of points": (
        of_points("absorption", sampler=PUBLISHED),
        "sampler: annealed_langevin_published has levels of noise on data that stay as they are",
    ),
    "one of several samplers": (
        of_points("manifold_sampling", samplers=[DDIM, LANGEVIN], process=HEAT),
        "samplers[1]: annealed_langevin follows noise that falls level by level",
    ),
    "sampler of noise that falls": (
        sampling(sampler=LANGEVIN, process=HEAT),
        "sampler: annealed_langevin follows noise that falls level by level",
    ),
    "prediction of noise that fades": (
        expectation(process=HEAT, prediction={"kind": "noise"}),
        "prediction: noise cannot be turned into data where the noise is the same at all times",
    ),
    "default prediction": (
        score(process=HEAT),
        "prediction = null: score cannot be turned into data where the noise is the same",
    ),
    "errors without weight": (
        score(process=HEAT, prediction={"kind": "wiener"}),
        "process: the noise of heat_dissipation is the same at all times; use a process whose",
    ),
    "setting of another sampler": (
        sampling(setting="tolerance", values=[0.1]),
        'setting = "tolerance": ddim has no setting tolerance; use setting: steps',
    ),
    "setting of a sampler inside": (
        sampling(
            sampler={"kind": "predictor_corrector", "sampler": DDIM},
            setting="tolerance",
            values=[0.1],
        ),
        'setting = "tolerance": ddim has no setting tolerance; use setting: steps',
    ),
    "default setting": (
        sampling(sampler={"kind": "adaptive_heun"}),
        "setting = null: adaptive_heun has no setting steps; use setting: tolerance",
    ),
    "part of a step": (
        sampling(values=[5, 0.4]),
        "values[1] = 0.4: expected a whole number of steps",
    ),
    "too few steps": (
        sampling(values=[1]),
        "values[0] = 1: a value of the sampler's setting: steps = 1: expected an integer >= 2",
    ),
    "tolerance out of range": (
        sampling(sampler={"kind": "adaptive_heun"}, setting="tolerance", values=[2.0]),
        "values[0] = 2.0: a value of the sampler's setting: tolerance = 2.0: expected a number",
    ),
    "covariance of channels": (
        sampling(covariance={"kind": "by_channel", "priors": [BESSEL, BESSEL]}),
        "covariance: fields of an analysis have one channel; give the part of that channel",
    ),
    "basis of channels": (
        sampling(basis={"kind": "by_channel", "bases": [{"kind": "sine", "dimension": 1}]}),
        "basis: fields of an analysis have one channel; give the part of that channel",
    ),
    "level that a basis has not": (
        sampling(basis=GRAM, covariance={"kind": "rbf"}, prior={"kind": "rbf"}),
        "resolution = 8: these functions live on 3 points, not on 8",
    ),
    "noise of no functions": (
        sampling(prior={"kind": "bessel", "power": 0.2}),
        "prior: power = 0.2: not trace class in 1-D",
    ),
    "time beyond the end": (
        {"kind": "score_lipschitz", "covariance": BESSEL, "times": [0.1, 5.0]},
        "times[1] = 5.0: 5 is beyond the end of the process; use times <= 1",
    ),
    "no convolution": (
        score(prior={"kind": "rbf"}),
        "prior: the data are made with the symbol of a convolution; use combined, fno",
    ),
    "functions of one variable": (
        score(basis={"kind": "fourier", "dimension": 1}),
        "basis: the data are functions on a square: use one of dimension: 2",
    ),
    "modes beyond the training grid": (
        score(network={**SMALL, "modes": 5}, resolutions=[16]),
        "training_resolution = 8: the network's grid, 8 nodes, resolves 4 fourier modes",
    ),
    "training on finer grids than the data's": (
        score(training_resolution=32),
        "training_resolution = 32: the data are coarser; use training_resolution <= 16",
    ),
    "blocks that do not tile": (
        score(training_resolution=12, downsampling={"kind": "average"}),
        "downsampling: from data_resolution to training_resolution: averaging needs whole blocks",
    ),
    "downsampling of two channels": (
        score(downsampling={"kind": "circle"}),
        "downsampling: from data_resolution to training_resolution: the circle is one of two",
    ),
    "modes beyond one of the grids": (
        {
            "kind": "noise_regularity",
            "network": {**SMALL, "modes": 6},
            "covariance": BESSEL,
            "resolutions": [16, 8],
        },
        "resolutions[1] = 8: the network's grid, 8 nodes, resolves 4 fourier modes",
    ),
    "network of the plane for curves": (
        expectation(network=SMALL),
        "network.dimension = null: the fields are 1-D; use dimension: 1",
    ),
    "network of space for curves": (
        expectation(network={**SMALL, "dimension": 3}),
        "network.dimension = 3: the data's dimension is 1; use dimension: 1",
    ),
    "network of the plane for points": (
        of_points("parameterisation", network={"kind": "unet", "width": 4}),
        "network.dimension = null: the fields are 1-D; use dimension: 1",
    ),
    "curves whose law is not known": (
        expectation(source={"kind": "quadratic", "resolution": 3, "basis": GRAM}),
        "source.basis: constants are no function of a gram basis: use a cosine basis",
    ),
    "point of another dimension, singularity": (
        of_points("singularity", point=[1.0]),
        "point = [1.0]: it has 1 coordinates and points of the law have 2: give as many",
    ),
    "point of another dimension, blur": (
        of_points("blur", point=[1.0, 0.0, 0.0]),
        "point = [1.0, 0.0, 0.0]: it has 3 coordinates and points of the law have 2",
    ),
    "point of another dimension, drift": (
        of_points("step_drift", point=[1.0]),
        "point = [1.0]: it has 1 coordinates and points of the law have 2: give as many",
    ),
    "point of another dimension, parameterisation": (
        of_points("parameterisation", network={"kind": "mlp"}, point=[1.0]),
        "point = [1.0]: it has 1 coordinates and points of the law have 2: give as many",
    ),
    "default point in space": (
        {"kind": "blur", "law": {"kind": "sphere"}},
        "point = null: it has 2 coordinates and points of the law have 3: give as many",
    ),
    "functions where points are drawn": (
        {"kind": "discretisation", "law": FUNCTIONS},
        "law: discretisation draws points, not functions; use kind: points",
    ),
    "noise without a limit": (
        of_points("singularity", process=HEAT),
        "process: the noise of heat_dissipation is the same at all times; use a process whose",
    ),
    "no late steps": (
        of_points("step_drift", steps=3),
        "steps = 3: on a grid of times no step starts where r² <= 0.1; use more steps",
    ),
    "too few times for a slope": (
        of_points("singularity", times=2),
        "times = 2: expected an integer >= 3",
    ),
    "smallest time beyond the end": (
        of_points("absorption", smallest_times=[0.1, 20.0]),
        "smallest_times[1] = 20.0: smallest_time = 20 must be below the final time 10",
    ),
    "data that no grid resolves": (
        calibration(source={"kind": "burgers", "viscosity": 1e-9}),
        "source: viscosity = 1e-09: fronts would be too steep for any grid",
    ),
    "curves on other nodes": (
        calibration(against={"kind": "quadratic", "resolution": 20}),
        "against: its fields have shape (1, 20) (channels, then nodes) and those of source (1, 10)",
    ),
    "fields of another dimension": (
        calibration(against={"kind": "random_field", "resolution": 8}),
        "against: its fields have shape (1, 8, 8) (channels, then nodes) and those of source",
    ),
    "fields too large to imitate": (
        calibration(
            source={"kind": "random_field", "resolution": 64}, imitation={"kind": "stationary"}
        ),
        "imitation: fields have 4096 nodes: the most that is feasible for the covariance",
    ),
}


@pytest.mark.parametrize(("block", "expected"), REFUSED.values(), ids=REFUSED)
def test_parts_that_do_not_suit_each_other_are_refused(block, expected):
    with pytest.raises(ConfigurationError) as caught:
        load({"analyses": {"one": block}})
    (problem,) = caught.value.problems
    assert problem.startswith(f"analyses.one.{expected}")


KEPT = {
    "functions on points": sampling(
        basis=GRAM, covariance={"kind": "exponential"}, prior={"kind": "exponential"}, resolution=3
    ),
    "functions without a constant": sampling(basis={"kind": "sine", "dimension": 1}),
    "coarsest grid": sampling(resolution=3),
    "score on points": {
        "kind": "score_lipschitz",
        "basis": GRAM,
        "covariance": {"kind": "exponential"},
        "prior": {"kind": "exponential"},
        "resolutions": [3],
    },
    "modes that the grid just resolves": score(
        network={**SMALL, "modes": 4}, steps=1, batch_size=2, test_fields=2
    ),
    "fewest times": of_points("singularity", times=3, samples=5),
    "default samplers": of_points(
        "parameterisation", network={"kind": "mlp", "width": 4}, steps=1, samples=5
    ),
    "functions": {"kind": "singularity", "law": FUNCTIONS, "point": [1.0, 0.0, 0.5], "samples": 5},
}


@pytest.mark.parametrize("block", KEPT.values(), ids=KEPT)
def test_what_is_not_refused_runs_and_has_numbers(block):
    loaded = load({"analyses": {"one": block}})
    found = build("analysis", loaded.analyse_slice("one")["analysis"]).run()
    for name, values in found.data_vars.items():
        assert np.isfinite(values).all(), name
