"""Training on points is the denoising loss of every prediction, and its gradient the true one."""

from functools import partial

import pytest
import torch

from fsdiff.analyses.parameterisation import Parameterisation
from fsdiff.analyses.regression import (
    BLOCK,
    Examples,
    PlainDenoiser,
    Problem,
    differentiated,
    gradient_of,
)
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Data, Noise, Preconditioned, Score, Velocity, Wiener
from fsdiff.diffusion.time_sampling import Uniform
from fsdiff.measures.manifolds import Spiral
from fsdiff.networks.mlp import MLP
from fsdiff.parts import build

UNCLAMPED = Data(largest_weight=1e8)


def learning(**changes):
    network = {"kind": "mlp", "width": 16, "layers": 2}
    settings = {"law": Spiral(), "steps": 300, "batch_size": 200, "samples": 200, "times": 4}
    return Parameterisation(network=partial(build, "network", network), **(settings | changes))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_the_gradient_is_that_of_automatic_differentiation(activation):
    random = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = MLP(channels=2, width=8, layers=3, activation=activation)
    count = 2 * BLOCK + 100  # not a whole number of blocks
    batch = Examples(
        torch.randn((count, 3), generator=random),
        torch.randn((count, 2), generator=random),
        torch.rand((count, 2), generator=random),
    )
    gradient = gradient_of(network)
    losses = [gradient(batch), gradient(batch)]  # nothing is left of the first
    found = [parameter.grad.clone() for parameter in network.parameters()]
    assert losses[0] == losses[1] == pytest.approx(differentiated(network, batch), rel=1e-5)
    for parameter, ours in zip(network.parameters(), found, strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("inputs", ["normalised", "plain"])
@pytest.mark.parametrize(
    "prediction", [UNCLAMPED, Noise(), Score(), Velocity(), Preconditioned(), Wiener()]
)
def test_the_regression_is_the_weighted_loss_of_the_data(prediction, inputs, power):
    """min(m²/r², largest_weight)^power ‖x̂_0 − X_0‖², whatever the network predicts."""
    changes = {"weight_power": power, "largest_weight": 50.0, "inputs": inputs}
    analysis = learning(prediction=prediction, **changes)
    denoiser = analysis.denoiser(0)
    random = torch.Generator().manual_seed(0)
    data, noise = (torch.randn((4, 2), generator=random) for _ in range(2))
    t = torch.tensor([1e-3, 0.1, 1.0, 3.0])  # the first is beyond the largest weight
    m, r = torch.exp(-t / 2)[:, None], torch.sqrt(-torch.expm1(-t))[:, None]
    x = m * data + r * noise
    error = (denoiser(x[..., None], t).data[..., 0] - data).square().sum(1)
    weight = (m / r).square().clamp_max(50.0)[:, 0] ** power
    batch = Problem(denoiser, Uniform(), analysis.weight).examples(data, t, noise)
    output = denoiser.network(batch.inputs[:, :-1, None], batch.inputs[:, -1])[..., 0]
    found = (batch.weight * (output - batch.target).square()).sum(1)
    torch.testing.assert_close(found, weight * error, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("prediction", [UNCLAMPED, Noise(), Score()])
def test_with_the_first_power_it_is_the_denoising_loss(prediction):
    analysis = learning(prediction=prediction, largest_weight=1e8)
    denoiser = analysis.denoiser(0)
    random = torch.Generator().manual_seed(1)
    data, noise = (torch.randn((5, 2), generator=random) for _ in range(2))
    t = torch.tensor([0.01, 0.1, 0.5, 1.0, 4.0])
    batch = Problem(denoiser, Uniform(), analysis.weight).examples(data, t, noise)
    loss = DenoisingLoss(denoiser, Uniform()).at(data[..., None], t, noise[..., None]).mean()
    assert differentiated(denoiser.network, batch) == pytest.approx(float(loss.detach()), rel=1e-3)


def test_plain_inputs_are_x_and_t():
    denoiser = learning(inputs="plain").denoiser(0)
    assert isinstance(denoiser, PlainDenoiser)
    x, t = torch.randn((3, 2, 1)), torch.tensor([0.1, 1.0, 5.0])
    expected = denoiser.network(x, t)
    torch.testing.assert_close(denoiser(x, t).data, expected)


def test_training_brings_the_network_nearer_to_the_expectation():
    analysis, t = learning(inputs="plain"), torch.tensor(0.5).double()
    trained, untrained = (
        analysis.errors(d, t, 0)[2] for d in (analysis.trained(0), analysis.denoiser(0))
    )
    assert float(trained) < 0.5 * float(untrained)
