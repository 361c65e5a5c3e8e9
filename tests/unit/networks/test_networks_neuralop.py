"""The adapter of the package neuraloperator, where it is installed."""

import importlib.util
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fsdiff import parts
from fsdiff import study as config
from fsdiff.diffusion.predictions import Noise
from fsdiff.spaces.bases import FourierBasis
from fsdiff.study import strict_yaml
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer

SIZES = {"n_modes": [8, 8], "hidden_channels": 8, "n_layers": 2}
ARGUMENTS = {
    "FNO": SIZES,
    "TFNO": {**SIZES, "rank": 0.5},
    "UNO": {
        **{"hidden_channels": 8, "n_layers": 3, "channel_mlp_skip": "linear"},
        "uno_out_channels": [8, 8, 8],
        "uno_n_modes": [[8, 8], [6, 6], [8, 8]],
        "uno_scalings": [[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]],
    },
}

installed = pytest.mark.skipif(
    importlib.util.find_spec("neuralop") is None, reason="needs the extra neuralop"
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def make(model, channels=1, conditioning_channels=0):
    torch.manual_seed(0)
    block = {"kind": "neuralop", "model": model, "arguments": ARGUMENTS[model]}
    return parts.build("network", block, channels, conditioning_channels)


@installed
@pytest.mark.parametrize("model", ARGUMENTS)
@pytest.mark.parametrize("n", [16, 24])
def test_models_are_networks(model, n):
    """Shaped like the field on every grid; noise level and conditioning are seen."""
    network = make(model, 2, 1)
    u, given = torch.randn(3, 2, n, n), torch.randn(3, 1, n, n)
    t = torch.tensor([-1.0, 0.0, 1.0])
    with torch.no_grad():
        output = network(u, t, given)
        assert output.shape == u.shape
        assert not torch.allclose(network(u, t + 1, given), output, rtol=1e-3)
        assert not torch.allclose(network(u, t, 2 * given), output, rtol=1e-3)
    with pytest.raises(ValueError, match="conditioning_channels=1 and is given 0"):
        network(u, t)


@installed
@pytest.mark.parametrize("model", ARGUMENTS)
def test_weights_are_tensors_and_come_back(model, tmp_path):
    network, other = make(model), make(model)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "weights")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "weights"))
    u, t = torch.randn(2, 1, 16, 16), torch.zeros(2)
    with torch.no_grad():
        assert other(u, t).equal(network(u, t))


@installed
def test_complex_weights_are_trained_and_resumed(tools, tmp_path):
    basis, n = FourierBasis(2), 16
    data = torch.randn(8, 1, n, n, generator=torch.Generator().manual_seed(0))

    def trainer(epochs, state=None):
        return Trainer(
            tools.make_denoiser(basis, n, make("FNO"), prediction=Noise()),
            Level(resolution=n, epochs=epochs, batch_size=4),
            TrainingOptions(schedule="constant", warmup=0.0),
            data=data,
            validation={n: data},
            seed=0,
            state_file=state,
            save_every=0.0,
        )

    whole = trainer(2)
    whole.run()
    state = tmp_path / "state"
    trainer(1, state).run()
    resumed = trainer(2, state)
    resumed.run()
    assert any(p.is_complex() for p in whole.parameters.values())
    for name, parameter in whole.parameters.items():
        assert parameter.equal(resumed.parameters[name]), name


@installed
@pytest.mark.parametrize(
    ("change", "reason"),
    [({"in_channels": 3}, "in_channels"), ({"widht": 3}, "widht"), ({"n_modes": ...}, "n_modes")],
)
def test_wrong_arguments_are_explained(change, reason):
    arguments = {k: v for k, v in (SIZES | change).items() if v is not ...}
    with pytest.raises(ValueError, match=rf"neuralop.models.FNO .*{reason}.*constructor"):
        parts.build("network", {"kind": "neuralop", "arguments": arguments})


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuralop.models", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fsdiff\[neuralop\]'"):
        parts.build("network", {"kind": "neuralop", "arguments": SIZES})


def problems(network):
    raw = strict_yaml.parse((Path(__file__).parents[3] / "config.yaml").read_text(encoding="utf-8"))
    raw["defaults"]["network"] = network
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(raw)
    return caught.value.problems


def test_configurations_are_refused_where_the_package_is_missing(monkeypatch):
    monkeypatch.setattr("fsdiff.networks.neuralop.find_spec", lambda name: None)
    (problem,) = problems({"kind": "neuralop", "arguments": SIZES})
    assert problem.startswith("defaults.network.kind")
    assert "pip install 'fsdiff[neuralop]'" in problem


def test_configurations_are_refused_where_the_dimension_is_wrong():
    (problem,) = problems({"kind": "fno", "dimension": 1})
    assert problem == (
        "defaults.network.dimension = 1: the data's dimension is 2; use dimension: 2"
    )
