"""Imitations as methods: what they keep, their files, levels, and what a configuration needs."""

import pytest
import torch

from fsdiff import study
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs.failures import DamagedError
from fsdiff.methods import models
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 8
BLOCKS = {
    "resampled": {"kind": "resampled"},
    "components": {"kind": "principal_components"},
    "density": {"kind": "principal_density", "width": 0.2},
    "copula": {"kind": "gaussian_copula"},
}
AXIS = {"name": "x", "start": 0.0, "scale": 1.0, "attributes": {}}


def config(block, basis="cosine"):
    return {
        "basis": {"kind": basis, "dimension": 1},
        "method": {"kind": "imitating", "imitation": block},
        "seed": 0,
    }


def fields(basis):
    random = torch.Generator().manual_seed(0)
    return torch.randn(30, 2, *basis.grid(N), generator=random, dtype=torch.float64).cumsum(-1)


def prepared(block, basis):
    """A method of the training fields, normalised, and their statistics."""
    statistics = Statistics.measure(fields(basis), basis)
    method = models.make_method(config(block, basis.kind), statistics, seed=0)
    assert not method.prepared
    method.prepare(statistics.normalise(fields(basis)))
    return method, statistics


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
def test_a_stored_model_draws_the_same_fields(tmp_path, name, basis):
    method, statistics = prepared(BLOCKS[name], basis)
    weights, sidecar = tmp_path / "a.safetensors", tmp_path / "a.json"
    made = config(BLOCKS[name], basis.kind)
    description = {
        "config": made,
        **Provenance(made, "code", 0).attributes(),
        "data": {"channels": ["a", "b"], "axes": [AXIS], "field": {}},
        "parameters": 0,
        "training_seconds": 0.0,
    }
    models.save(method, statistics, description, weights=weights, sidecar=sidecar)
    loaded = models.load(weights)
    assert loaded.method.prepared
    before, after = (one.sample(N, [0, 3], 5).fields for one in (method, loaded.method))
    assert torch.equal(before, after)
    physical = loaded.sample(None, N, [0, 3], 5).fields
    torch.testing.assert_close(physical, statistics.denormalise(before), check_dtype=False)


def test_samples_depend_on_seed_and_index_and_are_training_fields_where_these_are_resampled():
    method, statistics = prepared(BLOCKS["resampled"], CosineBasis(1))
    found = method.sample(N, range(6), 1).fields
    assert torch.equal(method.sample(N, [4], 1).fields, found[4:5])
    given = statistics.normalise(fields(CosineBasis(1))).float()
    assert (found[:, None] == given).flatten(2).all(2).any(1).all()
    coarse = method.sample(N // 2, range(6), 1).fields
    torch.testing.assert_close(coarse, CosineBasis(1).restrict(found, N // 2), atol=1e-6, rtol=0)


def test_it_has_nothing_to_train_and_no_loss():
    method, _ = prepared(BLOCKS["density"], CosineBasis(1))
    assert not method.trains()
    with pytest.raises(NotImplementedError, match="it has no loss"):
        method.validation(torch.zeros(1, 2, N))


def test_files_that_hold_other_fields_are_refused():
    method, statistics = prepared(BLOCKS["resampled"], CosineBasis(1))
    found = {"fields": (torch.float32, (30, 2, N))}
    made = config(BLOCKS["resampled"])
    assert type(method).shapes(found, made, statistics) == found
    assert type(method).shapes({}, made, statistics)["fields"][1] == (0, 2, N)
    other = {"fields": (torch.float32, (30, 2, N + 1))}
    with pytest.raises(DamagedError, match="holds another network: fields"):
        models._compare(other, type(method).shapes(other, made, statistics), "a.safetensors")


def test_an_experiment_needs_no_more_than_the_method():
    loaded = study.load(
        {
            "datasets": {
                "parabolas": {
                    "source": {"kind": "quadratic", "resolution": 16},
                    "split": {"train": 8, "validation": 2, "test": 8},
                    "resolutions": [16],
                }
            },
            "experiments": {
                "copies": {
                    "dataset": "parabolas",
                    "method": {"kind": "imitating", "imitation": {"kind": "resampled"}},
                    "samples": {"count": 4, "resolutions": [16]},
                }
            },
            "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
        }
    )
    block = loaded.measure_slice("copies", 16, 0)["method"]
    assert block == {"kind": "imitating", "imitation": {"kind": "resampled"}}
