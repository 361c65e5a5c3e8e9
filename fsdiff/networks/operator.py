"""What neural operators made of layers of this package have in common."""

from abc import abstractmethod

import torch
from torch import Tensor

from fsdiff.networks.base import Network, check_fields
from fsdiff.networks.embeddings import with_conditioning
from fsdiff.networks.operations import chosen_precision


class Operator(Network):
    """A network whose features at nodes may be of lower precision than its weights.

    Autocast chooses that precision and does nothing else: transforms and coefficients keep theirs.
    """

    channels: int
    conditioning_channels: int

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, *grid), at noise levels t (batch,)."""
        check_fields(self, x, t)
        x = with_conditioning(x, conditioning, self.conditioning_channels)
        precision = chosen_precision(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._evaluate(x, t, precision)

    @abstractmethod
    def _evaluate(self, x: Tensor, t: Tensor, precision: torch.dtype) -> Tensor:
        """Output for fields and conditioning x, with features at the nodes in some precision."""
