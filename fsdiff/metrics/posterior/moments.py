"""Errors of a posterior's mean and standard deviation, and of the covariance of large scales."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    AGAINST_TRUTH,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class PosteriorMoments(PosteriorMetric):
    """Mean fields and fields of deviations against those of the reference.

    ``posterior_mean`` is ‖μ − μ*‖/√tr C*, in units of the posterior's own deviation;
    ``posterior_mean_relative`` is ‖μ − μ*‖/‖μ*‖ of the physical fields, as it is often published,
    the mean over channels; ``posterior_sd`` is ‖σ − σ*‖/‖σ*‖, which an estimate without spread has
    not. N draws against M of the reference have ``posterior_mean`` ≈ √(1/N + 1/M).
    """

    kind: Literal["posterior_moments"] = "posterior_moments"
    compared: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words("posterior_mean", "error of the mean, in deviations", AGAINST_REFERENCE),
        Words("posterior_sd", "error of the deviation, relative", AGAINST_REFERENCE),
        Words("posterior_mean_relative", "error of the mean, relative", AGAINST_REFERENCE),
    )
    of_estimates: ClassVar[tuple[str, ...]] = ("posterior_mean", "posterior_mean_relative")

    def measure(self, cases: Cases) -> dict[str, float]:
        """Means over cases."""
        assert cases.reference is not None
        reference = cases.reference

        def errors(case: int) -> Tensor:
            mean, deviation = _moments(cases.draws[case])
            true_mean, true_deviation = _moments(reference[case])
            error, relative = mean - true_mean, cases.relative(mean - true_mean, true_mean)
            spread = (deviation - true_deviation).norm() / true_deviation.norm()
            return torch.stack([error.norm() / true_deviation.norm(), spread, relative])

        found = mean_over_cases(errors, cases)
        return dict(zip(self.results, found.tolist(), strict=True))


@dataclass(frozen=True)
class PosteriorCovariance(PosteriorMetric):
    """‖C − C*‖_F/‖C*‖_F of the covariances of leading coefficients.

    ``modes`` of each channel, those of the lowest wavenumbers. N draws of the reference itself are
    at about √((1 + p)/N), p the effective number of modes, (tr C)²/tr C².
    """

    modes: Annotated[int, Field(ge=1, le=256)] = 20
    kind: Literal["posterior_covariance"] = "posterior_covariance"
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words("posterior_covariance", "error of the covariance of large scales", AGAINST_REFERENCE),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases."""
        assert cases.reference is not None
        reference = cases.reference

        def error(case: int) -> Tensor:
            found, true = (
                torch.atleast_2d(torch.cov(cases.leading(fields.double(), self.modes).T))
                for fields in (cases.draws[case], reference[case])
            )
            return (found - true).norm() / true.norm()

        return {self.kind: float(mean_over_cases(error, cases))}


@dataclass(frozen=True)
class TruthError(PosteriorMetric):
    """Relative L² errors of the posterior mean and of single draws against what was observed.

    ``draw_error`` of the true posterior is √2 times its ``mean_error``, however good the method:
    of a draw the mean square is 2 tr C, of the mean tr C. These are of fields in units of their
    deviation and without their mean, root mean squares over cases and draws.
    ``mean_error_physical`` and ``draw_error_physical`` are what is often published: means over
    cases, draws and channels of ‖û − u‖/‖u‖ of the physical fields, which are smaller where fields
    vary less than their mean is large.
    """

    kind: Literal["truth_error"] = "truth_error"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    words = (
        Words("mean_error", "error of the mean against the truth, relative", AGAINST_TRUTH),
        Words("draw_error", "error of a draw against the truth, relative", AGAINST_TRUTH),
        Words(
            "mean_error_physical",
            "error of the mean against the truth, over the physical truth",
            AGAINST_TRUTH,
        ),
        Words(
            "draw_error_physical",
            "error of a draw against the truth, over the physical truth",
            AGAINST_TRUTH,
        ),
    )
    of_estimates: ClassVar[tuple[str, ...]] = ("mean_error", "mean_error_physical")

    def measure(self, cases: Cases) -> dict[str, float]:
        """Over cases, and draws of each."""
        assert cases.truth is not None
        truth = cases.truth

        def errors(case: int) -> Tensor:
            draws, true = cases.draws[case].double(), truth[case].double()
            single, mean = draws - true, draws.mean(0) - true
            squares = torch.stack([mean.square().sum(), single.square().flatten(1).sum(1).mean()])
            physical = [cases.relative(mean, true), cases.relative(single, true).mean()]
            return torch.cat([squares / true.square().sum(), torch.stack(physical)])

        found = mean_over_cases(errors, cases)
        return dict(
            zip(self.results, [*found[:2].sqrt().tolist(), *found[2:].tolist()], strict=True)
        )


@dataclass(frozen=True)
class Misfit(PosteriorMetric):
    """E‖(G(u) − y)/σ‖² over the number of observations; its mean over cases is 1 if exact.

    On a grid that does not resolve all of what was observed it is more, for exact draws as well.
    """

    kind: Literal["misfit"] = "misfit"
    needs: ClassVar[tuple[Needed, ...]] = ("residuals",)
    words = (Words("misfit", "misfit of draws to the data", AGAINST_TRUTH, target=1.0),)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases and draws."""
        assert cases.residuals is not None
        return {self.kind: float(cases.residuals.double().square().mean())}


def _moments(draws: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation at each node, float64; zero for one draw."""
    draws = draws.double()
    return draws.mean(0), draws.std(0, correction=min(1, len(draws) - 1))
