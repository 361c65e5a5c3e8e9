"""Methods that are measured on training fields, and not trained."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.methods.base import Method

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler


class Measured(Method):
    """A law that has no loss, and is drawn from directly; errors call it ``called``."""

    called: ClassVar[str]

    @abstractmethod
    def draw(
        self, n: int, indices: Sequence[int], seed: int, condition: Tensor | None = None
    ) -> Tensor:
        """Fields at level n, one per index; each depends on (seed, index) and condition only."""

    def loss(
        self,
        data: Tensor,
        random: torch.Generator,
        part: slice = slice(None),
        *,
        condition: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """There is none."""
        raise NotImplementedError(f"{self.called} is measured, not trained: it has no loss")

    def validation(self, data: Tensor, *, first: int = 0, count: int | None = None) -> NoReturn:
        """There is none, as there is no loss."""
        raise NotImplementedError(f"{self.called} is measured, not trained: it has no loss")

    def sample(
        self,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        sampler: "Sampler | None" = None,
        condition: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """Independent fields; no network is evaluated."""
        if sampler is not None or (condition is not None and self.conditions is None):
            raise ValueError(f"{self.called} is drawn without a sampler and without a condition")
        drawn = self.draw(n, indices, seed, condition)
        return Samples(drawn.to(device), [{} for _ in indices])
