"""Whether chains have converged: R̂ and effective sample sizes, and a refusal where they have not.

Vehtari, Gelman, Simpson, Carpenter and Bürkner, "Rank-normalization, folding, and localization"
(Bayesian Analysis, 2021); ArviZ computes them.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from fsdiff.errors import Error

R_HAT, EFFECTIVE = 1.01, 1000.0
"""What a reference must reach in every quantity."""


class NotConvergedError(Error):
    """Chains that cannot serve as a reference; the message names the worst quantity."""


@dataclass(frozen=True)
class Convergence:
    """R̂, and effective sample sizes in the bulk and the tails, of each quantity by name."""

    r_hat: dict[str, float]
    bulk: dict[str, float]
    tail: dict[str, float]

    @property
    def largest_r_hat(self) -> float:
        """The worst one; NaN where a quantity never changes."""
        return _worst(self.r_hat, largest=True)[1]

    @property
    def least_effective(self) -> float:
        """The smallest effective sample size, of bulk and tails."""
        sizes = (_worst(each, largest=False)[1] for each in (self.bulk, self.tail))
        return float(np.min([*sizes]))

    def check(self, r_hat: float = R_HAT, effective: float = EFFECTIVE) -> "Convergence":
        """Itself; NotConvergedError that names a quantity, its value and the remedy."""
        name, value = _worst(self.r_hat, largest=True)
        if math.isnan(value):
            raise NotConvergedError(
                f"R̂ of {name} is not defined, as it does not change along a chain or is infinite: "
                "no reference. Lengthen burn_in, or lower the kernel's first step"
            )
        if value > r_hat:
            raise NotConvergedError(
                f"R̂ of {name} is {value:.3f}, above {r_hat:g}: chains disagree and are no "
                "reference. Lengthen burn_in and steps, or use tempering, or a kernel that follows "
                "gradients"
            )
        for part, sizes in (("bulk", self.bulk), ("tail", self.tail)):
            name, value = _worst(sizes, largest=False)
            if math.isnan(value):
                raise NotConvergedError(
                    f"effective sample size ({part}) of {name} is not defined: no reference. Take "
                    "more steps"
                )
            if not value >= effective:
                factor = math.ceil(10 * effective / max(value, 1e-9)) / 10
                raise NotConvergedError(
                    f"effective sample size ({part}) of {name} is {value:.0f}, below "
                    f"{effective:g}: no reference. Take about {factor:g} times as many steps"
                )
        return self


def convergence(quantities: Mapping[str, Tensor]) -> Convergence:
    """R̂ and effective sample sizes of quantities (draws, chains); NaN of infinite ones."""
    arviz = _arviz()
    data = {name: values.T.double().numpy() for name, values in quantities.items()}
    chains = arviz.convert_to_dataset({name: np.nan_to_num(each) for name, each in data.items()})
    with np.errstate(divide="ignore", invalid="ignore"):  # of quantities that never change
        measures = (
            arviz.rhat(chains),
            arviz.ess(chains, method="bulk"),
            arviz.ess(chains, method="tail"),
        )
    r_hat, bulk, tail = ({name: float(found[name]) for name in data} for found in measures)
    undefined = [name for name, values in data.items() if not _changes(values)]
    return Convergence(r_hat | dict.fromkeys(undefined, math.nan), bulk, tail)


def _arviz() -> Any:
    """The package, whose import takes seconds that only those pay who have chains."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it announces its next version
        try:
            import arviz
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "convergence of Markov chains is judged by the package arviz: "
                "pip install 'fsdiff[inverse]'"
            ) from error
    return arviz


def _changes(values: np.ndarray) -> bool:
    """Whether a quantity (chains, draws) is finite and changes along every chain."""
    return bool(np.isfinite(values).all() and (np.ptp(values, axis=1) > 0).all())


def _worst(values: Mapping[str, float], *, largest: bool) -> tuple[str, float]:
    """The name and the value that is worst; what is not a number is worse than all others."""
    sign = -1 if largest else 1
    return min(values.items(), key=lambda item: (not math.isnan(item[1]), sign * item[1]))
