"""Training of networks on points of ℝ^d, written as the regression that it is.

All predictions are affine, x̂₀ = a x + b F, so that the weighted loss of the data is one of the
output F. The small perceptrons of these examples take longer to be called than to compute: their
gradient is computed by hand, in blocks of points that stay in the cache.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fsdiff.diffusion.denoiser import Denoiser, Seen
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.time_sampling import TimeSampling
from fsdiff.networks.mlp import MLP
from fsdiff.randomness import generator
from fsdiff.streams import Stream

BLOCK = 1000
"""Points whose hidden layers stay in the cache."""
DRAWN = 20000
"""Points that are drawn at once, those of several steps where batches are smaller."""

Inputs = Literal["normalised", "plain"]
"""What networks see: x at unit mean square and ln(r/m), or x and t as they are."""


class PlainDenoiser(Denoiser):
    """A denoiser whose network sees x and t as they are."""

    def output(self, seen: Seen) -> Tensor:
        """What the network says of fields that it sees."""
        time = seen.marginal.time.flatten().to(seen.x)
        return self.network(seen.x, time.expand(len(seen.x)))


@dataclass(frozen=True)
class Examples:
    """Inputs of a network (batch, features) with targets (batch, d) and their weights (batch, d).

    The mean over the batch of Σ weight·(F − target)² is that of the weighted loss of the data.
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Problem:
    """What is regressed: the output of a denoiser's network, for data, times and noise.

    ``weight`` is that of ‖x̂₀ − X_0‖² at times (batch,).
    """

    denoiser: Denoiser
    time_sampling: TimeSampling
    weight: Callable[[Tensor], Tensor]

    def examples(self, data: Tensor, t: Tensor, noise: Tensor) -> Examples:
        """Those of data and noise (batch, d) at times t (batch,)."""
        marginal = self.denoiser.law.marginal(t, 1)
        data, noise = data[..., None], noise[..., None]
        x = marginal.mean_scale * data + marginal.noise_scale * noise
        read, nothing = self.denoiser.prediction.data_and_noise, torch.zeros_like(x)
        offset = read(nothing, x, marginal)[0]
        gain = read(nothing + 1, x, marginal)[0] - offset
        weight = self.weight(t)[:, None, None] * gain.square()
        target = (data - offset) / gain
        return Examples(self._inputs(x, marginal), target[..., 0], weight[..., 0])

    def _inputs(self, x: Tensor, marginal: Marginal) -> Tensor:
        """What the network is told of x, (batch, d + 1)."""
        if isinstance(self.denoiser, PlainDenoiser):
            level = marginal.time.flatten().to(x)
        else:
            level = -marginal.process.half_log_signal_to_noise(marginal.time.flatten()).to(x)
            x = self.denoiser.prediction.network_input(x, marginal)
        return torch.cat([x[..., 0], level[:, None]], dim=1)

    def drawn(
        self,
        draw: Callable[[np.random.Generator, int], Tensor],
        batch: int,
        random: np.random.Generator,
        steps: int,
    ) -> Iterator[Examples]:
        """Batches of examples, of data that are drawn for several steps at once."""
        count = batch * steps
        data = draw(random, count).float()
        uniform = torch.from_numpy(random.random((steps, batch), dtype=np.float32))
        uniform = torch.stack([self.time_sampling.spread(numbers) for numbers in uniform])
        marginal = self.denoiser.law.marginal(torch.tensor([self.denoiser.law.process.T]), 1)
        t = self.time_sampling.quantiles(marginal)(uniform.flatten().clamp(1e-6, 1 - 1e-6))
        noise = torch.from_numpy(random.standard_normal(data.shape, dtype=np.float32))
        examples = self.examples(data, t, noise)
        parts = (examples.inputs, examples.target, examples.weight)
        yield from map(Examples, *(part.split(batch) for part in parts))


def regress(
    problem: Problem,
    draw: Callable[[np.random.Generator, int], Tensor],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train with Adam at a constant rate on points that are drawn afresh in every step."""
    network = problem.denoiser.network
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    gradient = gradient_of(network)
    at_once = max(1, DRAWN // batch_size)
    bar = tqdm(total=steps, desc="train", unit="step", disable=None)
    for first in range(0, steps, at_once):
        random = generator(seed, Stream.FITTED_DATA, first)
        for batch in problem.drawn(draw, batch_size, random, min(at_once, steps - first)):
            loss = gradient(batch)
            if not np.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss}: lower learning_rate")
            optimizer.step()
            bar.update()


Gradient = Callable[[Examples], float]
"""Puts the gradient of the mean loss of a batch where optimisers look for it, tells the loss."""


def gradient_of(network: nn.Module) -> Gradient:
    """The fastest way to the gradient of a network."""
    if isinstance(network, MLP) and isinstance(network.layers[1], nn.Tanh):
        return _Perceptron(network)
    return lambda batch: differentiated(network, batch)


def differentiated(network: nn.Module, batch: Examples) -> float:
    """The gradient of any network, by automatic differentiation."""
    network.zero_grad(set_to_none=True)
    output = network(batch.inputs[:, :-1, None], batch.inputs[:, -1])[..., 0]
    loss = (batch.weight * (output - batch.target).square()).sum() / len(output)
    loss.backward()
    return float(loss.detach())


class _Perceptron:
    """The gradient of a perceptron of hyperbolic tangents, without a graph and without allocation.

    tanh z = 2σ(2z) − 1, because the logistic function is the faster of the two here.
    """

    def __init__(self, network: MLP) -> None:
        self.layers = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
        widths = [layer.out_features for layer in self.layers]
        self.outputs = [torch.empty(BLOCK, width) for width in widths]
        self.errors = [torch.empty(BLOCK, width) for width in widths]
        self.ones = torch.ones(BLOCK)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)

    @torch.no_grad()
    def __call__(self, batch: Examples) -> float:
        for layer in self.layers:
            for parameter in layer.parameters():
                assert parameter.grad is not None
                parameter.grad.zero_()
        loss = torch.zeros(())
        blocks = (part.split(BLOCK) for part in (batch.inputs, batch.target, batch.weight))
        for inputs, target, weight in zip(*blocks, strict=True):
            values = [inputs, *self._forward(inputs)]
            error = self.errors[-1][: len(inputs)]
            torch.sub(values[-1], target, out=error)
            weighted = torch.mul(error, weight)
            loss += (weighted * error).sum()
            error.copy_(weighted.mul_(2 / len(batch.inputs)))
            self._backward(values, error)
        return float(loss) / len(batch.inputs)

    def _forward(self, inputs: Tensor) -> list[Tensor]:
        """The values of all layers."""
        values, seen = [], inputs
        for layer, output in zip(self.layers, self.outputs, strict=True):
            found, last = output[: len(inputs)], layer is self.layers[-1]
            scale = 1 if last else 2
            weight = layer.weight.t()
            torch.addmm(layer.bias, seen, weight, beta=scale, alpha=scale, out=found)
            if not last:
                found.sigmoid_().mul_(2).sub_(1)
            values.append(found)
            seen = found
        return values

    def _backward(self, values: list[Tensor], error: Tensor) -> None:
        """Adds the gradients, from the last layer to the first; values are used up."""
        buffers = [None, *self.errors[:-1]]
        steps = [*zip(self.layers, pairwise(values), buffers, strict=True)]
        for layer, (seen, _), buffer in reversed(steps):
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            layer.weight.grad.addmm_(error.t(), seen)
            layer.bias.grad.addmv_(error.t(), self.ones[: len(error)])
            if buffer is None:
                return
            before = buffer[: len(error)]
            torch.mm(error, layer.weight, out=before)
            error = before.addcmul_(before, seen.square_(), value=-1)
