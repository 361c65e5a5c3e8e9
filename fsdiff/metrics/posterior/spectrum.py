"""Whether draws of a posterior vary at every scale as those of the reference do."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.spectra import SpectrumError
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class PosteriorSpectrum(PosteriorMetric):
    """Root mean square over shells and channels of ln(E/E*), of deviations from the means.

    E is the energy of draws less their mean in a shell of wavenumbers, E* that of the reference; so
    means, of which ``posterior_moments`` tells, have no part in it. Shells and ``negligible`` are
    those of ``spectrum``; |ln c²| for deviations that are c times as large. Nodes without values
    count as zero.
    """

    negligible: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    kind: Literal["posterior_spectrum"] = "posterior_spectrum"
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words(
            "posterior_log_spectrum_error",
            "log-spectrum error of deviations from the mean",
            AGAINST_REFERENCE,
        ),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases."""
        assert cases.reference is not None
        reference, metric = cases.reference, SpectrumError(negligible=self.negligible)

        def error(case: int) -> Tensor:
            own, true = (_deviations(u[case], cases.present) for u in (cases.draws, reference))
            found = metric(own, true, cases.basis)["log_spectrum_error"]
            return torch.tensor(found, dtype=torch.float64)

        return {self.results[0]: float(mean_over_cases(error, cases))}


def _deviations(draws: Tensor, present: Tensor | None) -> Tensor:
    """Draws (count, channels, *grid) less their mean, their mean squares without bias."""
    anomalies = (draws.double() - draws.double().mean(0)) * (1 - 1 / len(draws)) ** -0.5
    return anomalies if present is None else anomalies * present
