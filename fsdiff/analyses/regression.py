"""Training of networks on points of ℝ^d, written as the regression that it is.

All predictions are affine, x̂₀ = a x + b F, so that the weighted loss of the data is one of the
output F. The small perceptrons of these examples take longer to be called than to compute: their
gradient is computed by hand, in blocks of points that stay in the cache.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

    Products with few columns take several times longer than those with few rows: outputs are
    (d, points), and the first bias is the weight of an input that is constant.
    """

    def __init__(self, network: MLP) -> None:
        self.layers = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
        self.buffers: dict[int, _Buffers] = {}
        # The gradient of the first layer, with that of its bias as the last row.
        self.entered = torch.empty(self.layers[0].in_features + 1, self.layers[0].out_features)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)

    @torch.no_grad()
    def __call__(self, batch: Examples) -> float:
        first, *others = self.layers
        gradients = [(_gradient(layer.weight), _gradient(layer.bias)) for layer in others]
        for found in [self.entered, *(part for pair in gradients for part in pair)]:
            found.zero_()
        entry = torch.cat([first.weight.t(), first.bias[None]])
        loss = torch.zeros(())
        blocks = (part.split(BLOCK) for part in (batch.inputs, batch.target, batch.weight))
        for inputs, target, weight in zip(*blocks, strict=True):
            buffers = self._buffers(len(inputs))
            self._forward(inputs, entry, buffers)
            error = buffers.output.sub_(target.t())
            weighted = torch.mul(error, weight.t(), out=buffers.error)
            loss += torch.dot(weighted.view(-1), error.view(-1))
            weighted.mul_(2 / len(batch.inputs))
            self._backward(gradients, buffers)
        _gradient(first.weight).copy_(self.entered[:-1].t())
        _gradient(first.bias).copy_(self.entered[-1])
        return float(loss) / len(batch.inputs)

    def _buffers(self, points: int) -> "_Buffers":
        if points not in self.buffers:
            self.buffers[points] = _Buffers(self.layers, points)
        return self.buffers[points]

    def _forward(self, inputs: Tensor, entry: Tensor, buffers: "_Buffers") -> None:
        """The values of all layers."""
        *hidden, last = self.layers[1:]
        buffers.inputs[:, :-1] = inputs
        seen = torch.mm(buffers.inputs, entry, out=buffers.hidden[0]).tanh_()
        for layer, values in zip(hidden, buffers.hidden[1:], strict=True):
            seen = torch.addmm(layer.bias, seen, layer.weight.t(), out=values).tanh_()
        torch.addmm(last.bias[:, None], last.weight, seen.t(), out=buffers.output)

    def _backward(self, gradients: list[tuple[Tensor, Tensor]], buffers: "_Buffers") -> None:
        """Adds the gradients, from the last layer to the first."""
        error = buffers.error.t()
        steps = [*zip(self.layers[1:], gradients, buffers.hidden, buffers.errors, strict=True)]
        for layer, (weight, bias), seen, before in reversed(steps):
            weight.addmm_(error.t(), seen)
            bias.addmv_(error.t(), buffers.ones)
            error = torch.mm(error, layer.weight, out=before)
            torch.ops.aten.tanh_backward.grad_input(error, seen, grad_input=error)
        self.entered.addmm_(buffers.inputs.t(), error)


class _Buffers:
    """What a perceptron computes for so many points: inputs and a one, layers, and errors."""

    def __init__(self, layers: Sequence[nn.Linear], points: int) -> None:
        self.ones = torch.ones(points)
        self.inputs = torch.ones(points, layers[0].in_features + 1)
        self.hidden = [torch.empty(points, layer.out_features) for layer in layers[:-1]]
        self.errors = [torch.empty_like(values) for values in self.hidden]
        self.output = torch.empty(layers[-1].out_features, points)
        self.error = torch.empty_like(self.output)


def _gradient(parameter: Tensor) -> Tensor:
    """Where its gradient is kept."""
    assert parameter.grad is not None
    return parameter.grad
