"""Samplers whose every step is led: what kinds of guidance share that need more than estimates."""

from dataclasses import dataclass

from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Run, Step, Stepper, Update


@dataclass(frozen=True, kw_only=True)
class Led(Stepper):
    """Steps of ``sampler`` at its times, with what guidance does in each of them."""

    sampler: Stepper

    @property
    def kind(self) -> str:
        """That of the sampler: nobody asks for it by a name of its own."""
        return self.sampler.kind

    def times(self, process: GaussianPath) -> Tensor:
        """Those of the sampler."""
        return self.sampler.times(process)

    def last(self, run: Run, now: Marginal) -> Update:
        """As the sampler."""
        return self.sampler.last(run, now)

    def renewed(self, step: Step) -> Tensor:
        """As the sampler."""
        return self.sampler.renewed(step)
