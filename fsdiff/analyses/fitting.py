"""Training on data that are drawn afresh in every step: as many as one likes, none twice."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fsdiff.analyses.base import NetworkFactory
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.randomness import generator
from fsdiff.streams import Stream


def initialised(factory: NetworkFactory, channels: int, seed: int) -> nn.Module:
    """A network with weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_number(seed, Stream.FITTED_WEIGHTS))
        return factory(channels)


def fit(
    denoising: DenoisingLoss,
    draw: Callable[[np.random.Generator], Tensor],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    decay: bool = False,
) -> Iterator[int]:
    """Train with Adam; yields the number of steps before each, and at the end.

    The rate is constant, or falls to zero like a cosine where there is ``decay``.

    ``draw`` makes the fields (batch, channel, *grid) of a step, in the network's precision.
    """
    optimizer = torch.optim.Adam(denoising.denoiser.parameters(), lr=learning_rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if decay else None
    for step in tqdm(range(steps), desc="train", unit="step", disable=None):
        yield step
        data = draw(generator(seed, Stream.FITTED_DATA, step))
        random = torch.Generator().manual_seed(_number(seed, Stream.FITTED_LOSS, step))
        loss = denoising(data, random).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in step {step}: lower learning_rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if rate is not None:
            rate.step()
    yield steps


def _number(seed: int, *stream: int) -> int:
    return int(generator(seed, *stream).integers(2**63 - 1))
