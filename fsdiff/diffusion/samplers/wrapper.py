"""What samplers share that take the steps of another, on other grids or from another start."""

import copy
from dataclasses import dataclass, field
from typing import Self

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Lead, Sampler, Stepper
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True, kw_only=True)
class Wrapper(Sampler):
    """A sampler that takes the steps of ``sampler`` in a way of its own."""

    sampler: Stepper = field(default_factory=DPMSolver)

    @property
    def stepper(self) -> Stepper:
        """The sampler inside."""
        return self.sampler

    def led(self, lead: Lead) -> Self:
        """The same with what is made of the sampler inside."""
        own = copy.copy(self)  # with training fields, if it was given some
        object.__setattr__(own, "sampler", self.sampler.led(lead))
        return own

    def check(self, process: GaussianPath) -> None:
        """As the sampler inside."""
        self.sampler.check(process)

    def check_grid(self, process: GaussianPath, basis: Basis, n: int) -> None:
        """As the sampler inside."""
        self.sampler.check_grid(process, basis, n)
