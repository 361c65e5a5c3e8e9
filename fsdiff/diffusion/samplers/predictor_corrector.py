"""Steps of any method, each followed by Langevin dynamics."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.annealed_langevin import StepSize, langevin
from fsdiff.diffusion.samplers.base import Method, State, Step, Stepper, Update
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.times import Corrections
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True, kw_only=True)
class PredictorCorrector(Stepper):
    """Steps of ``sampler``, each followed by ``corrections`` Langevin steps at its end.

    Song et al. (arXiv 2011.13456), Algorithm 1. Their steps x + ε∇ log p + √(2ε) z, Algorithms 4
    and 5, have ε = 2(ρ‖z‖/‖∇ log p‖)² with ρ = 0.16, which where noise prevails is ½ a r² with a
    ``step_size`` a = 4ρ² ≈ 0.1. The default is half of that: left to themselves, steps have a
    variance that is too large by the factor 1/(1 − a/4).
    """

    sampler: Method = field(default_factory=DDIM)
    corrections: Corrections = 1
    step_size: StepSize = 0.05
    kind: Literal["predictor_corrector"] = "predictor_corrector"

    def times(self, process: GaussianPath) -> Tensor:
        """Those of the predictor."""
        return self.sampler.times(process)

    def update(self, step: Step) -> Update:
        """Predict, then correct."""
        predict = self.sampler.update(step)
        correct = langevin(step, self.corrections, self.step_size)

        def update(state: State) -> None:
            predict(state)
            correct(state)

        return update

    def renewed(self, step: Step) -> Tensor:
        """That of the predictor, or of a correction if that is more."""
        return self.sampler.renewed(step).clamp_min(0.5 * self.step_size)

    def check(self, process: GaussianPath) -> None:
        """As the predictor."""
        self.sampler.check(process)

    def check_grid(self, process: GaussianPath, basis: Basis, n: int) -> None:
        """As the predictor."""
        self.sampler.check_grid(process, basis, n)
