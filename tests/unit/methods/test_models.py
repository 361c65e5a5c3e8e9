"""Models on disk: the same outputs after a round trip, and clear refusals of damaged files."""

import copy
import functools
import hashlib
import json
import math

import numpy as np
import pytest
import safetensors.torch
import torch
import xarray as xr

from fsdiff.data import json_files, tensors
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers import DDIM
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.jobs.failures import StorageError
from fsdiff.methods import models
from fsdiff.spaces.bases import CosineBasis

BLOCKS = {
    "method": {"kind": "diffusion"},
    "basis": {"kind": "cosine"},
    "prior": {"kind": "bessel", "shift": 8.0, "power": 0.55},
    "process": {"kind": "vp"},
    "prediction": {"kind": "wiener"},
    "time_sampling": {"kind": "log_snr", "mean": 0.0},
    "network": {"kind": "fno", "width": 6, "modes": 3, "layers": 2, "projection": 8},
}
N = 12
DESCRIPTION = {
    "config": BLOCKS,
    "data": {
        "channels": ["height", "speed"],
        "axes": [
            {"name": "y", "start": 0.0, "scale": 2.0, "attributes": {"units": "m"}},
            {"name": "x", "start": -1.0, "scale": 2.0, "attributes": {"units": "m"}},
        ],
        "field": {"units": "m"},
    },
    "parameters": 1000,
    "training_seconds": 1.5,
    "validation_loss": 0.25,
}


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
    method = models.make_method(BLOCKS, statistics, seed=3)
    path = tmp_path / "model.safetensors"
    models.save(
        method,
        statistics,
        DESCRIPTION,
        weights=path,
        sidecar=path.with_suffix(".json"),
    )
    return method, path


def outputs(method, n=16):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(3, 2, n, n, generator=random)
    with torch.no_grad():
        estimate = method.denoiser(x, torch.tensor([0.1, 0.5, 0.9]))
    return estimate.data, estimate.noise


def same_weights(a, b):
    return all(
        x.equal(y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_a_round_trip_gives_identical_outputs(saved, statistics):
    method, path = saved
    model = models.load(path)
    for n in (12, 17, 32):
        for before, after in zip(outputs(method, n), outputs(model.method, n), strict=True):
            assert after.equal(before)
    assert model.statistics.mean.equal(statistics.mean)
    assert model.statistics.scale.equal(statistics.scale)
    assert model.statistics.resolution == N
    assert model.description["data"] == DESCRIPTION["data"]
    assert model.method.denoiser.law.noise == method.denoiser.law.noise
    assert model.method.denoising_loss.time_sampling == method.denoising_loss.time_sampling


def test_the_same_model_gives_the_same_bytes(saved, statistics, tmp_path):
    method, path = saved
    other = tmp_path / "other.safetensors"
    models.save(
        method,
        statistics,
        DESCRIPTION,
        weights=other,
        sidecar=other.with_suffix(".json"),
    )
    assert other.read_bytes() == path.read_bytes()
    assert other.with_suffix(".json").read_bytes() == path.with_suffix(".json").read_bytes()


def test_initial_weights_depend_on_the_seed_only(statistics):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = models.make_method(BLOCKS, statistics, seed=0).network
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(1)
    assert same_weights(first, models.make_method(BLOCKS, statistics, seed=0).network)
    assert not same_weights(first, models.make_method(BLOCKS, statistics, seed=1).network)


# Damaged and foreign files


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_truncated_weights_are_refused_by_name(saved, kept):
    _, path = saved
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(StorageError, match=r"model\.safetensors.*; delete it and run"):
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


def test_weights_of_another_model_are_not_taken_for_those_that_are_described(
    saved, statistics, tmp_path
):
    _, path = saved
    other = models.make_method(BLOCKS, statistics, seed=4)
    files = {"weights": tmp_path / "other.safetensors", "sidecar": tmp_path / "other.json"}
    models.save(other, statistics, DESCRIPTION, **files)
    path.write_bytes(files["weights"].read_bytes())
    for use in (models.load, models.describe):
        with pytest.raises(
            StorageError, match=r"model\.safetensors and .*model\.json do not belong"
        ):
            use(path)


@pytest.mark.parametrize("part", ["weights", "description"])
def test_no_flipped_bit_of_a_model_is_overlooked(saved, part):
    method, path = saved
    file = path if part == "weights" else path.with_suffix(".json")
    content = file.read_bytes()
    header = int.from_bytes(content[:8], "little") if part == "weights" else len(content)
    spread = np.random.default_rng(0).integers(len(content), size=60)
    for place in [*range(0, 8 + header, 29), *spread, len(content) - 1]:
        damaged = bytearray(content)
        damaged[place % len(content)] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        try:
            model = models.load(path)
        except StorageError as error:
            assert file.name in str(error)  # noqa: PT017 (or it is as it was)
        else:
            assert same_weights(model.method.network, method.network)


def changed(description, key, value):
    """A description with another value at a dotted key, or without it."""
    description = copy.deepcopy(description)
    *blocks, last = key.split(".")
    block = description
    for name in blocks:
        block = block[int(name) if name.isdigit() else name]
    if value == MISSING:
        del block[last]
    else:
        block[last] = value
    return description


MISSING = "(missing)"
NESTED = functools.reduce(lambda inner, _: [inner], range(400), [])

FOREIGN = [
    ("config", MISSING, "config: missing"),
    ("config", [], "config = []: expected"),
    ("config.method", MISSING, "config.method = null: expected a block with a kind"),
    ("config.method.kind", "os", "config.method.kind: unknown method 'os'; known: diffusion, "),
    ("config.prior", MISSING, "config.prior = null: expected a block with a kind"),
    ("config.prior", "bessel", 'config.prior = "bessel": expected a block with a kind'),
    ("config.prior.kind", "os", "config.prior.kind: unknown prior 'os'; known: bessel, "),
    ("config.prior.kind", ["bessel"], "expected a block with a kind"),
    ("config.prior.power", "0.5; import os", "config.prior.power = "),
    ("config.prior.power", -1.0, "config.prior.power = -1.0: expected a number > 0"),
    ("config.prior.power", True, "config.prior.power = true: expected a number > 0"),
    ("config.prior.reference_resolution", 10**9, "config.prior.reference_resolution = 1000000000"),
    ("config.prior.reference_resolution", 10**400, "config.prior.reference_resolution = 1000"),
    ("config.prior.unknown", 1, "config.prior.unknown = 1: unknown key; allowed: "),
    ("config.basis.kind", "gram", "config.basis.points: missing"),
    ("config.network.kind", "resnet", "config.network.kind: unknown network 'resnet'"),
    ("config.network.width", 8, "model.safetensors holds another network: "),
    ("config.network.width", 10**12, "does not describe a model: "),
    ("config.network.width", 10**30, "does not describe a model: "),
    ("config.network.width", NESTED, "config.network.width = [[[["),
    ("config.network.layers", 10**8, "its network has more weights than there are"),
    ("config.network.layers", 2.5, "config.network.layers = 2.5: expected an integer > 0"),
    ("config.network.modes", 10**6, "model.safetensors holds another network: "),
    ("data", None, "data = null: expected"),
    ("data.channels", ["a", "b", "c"], "the data's mean has shape (2,)"),
    ("data.channels", [], "data.channels = []: expected a list with at least 1 entry"),
    ("data.channels", [1, {}], "data.channels[0] = 1: expected text"),
    ("data.times", [0.0, 1.0], "the data's mean has shape (2,)"),
    ("data.times", "now", "data.times = "),
    ("data.axes", [], "data.axes = []: expected a list with at least 1 entry"),
    ("data.axes.0.start", MISSING, "data.axes[0].start: missing"),
    ("data.field", {"units": {}}, "data.field.units = "),
    ("parameters", -1, "parameters = -1: expected an integer >= 0"),
    ("training_seconds", "long", 'training_seconds = "long": expected a number >= 0'),
    ("spectrum_resolution", 13, "the data's spectrum has shape (2, 12, 12)"),
    ("spectrum_resolution", 10**18, "spectrum_resolution = 1000000000000000000: expected"),
    ("spectrum_resolution", 0, "spectrum_resolution = 0: expected an integer >= 1"),
    ("weights", 5, "weights = 5: expected text"),
    ("weights", "0" * 64, "do not belong together"),
]


@pytest.mark.parametrize(
    ("key", "value", "told"), FOREIGN, ids=lambda value: str(value)[:30].replace("\n", " ")
)
def test_a_description_from_elsewhere_is_checked_like_a_configuration(saved, key, value, told):
    """One line that names the file and the key, whatever it says."""
    _, path = saved
    sidecar = path.with_suffix(".json")
    json_files.write(sidecar, changed(json_files.read(sidecar), key, value))
    with pytest.raises(StorageError) as caught:
        models.load(path)
    message = str(caught.value)
    assert told in message
    assert "model.json" in message or "model.safetensors" in message
    assert "\n" not in message
    assert len(message) < 1000


@pytest.mark.parametrize("depth", [300, 700, 850, 990, 2000])
@pytest.mark.parametrize("key", ["config.network.width", "config.prior.more", "more"])
def test_no_depth_of_nesting_ends_in_a_traceback(saved, key, depth):
    _, path = saved
    sidecar = path.with_suffix(".json")
    content = changed(json_files.read(sidecar), key, "HERE")
    text = json_files.canonical(content).replace('"HERE"', "[" * depth + "]" * depth)
    whole = json.dumps({"digest": hashlib.sha256(text.encode()).hexdigest()})
    sidecar.write_text(whole[:-1] + "," + text[1:])
    if key == "more" and depth < 900:  # nobody looks at it
        models.load(path)
        return
    with pytest.raises(StorageError, match=r"model\.json") as caught:
        models.load(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("statistics.scale", torch.tensor([1.0, 0.0]), "scale or spectrum is not positive"),
        ("statistics.mean", torch.tensor([1.0, np.nan]), "statistics.mean is not finite"),
        ("statistics.mean", torch.tensor([1, 2]), "the data's mean has shape (2,)"),
        ("statistics.spectrum", torch.ones(2, 3), "the data's spectrum has shape (2, 3)"),
        ("network.lift.bias", torch.full((6,), np.inf), "network.lift.bias is not finite"),
        ("network.lift.bias", torch.ones(7), "lift.bias is float32 (7,), expected float32 (6,)"),
        ("network.more", torch.ones(7), "more is float32 (7,), expected absent"),
        ("statistics.scale", None, "it lacks the data's scale"),
        ("network.lift.bias", None, "lift.bias is absent, expected float32 (6,)"),
    ],
)
def test_weights_from_elsewhere_are_compared_with_their_description(saved, name, value, told):
    _, path = saved
    held, _ = tensors.read(path)
    held[name] = value
    held = {name: tensor for name, tensor in held.items() if tensor is not None}
    description = json_files.read(path.with_suffix(".json"))
    description["weights"] = tensors.write(path, held, {})
    json_files.write(path.with_suffix(".json"), description)
    with pytest.raises(StorageError) as caught:
        models.load(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


NETWORKS = [
    {"kind": "fno", "width": 4, "modes": 3, "basis": "cosine", "stencil_cells": 8},
    {"kind": "unet", "width": 8, "blocks": 1},
    {"kind": "mlp", "width": 8},
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda block: block["kind"])
def test_every_network_is_read_back(statistics, tmp_path, network):
    blocks = BLOCKS | {"network": network}
    method = models.make_method(blocks, statistics, seed=1)
    path = tmp_path / "model.safetensors"
    description = DESCRIPTION | {"config": blocks}
    models.save(method, statistics, description, weights=path, sidecar=tmp_path / "model.json")
    assert same_weights(models.load(path).method.network, method.network)


# Warm start


def test_warm_start_copies_weights(saved, statistics):
    method, path = saved
    fresh = models.make_method(BLOCKS, statistics, seed=8)
    assert not same_weights(fresh.network, method.network)
    models.warm_start(fresh.network, path)
    assert same_weights(fresh.network, method.network)


def test_warm_start_refuses_another_network(saved, statistics):
    _, path = saved
    blocks = BLOCKS | {"network": BLOCKS["network"] | {"layers": 3}}
    other = models.make_method(blocks, statistics, seed=0)
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
    method, path = saved
    model = models.load(path)
    sampler = DDIM(steps=3)
    samples = model.sample(sampler, 16, [0, 1], seed=5)
    fields = samples.fields
    expected = sampler(method.denoiser, 16, [0, 1], 5).fields
    assert samples.network_evaluations == 3
    assert fields.shape == (2, 2, 16, 16)
    torch.testing.assert_close(fields[:, 0], 0.5 + 2 * expected[:, 0])
    torch.testing.assert_close(fields[:, 1], -2 + 0.1 * expected[:, 1])
    assert not model.method.network.training


@pytest.mark.parametrize(("size", "warned"), [(1.0, 0), (9.0, 0), (30.0, 1), (math.inf, 1)])
def test_samples_that_are_larger_than_chance_allows_are_told(saved, caplog, size, warned):
    _, path = saved
    model = models.load(path)
    fields = torch.ones(40, 2, N, N)
    fields[:3, 1] *= size
    model.physical(Samples(fields, [{N: 1}] * 40))
    assert len(caplog.messages) == warned
    if warned:
        assert caplog.messages[0].startswith("3 of 40 samples are more than 10 times as large as")
        largest = "up to 30 times" if math.isfinite(size) else "or no numbers"
        assert f"as the data, {largest}: the sampler" in caplog.messages[0]


def test_one_large_sample_among_many_is_chance(saved, caplog):
    _, path = saved
    fields = torch.ones(40, 2, N, N)
    fields[0] *= 30
    models.load(path).physical(Samples(fields, [{N: 1}] * 40))
    assert not caplog.messages
