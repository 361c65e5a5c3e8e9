"""Networks for the fields of a basis, and their first weights, which depend on a seed alone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream


def initialised(block: Mapping[str, Any], basis: Basis, channels: int, seed: int) -> nn.Module:
    """The network of a block for fields of a basis, its weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, Stream.INITIAL_WEIGHTS).integers(2**63 - 1)))
        return network_of(block, basis, channels)


def network_of(block: Mapping[str, Any], basis: Basis, channels: int) -> nn.Module:
    """The network of a block for fields of ``channels`` channels on the box of a basis."""
    conditioning_channels = 0
    return build("network", block, channels, conditioning_channels, basis.axis_kinds)
