"""Versions and devices: recorded in what is made, compared where a job goes on, and told."""

import json
import platform

import numpy as np
import pytest
import torch

from fsdiff.data import hierarchy, storage
from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.jobs import versions as recorded
from fsdiff.jobs.versions import differences, environment
from fsdiff.methods import models
from fsdiff.stages.sample import Drawn
from fsdiff.stages.simulate import PART, simulate
from fsdiff.training.state import TrainingState

SOURCE = {"kind": "darcy", "resolution": 8, "channels": ["permeability"]}
JOB = {"config": {"source": SOURCE, "seed": 3}, "code": "code"}
MADE = Provenance(JOB["config"], JOB["code"], 3)


@pytest.fixture
def another(monkeypatch):
    """From here on another version of NumPy is installed."""

    def install():
        version = recorded.version
        monkeypatch.setattr(
            recorded, "version", lambda name: "9.9" if name == "numpy" else version(name)
        )

    return install


CHANGE = f"numpy {np.__version__} is now 9.9: results may differ in rounding"


def shard(folder, indices, name="shard.nc"):
    path = folder / name
    simulate(JOB, indices, output=path, state=folder / "state", title="a shard")
    return path


def test_the_versions_are_those_in_use():
    found = environment(device="cpu", threads=3)
    assert found["torch"] == torch.__version__
    assert found["numpy"] == np.__version__
    assert found["python"] == platform.python_version()
    assert (found["device"], found["threads"]) == ("cpu", "3")


def test_differences_name_both():
    now = {"torch": "2.13", "numpy": "2.4", "device": "cpu"}
    assert differences(now, now) == []
    assert differences({"torch": "2.12", "device": "cuda", "gone": "1"}, now) == [
        "device cuda is now cpu",
        "torch 2.12 is now 2.13",
    ]


def test_files_record_versions_which_are_no_part_of_their_provenance(tmp_path, another):
    first = storage.read(shard(tmp_path, range(2)))
    assert storage.environment_of(first) == environment()
    another()
    second = storage.read(shard(tmp_path, range(2)))
    assert storage.environment_of(second)["numpy"] == "9.9"
    assert Provenance.of(first) == Provenance.of(second) == MADE


def test_parts_of_a_shard_from_other_versions_are_told(tmp_path, another, caplog, monkeypatch):
    generate, left = DarcyData.generate, [0]

    def twice(self, indices, seed, progress=None):
        if not left:
            raise ArithmeticError("blown up")
        left.pop()
        return generate(self, indices, seed, progress)

    monkeypatch.setattr(DarcyData, "generate", twice)
    with pytest.raises(ArithmeticError):
        shard(tmp_path, range(2 * PART))
    another()
    left.append(0)
    shard(tmp_path, range(2 * PART))
    assert [m for m in caplog.messages if CHANGE in m and f"{tmp_path / 'state'}, since" in m]


def test_shards_from_other_versions_are_told(tmp_path, another, caplog):
    paths = [shard(tmp_path, range(2), "a.nc")]
    split = {"train": 2, "validation": 1, "test": 1}
    another()
    paths.append(shard(tmp_path, range(2, 4), "b.nc"))
    hierarchy.merge(paths, split=split, expected=MADE)
    (message,) = caplog.messages
    assert f"{paths[0]}, since which {CHANGE}" in message


def test_training_that_goes_on_with_other_versions_or_threads_says_so(tmp_path, another, caplog):
    network, path = torch.nn.Linear(2, 2), tmp_path / "state.safetensors"
    state = TrainingState(network, torch.optim.AdamW(network.parameters()))
    state.save(path)
    state.read(path)
    assert not caplog.messages
    another()
    torch.set_num_threads(2)
    state.read(path)
    (message,) = caplog.messages
    assert f"{path}, since which numpy {np.__version__} is now 9.9, threads 1 is now 2" in message


def test_sampling_that_goes_on_elsewhere_says_so(tmp_path, another, caplog, monkeypatch):
    path = tmp_path / "state.safetensors"
    Drawn([Samples(torch.zeros(2, 1, 4, 4), [{4: 3}] * 2)]).save(path)
    Drawn.load(path, 2, (1, 4, 4))
    assert not caplog.messages
    another()
    monkeypatch.setenv("FSDIFF_DEVICE", "meta")
    Drawn.load(path, 2, (1, 4, 4))
    (message,) = caplog.messages
    assert "since which device cpu is now meta, numpy" in message


def test_models_record_where_they_were_trained(tmp_path, tools):
    statistics = Statistics(
        torch.zeros(1).double(), torch.ones(1).double(), torch.ones(1, 8, 8).double(), 8
    )
    blocks = {
        "method": {"kind": "diffusion"},
        "basis": {"kind": "cosine"},
        "prior": {"kind": "bessel"},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "time_sampling": {"kind": "log_snr"},
        "network": {"kind": "mlp"},
    }
    method, weights = models.make_method(blocks, statistics, 0), tmp_path / "a.safetensors"
    sidecar = weights.with_suffix(".json")
    models.save(method, statistics, {"config": blocks}, weights=weights, sidecar=sidecar)
    found = json.loads(sidecar.read_text())["environment"]
    assert found == environment(device="cpu", threads=1)
