"""Posteriors of linear maps of Gaussian fields: independent draws from the closed form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch

from fsdiff.inverse.references.base import Draws, Reference
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.jobs.interruption import interruptible


@dataclass(frozen=True, kw_only=True)
class Exact(Reference):
    """Independent draws from the posterior itself, which is Gaussian where the map is linear.

    Drawn on the grid on which the data were observed, so that fields on a coarser one are those of
    the true posterior, too.
    """

    kind: Literal["exact"] = "exact"
    finest: ClassVar[bool] = True

    def check_posterior(self, posterior: Posterior) -> None:
        """Refuse maps that are not linear."""
        if not posterior.map.affine:
            raise ValueError(
                "reference 'exact' knows the posteriors of linear maps of Gaussian fields only, "
                "and this map is not linear: use 'chains'"
            )

    def length(self, count: int) -> int:
        """One for each draw."""
        return count

    def draw(
        self,
        posterior: Posterior,
        count: int,
        seed: int,
        *,
        state: Path | None = None,
        progress: Callable[[int], object] = lambda steps: None,
    ) -> Draws:
        """Draws in closed form; an interrupted run starts again. ValueError for other maps."""
        self.check_posterior(posterior)
        law = GaussianPosterior.of(posterior)
        drawn = []
        with interruptible() as work:
            for number in range(count):
                drawn.append(law.sample([number], seed)[0].float())
                progress(1)
                work.check(f"draw {number + 1} of {count}")
        return Draws(torch.stack(drawn), math.nan, count, math.nan)
