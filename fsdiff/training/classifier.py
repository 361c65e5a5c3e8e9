"""Training of classifiers of labelled fields."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from fsdiff.networks.classifier import Classifier
from fsdiff.randomness import generator
from fsdiff.spaces.axes import AxisKind, Nodes
from fsdiff.streams import Stream
from fsdiff.threads import single_thread


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions:
    """Classifiers of the training split, whose features fields are compared in.

    ``count`` of them are trained independently, and numbers are means over these. Each makes
    ``epochs`` passes over the fields, at a ``learning_rate`` that falls to zero along a cosine. In
    every batch each field is moved along each axis by up to the part ``shift`` of its side; 0.07
    are two pixels of a digit.

    Each grid has classifiers of its own, in whose features distances have another scale. With
    ``finest``, fields with more nodes per axis are restricted to the finest grid of the data that
    has no more than these, and seen by its classifiers.

    With ``mask_below``, they see masks: one where a physical field, restricted if need be, is below
    this value, and zero elsewhere. Below zero a signed distance is inside of its shape, so that 0
    makes shapes of signed distances.
    """

    count: Annotated[int, Field(ge=1, le=20)] = 1
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 2e-3
    shift: Annotated[float, Field(ge=0, lt=0.5)] = 0.07
    seed: NonNegativeInt = 0
    finest: Nodes | None = None
    mask_below: Annotated[float, Field(allow_inf_nan=False)] | None = None


@single_thread()
def train_classifier(
    fields: Tensor,
    labels: Tensor,
    axes: Sequence[AxisKind],
    options: ClassifierOptions,
    number: int = 0,
) -> Classifier:
    """The classifier ``number`` of fields (N, channel, *grid) with labels (N,) from 0 upwards.

    Axes are the kinds of those of the grid: along periodic ones fields are moved in a circle, along
    others values at the end are repeated. Weights, order and moves depend on the seed and the
    number alone.
    """
    random = generator(options.seed, Stream.CLASSES, number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random.integers(2**63)))
        # Drawn on the processor, and the same on all devices.
        classes = int(labels.max()) + 1
        network = Classifier(fields.shape[1], fields.shape[2:], classes).to(fields.device)
        _train(network, fields, labels.to(fields.device), axes, options)
    return network.eval()


def _train(
    network: Classifier,
    fields: Tensor,
    labels: Tensor,
    axes: Sequence[AxisKind],
    options: ClassifierOptions,
) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.learning_rate)
    steps = options.epochs * math.ceil(len(fields) / options.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    loss = nn.CrossEntropyLoss()
    for _ in range(options.epochs):
        for batch in torch.randperm(len(fields)).split(options.batch_size):
            moves = moves_of(len(batch), fields.shape[2:], options.shift)
            seen = moved(fields[batch], moves.to(fields.device), axes)
            optimiser.zero_grad()
            loss(network(seen), labels[batch]).backward()
            optimiser.step()
            schedule.step()


def moves_of(count: int, grid: Sequence[int], share: float) -> Tensor:
    """Random whole numbers of nodes (count, axis), up to a share of each axis either way."""
    furthest = torch.tensor([round(share * size) for size in grid])
    return torch.floor((2 * furthest + 1) * torch.rand(count, len(grid))).long() - furthest


def moved(fields: Tensor, moves: Tensor, axes: Sequence[AxisKind]) -> Tensor:
    """Fields (N, channel, *grid), each moved by numbers of nodes (N, axis)."""
    for axis, kind in enumerate(axes):
        size = fields.shape[2 + axis]
        places = torch.arange(size, device=fields.device) - moves[:, axis, None]
        places = places % size if kind == "periodic" else places.clamp(0, size - 1)
        shape = [len(fields), *[1] * (1 + axis), size, *[1] * (len(axes) - axis - 1)]
        fields = fields.gather(2 + axis, places.view(shape).expand_as(fields))
    return fields
