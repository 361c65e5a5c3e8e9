"""Models on disk: the same outputs after a round trip, and clear refusals of damaged files."""

import pytest
import safetensors.torch
import torch
import xarray as xr

from fsdiff import models, storage
from fsdiff.bases import CosineBasis
from fsdiff.models import Statistics
from fsdiff.samplers import DDIM
from fsdiff.storage import StorageError

BLOCKS = {
    "basis": {"kind": "cosine"},
    "prior": {"kind": "bessel", "shift": 8.0, "power": 0.55},
    "process": {"kind": "vp"},
    "prediction": {"kind": "wiener"},
    "time_sampling": {"kind": "log_snr", "mean": 0.0},
    "network": {"kind": "fno", "width": 6, "modes": 3, "layers": 2, "projection": 8},
}
N = 12


@pytest.fixture
def statistics(tools):
    return Statistics(
        mean=torch.tensor([0.5, -2.0], dtype=torch.float64),
        scale=torch.tensor([2.0, 0.1], dtype=torch.float64),
        spectrum=tools.power_law(CosineBasis(2), N).expand(2, N, N).clone(),
        resolution=N,
    )


@pytest.fixture
def saved(tmp_path, statistics):
    denoiser = models.make_denoiser(BLOCKS, statistics, seed=3)
    path = tmp_path / "model.safetensors"
    models.save(
        denoiser,
        statistics,
        {"config": BLOCKS, "data": {"units": "m"}},
        weights=path,
        sidecar=path.with_suffix(".json"),
    )
    return denoiser, path


def outputs(denoiser, n=16):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(3, 2, n, n, generator=random)
    with torch.no_grad():
        estimate = denoiser(x, torch.tensor([0.1, 0.5, 0.9]))
    return estimate.data, estimate.noise


def same_weights(a, b):
    return all(
        x.equal(y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_a_round_trip_gives_identical_outputs(saved, statistics):
    denoiser, path = saved
    model = models.load(path)
    for n in (12, 17, 32):
        for before, after in zip(outputs(denoiser, n), outputs(model.denoiser, n), strict=True):
            assert after.equal(before)
    assert model.statistics.mean.equal(statistics.mean)
    assert model.statistics.scale.equal(statistics.scale)
    assert model.statistics.resolution == N
    assert model.description["data"] == {"units": "m"}
    assert model.denoiser.prior == denoiser.prior
    assert model.denoiser.time_sampling == denoiser.time_sampling


def test_the_same_model_gives_the_same_bytes(saved, statistics, tmp_path):
    denoiser, path = saved
    other = tmp_path / "other.safetensors"
    models.save(
        denoiser,
        statistics,
        {"config": BLOCKS, "data": {"units": "m"}},
        weights=other,
        sidecar=other.with_suffix(".json"),
    )
    assert other.read_bytes() == path.read_bytes()
    assert other.with_suffix(".json").read_bytes() == path.with_suffix(".json").read_bytes()


def test_initial_weights_depend_on_the_seed_only(statistics):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = models.make_denoiser(BLOCKS, statistics, seed=0).network
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(1)
    assert same_weights(first, models.make_denoiser(BLOCKS, statistics, seed=0).network)
    assert not same_weights(first, models.make_denoiser(BLOCKS, statistics, seed=1).network)


# Damaged and foreign files


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_truncated_weights_are_refused_by_name(saved, kept):
    _, path = saved
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(StorageError, match=r"model\.safetensors.*train again"):
        models.load(path)


def test_foreign_weights_are_refused_by_name(saved):
    _, path = saved
    safetensors.torch.save_file({"layer": torch.zeros(3)}, path)
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        models.load(path)
    path.write_text("not a model")
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        models.load(path)


@pytest.mark.parametrize("missing", ["weights", "description"])
def test_missing_files_are_named(saved, missing):
    _, path = saved
    gone = path if missing == "weights" else path.with_suffix(".json")
    gone.unlink()
    with pytest.raises(StorageError, match=gone.name):
        models.load(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_damaged_descriptions_are_named(saved, content):
    _, path = saved
    path.with_suffix(".json").write_text(content)
    with pytest.raises(StorageError, match=r"model\.json"):
        models.load(path)


def test_a_description_of_another_network_is_refused(saved):
    _, path = saved
    sidecar = path.with_suffix(".json")
    description = storage.read_json(sidecar)
    description["config"]["network"]["width"] = 8
    storage.write_json(sidecar, description)
    with pytest.raises(StorageError, match=r"model\.safetensors holds another network"):
        models.load(path)


# Warm start


def test_warm_start_copies_weights(saved, statistics):
    denoiser, path = saved
    fresh = models.make_denoiser(BLOCKS, statistics, seed=8)
    assert not same_weights(fresh.network, denoiser.network)
    models.warm_start(fresh.network, path)
    assert same_weights(fresh.network, denoiser.network)


def test_warm_start_refuses_another_network(saved, statistics):
    _, path = saved
    blocks = BLOCKS | {"network": BLOCKS["network"] | {"layers": 3}}
    other = models.make_denoiser(blocks, statistics, seed=0)
    with pytest.raises(StorageError, match=r"model\.safetensors holds another network"):
        models.warm_start(other.network, path)


# Physical units


def test_normalisation_is_undone(statistics):
    fields = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0)).double()
    physical = statistics.denormalise(fields)
    torch.testing.assert_close(physical[:, 0], 0.5 + 2 * fields[:, 0])
    torch.testing.assert_close(physical[:, 1], -2 + 0.1 * fields[:, 1])
    torch.testing.assert_close(statistics.normalise(physical), fields)


def test_statistics_are_read_from_a_data_set(statistics):
    dataset = xr.Dataset(
        {
            "mean": ("channel", statistics.mean.numpy()),
            "scale": ("channel", statistics.scale.numpy()),
            "spectrum": (("channel", "mode_y", "mode_x"), statistics.spectrum.numpy()),
        }
    )
    found = Statistics.of(dataset)
    assert found.resolution == N
    for name in ("mean", "scale", "spectrum"):
        assert getattr(found, name).equal(getattr(statistics, name))


def test_samples_are_in_physical_units_and_leave_training_mode(saved):
    denoiser, path = saved
    model = models.load(path)
    sampler = DDIM(steps=3)
    samples = model.sample(sampler, 16, [0, 1], seed=5)
    fields = samples.fields
    expected = sampler(denoiser, denoiser.prior, 16, [0, 1], 5).fields
    assert samples.network_evaluations == 3
    assert fields.shape == (2, 2, 16, 16)
    torch.testing.assert_close(fields[:, 0], 0.5 + 2 * expected[:, 0])
    torch.testing.assert_close(fields[:, 1], -2 + 0.1 * expected[:, 1])
    assert not model.denoiser.network.training
