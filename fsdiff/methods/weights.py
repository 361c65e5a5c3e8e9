"""Networks for the fields of a basis, and their first weights, which depend on a seed alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from fsdiff.data.statistics import Statistics
from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

if TYPE_CHECKING:
    from fsdiff.inverse.conditions.base import Conditioning


def initialised(
    block: Mapping[str, Any],
    basis: Basis,
    channels: int,
    seed: int,
    conditioning: "Conditioning | None" = None,
) -> nn.Module:
    """The network of a block for fields of a basis, its weights drawn from ``seed``."""
    with seeded(seed):
        return network_of(block, basis, channels, conditioning)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw first weights from ``seed`` inside the block, and leave all other draws as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, Stream.INITIAL_WEIGHTS).integers(2**63 - 1)))
        yield


def network_of(
    block: Mapping[str, Any],
    basis: Basis,
    channels: int,
    conditioning: "Conditioning | None" = None,
) -> nn.Module:
    """The network of a block for fields of ``channels`` channels on the box of a basis.

    What a condition has measured travels with the weights of a network that is given it.
    """
    more = 0 if conditioning is None else conditioning.channels
    network: nn.Module = build("network", block, channels, more, basis.axis_kinds)
    if conditioning is not None:
        network.conditioning = conditioning
    return network


def conditioning_of(
    config: Mapping[str, Any], basis: Basis, statistics: Statistics
) -> "Conditioning | None":
    """The condition that an experiment's blocks have, if any."""
    if config.get("condition") is None:
        return None
    found: Conditioning = build("condition", config["condition"]).conditioning(basis, statistics)
    return found
