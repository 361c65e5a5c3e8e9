"""Sampling a law without density with its exact conditional expectation."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveInt

from fsdiff.analyses.agreement import MEANINGS, agreement
from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.runs import Recorder, called, ensemble
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.measures.manifolds import ManifoldLaw


@dataclass(frozen=True, kw_only=True)
class ManifoldSampling(Analysis):
    """How near samplers come to a support, and to the law on it, where the network has no error.

    States before the last estimate of the data are compared, which is on the support, or near.
    What is left of their distance is the noise of the smallest time and the sampler's own error.
    """

    numbers: ClassVar[tuple[str, ...]] = tuple(MEANINGS)

    law: ManifoldLaw
    samplers: Annotated[tuple[Sampler, ...], Field(min_length=1)]
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    samples: PositiveInt = 1500
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["manifold_sampling"] = "manifold_sampling"

    def run(self) -> xr.Dataset:
        """The numbers of ``agreement``, (seed, sampler)."""
        exact = self.law.exact(self.process)
        found: list[list[dict[str, float]]] = []
        evaluations: list[int] = []
        for seed in self.seeds:
            runs = [Recorder(exact) for _ in self.samplers]
            for sampler, recorder in zip(self.samplers, runs, strict=True):
                ensemble(sampler, recorder, self.samples, seed)
            states = (recorder.states[-1][1][..., 0] for recorder in runs)
            found.append([agreement(self.law, last, seed) for last in states])
            evaluations = [len(recorder.states) for recorder in runs]
        return results(
            {
                "evaluations": ("sampler", evaluations, "evaluations of the expectation"),
                **{
                    name: (("seed", "sampler"), [[a[name] for a in row] for row in found], meaning)
                    for name, meaning in MEANINGS.items()
                    if name in found[0][0]
                },
            },
            {
                "seed": ("seed", list(self.seeds), "seed"),
                "sampler": ("sampler", called(self.samplers), "sampler"),
            },
        )
