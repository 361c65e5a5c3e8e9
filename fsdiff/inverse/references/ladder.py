"""With how wide errors chains run that swap: as many as it takes for swaps to be accepted.

Between chains at the informations β < β', with misfits Φ and Φ', a swap is accepted with the
probability E min(1, exp((β' − β)(Φ' − Φ))) = 2 P(Φ' > Φ), whatever the law of misfits is, as the
ratio of the two densities falls with the misfit. Where misfits are normal this is erfc(x) with an x
that adds up from rung to rung, as the barrier of Syed, Bouchard-Côté, Deligiannidis and Doucet
("Non-reversible parallel tempering", JRSS B, 2022) does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from fsdiff.inverse.references.fitted import FittedLaw
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import Prior


@dataclass(frozen=True)
class Stage:
    """What an ensemble on its way to a posterior was where data had the share ``information``.

    ``misfits`` (particles,) are Φ of all its members with errors as wide as they are, tolerances
    aside; ``law`` is the law for steps there, and ``deviations`` (chains, *shape) are some members.
    """

    information: float
    misfits: Tensor
    law: FittedLaw
    deviations: Tensor


def stacked(stages: Sequence[Stage]) -> tuple[dict[str, Tensor], list[float]]:
    """Stages as tensors by name, one or more, and their shares of information."""
    parts = {
        "stage_misfits": [stage.misfits for stage in stages],
        "stage_centres": [stage.law.centre for stage in stages],
        "stage_factors": [stage.law.factor for stage in stages],
        "stage_deviations": [stage.deviations for stage in stages],
    }
    tensors = {name: torch.stack(each) for name, each in parts.items()}
    return tensors, [stage.information for stage in stages]


def unstacked(
    tensors: Mapping[str, Tensor], shares: Sequence[float], prior: Prior, functions: Tensor
) -> list[Stage]:
    """What ``stacked`` was given."""
    names = ("misfits", "centres", "factors", "deviations")
    each = zip(*(tensors[f"stage_{name}"] for name in names), strict=True)
    return [
        Stage(share, seen, FittedLaw(prior, functions, centre, factor), deviations)
        for share, (seen, centre, factor, deviations) in zip(shares, each, strict=True)
    ]


@dataclass(frozen=True)
class Rung:
    """Chains at one information: where they start, and the law that their steps are about."""

    information: float
    law: FittedLaw
    deviations: Tensor


def misfits(posterior: Posterior, observed: Tensor) -> Tensor:
    """Those of what is observed of an ensemble, (particles,); ∞ where nothing is."""
    found = posterior.likelihood.misfit(observed, posterior.data)
    return found.nan_to_num(nan=torch.inf, posinf=torch.inf)


def swap_rate(warm: Tensor, cold: Tensor) -> float:
    """How many swaps are accepted between laws from which these misfits were drawn."""
    ordered, cold = warm.sort().values, cold.contiguous()
    below = torch.searchsorted(ordered, cold, right=False) + torch.searchsorted(
        ordered, cold, right=True
    )
    return min(1.0, float(below.double().mean()) / len(warm))


def informations(stages: Sequence[Stage], swaps: float, most: int) -> list[float]:
    """The least number of rungs, from 1 down, between which a share of ``swaps`` is accepted.

    All accept alike; fewer where there would be more than ``most`` of them. ``stages`` are those of
    an ensemble from the prior on; the last rung is the first of them that has seen data, whose law
    draws of the prior meet often.
    """
    seen = stages[1:]
    barrier = np.cumsum([0.0, *(_barrier(a, b) for a, b in pairwise(seen))])
    gaps = min(math.ceil(barrier[-1] / _normal(swaps) - 1e-9), most - 1)
    if gaps < 1:
        return [1.0]
    heights = np.linspace(barrier[-1], 0.0, gaps + 1)
    logarithms = np.log([stage.information for stage in seen])
    return [float(value) for value in np.exp(np.interp(heights, barrier, logarithms))]


def ladder(stages: Sequence[Stage], cold: Rung, swaps: float, most: int) -> list[Rung]:
    """``cold``, and rungs above it; these start where the ensemble was before it came there.

    Laws of that stage are the wider ones: steps about one that is too narrow stay where it is
    improbable.
    """
    rungs = [cold]
    for information in informations(stages, swaps, most)[1:]:
        before = [stage for stage in stages if stage.information < information * (1 - 1e-9)][-1]
        rungs.append(Rung(information, before.law, before.deviations))
    return rungs


def _barrier(warm: Stage, cold: Stage) -> float:
    """What two stages are apart, by the swaps between them, of which there are always some."""
    least = 1 / len(warm.misfits)
    rate = swap_rate(warm.misfits, cold.misfits)
    return _normal(min(max(rate, least), 1 - least))


def _normal(rate: float) -> float:
    """x with erfc(x) = rate."""
    return float(torch.erfinv(torch.tensor(1 - rate, dtype=torch.float64)))
