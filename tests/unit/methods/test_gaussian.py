"""The Gaussian surrogate as a method: the law of its fields, its files, its configuration."""

import copy

import numpy as np
import pytest
import torch

from fsdiff import study
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers import DDIM
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.methods import models
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.study import ConfigurationError

N = 8
RECTANGLE = {
    "kind": "box",
    "axes": [
        {"kind": "periodic", "name": "y", "nodes": 4, "side": 0.5},
        {"kind": "neumann", "name": "x", "nodes": N},
    ],
}
BASIS = Box(axes=tuple(Axis(**axis) for axis in RECTANGLE["axes"]))
CONFIG = {"basis": RECTANGLE, "method": {"kind": "gaussian"}}


@pytest.fixture
def statistics():
    random = torch.Generator().manual_seed(0)
    fields = torch.randn(50, 2, *BASIS.grid(N), generator=random, dtype=torch.float64).cumsum(-1)
    return Statistics.measure(fields * torch.tensor([2.0, 0.1])[:, None, None] + 3, BASIS)


def test_fields_have_the_spectrum_of_the_data(statistics):
    method = models.make_method(CONFIG, statistics, seed=0)
    fields = method.sample(N, range(4000), 1).fields.double()
    energy = BASIS.forward(fields).abs().square().mean(0)
    expected = statistics.spectrum * BASIS.resolved(N)
    known = expected > 1e-9
    np.testing.assert_allclose(energy[known], expected[known], rtol=0.15)
    assert float(energy[~known].max()) < 1e-8


def test_samples_are_the_same_functions_at_every_level_and_depend_on_seed_and_index(statistics):
    method = models.make_method(CONFIG, statistics, seed=0)
    fine = method.sample(2 * N, [0, 5], 3).fields
    coarse = method.sample(N, [5], 3).fields
    torch.testing.assert_close(BASIS.restrict(fine[1:], N), coarse, rtol=0, atol=1e-5)
    assert not method.sample(N, [5], 4).fields.allclose(coarse)


def test_it_is_the_surrogate_that_data_are_compared_with(statistics):
    method = models.make_method(CONFIG, statistics, seed=0)
    reference = gaussian_fields(statistics.measured(BASIS), N, range(3), seed=0)
    assert method.sample(N, range(3), 0).fields.equal(reference)


def test_no_network_is_evaluated_and_none_is_trained(statistics):
    method = models.make_method(CONFIG, statistics, seed=0)
    samples = method.sample(N, [0], 0)
    assert samples.cost(BASIS) == {
        "network_evaluations": 0,
        "fine_evaluations": 0,
        "evaluations": {},
    }
    assert not method.trains()
    assert not list(method.network.parameters())
    with pytest.raises(NotImplementedError, match="measured, not trained"):
        method.loss(samples.fields, torch.Generator())
    with pytest.raises(ValueError, match="without a sampler"):
        method.sample(N, [0], 0, sampler=DDIM())


def test_a_round_trip_through_files_gives_the_same_fields_in_physical_units(statistics, tmp_path):
    method, path = models.make_method(CONFIG, statistics, seed=0), tmp_path / "a.safetensors"
    axes = [{"name": name, "start": 0.0, "scale": 1.0, "attributes": {}} for name in "yx"]
    description = {
        "config": CONFIG,
        "data": {"channels": ["a", "b"], "axes": axes, "field": {}},
        "parameters": 0,
        "training_seconds": 0.0,
    }
    models.save(method, statistics, description, weights=path, sidecar=tmp_path / "a.json")
    fields = models.load(path).sample(None, N, [2], 0).fields
    expected = statistics.denormalise(method.sample(N, [2], 0).fields)
    assert fields.equal(expected)
    assert abs(float(fields.mean()) - 3) < 3


# Configuration

STUDY = {
    "datasets": {
        "waves": {
            "source": {"kind": "random_field", "resolution": 16},
            "split": {"train": 8, "validation": 2, "test": 8},
            "resolutions": [8, 16],
        }
    },
    "defaults": {
        "dataset": "waves",
        "prior": {"kind": "bessel"},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "network": {"kind": "mlp"},
        "levels": [{"resolution": 8, "epochs": 1}],
        "sampler": {"kind": "ddim"},
        "samples": {"count": 2, "resolutions": [8]},
    },
    "experiments": {"model": {}, "surrogate": {"method": {"kind": "gaussian"}, "seeds": [0, 1]}},
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}


def changed(**blocks):
    document = copy.deepcopy(STUDY)
    document["experiments"]["surrogate"] |= blocks
    return document


def problems(document):
    with pytest.raises(ConfigurationError) as caught:
        study.load(document)
    return caught.value.problems


def test_an_experiment_takes_from_the_defaults_what_its_method_has():
    loaded = study.load(STUDY)
    assert loaded.sample_slice("surrogate", 8, 1) == {
        "basis": {"kind": "fourier", "dimension": 2},
        "method": {"kind": "gaussian"},
        "samples": {"count": 2, "batch_size": 16},
        "resolution": 8,
        "seed": 1,
    }
    assert loaded.measure_slice("surrogate", 16, 1) == {
        "basis": {"kind": "fourier", "dimension": 2},
        "method": {"kind": "gaussian"},
        "seed": 1,
    }
    assert loaded.trained_at("surrogate") == [16]
    assert loaded.trained_at("model") == [8]
    assert loaded.train_slice("model", 8, 0)["method"] == {"kind": "diffusion"}


def test_what_a_method_has_no_use_for_is_refused():
    told = "experiments of method gaussian have no such block; leave it out"
    found = problems(changed(sampler={"kind": "ddim"}, levels=[{"resolution": 8, "epochs": 1}]))
    assert [line.split(": ")[0].split(" = ")[0] for line in found] == [
        "experiments.surrogate.levels",
        "experiments.surrogate.sampler",
    ]
    assert all(line.endswith(told) for line in found)


def test_what_a_method_needs_is_missed():
    document = copy.deepcopy(STUDY)
    del document["defaults"]["process"]
    (found,) = problems(document)
    assert found.startswith("experiments.model.process: missing; expected a block with kind: ")


def test_an_unknown_method_is_the_only_problem():
    (found,) = problems(changed(method={"kind": "gauss"}))
    assert found == (
        'experiments.surrogate.method.kind = "gauss": unknown; known: diffusion, gano, gaussian, '
        "imitating (did you mean 'gaussian'?)"
    )


def test_statistics_of_a_tensor_are_those_that_normalise_it():
    random = torch.Generator().manual_seed(0)
    fields = torch.randn(20, 3, 8, generator=random).cumsum(-1) * 4 + 100
    statistics = Statistics.measure(fields, CosineBasis(1))
    unit = statistics.normalise(fields.double())
    np.testing.assert_allclose(unit.mean((0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(unit.square().mean((0, 2)), 1, rtol=1e-12)
    np.testing.assert_allclose(statistics.spectrum.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(statistics.denormalise(unit), fields, rtol=1e-6)
    with pytest.raises(ValueError, match="channel 1 is constant"):
        Statistics.measure(torch.stack([fields[:, 0], 0 * fields[:, 0] + 5], 1), CosineBasis(1))
