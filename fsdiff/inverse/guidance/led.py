"""Samplers whose every step is led: what kinds of guidance share that need more than estimates."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Step, Stepper


@dataclass(frozen=True, kw_only=True)
class Led(Stepper):
    """Steps of ``sampler`` at its times, with what guidance does in each of them."""

    sampler: Stepper
    kind: Literal["led"] = "led"

    def times(self, process: GaussianPath) -> Tensor:
        """Those of the sampler."""
        return self.sampler.times(process)

    def renewed(self, step: Step) -> Tensor:
        """As the sampler."""
        return self.sampler.renewed(step)
