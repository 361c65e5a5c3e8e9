"""What a publication claims, and whether the rows of a summary bear it out.

A claim is about one number: a result of an experiment at a resolution, or its ratio to that of
others. It holds if the number lies between bounds. Every seed gives a value; the number is known up
to a 95 % confidence interval (``intervals``), and a claim is decided only if that interval lies on
one side of a bound.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, FiniteFloat, PositiveInt

from fsdiff.metrics.results import parsed
from fsdiff.reports.findings import select
from fsdiff.reports.intervals import MOST_SEEDS, Estimate, Values, Verdict, mean, p_value, ratio
from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.summary import beside

if TYPE_CHECKING:
    import xarray as xr

COUNTS = ("parameters", "network_evaluations", "fine_evaluations", "candidates")
"""Results that chance has no part in where all seeds have the same."""

Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim: ``statement`` says it in words, ``where`` it is made, ``published`` its numbers.

    It is about the column ``metric`` of the summary, for the rows of ``experiment`` at
    ``resolution``; or of a search, which has ``kendall_tau``, ``spearman_rho`` and ``regret`` at
    its fine resolution. ``against`` other experiments it is about the ratio of geometric means to
    each of them, at the same resolution or at ``against_resolution``, of the same metric or of
    ``against_metric``. ``real``, ``surrogate`` and ``white_noise`` are the references of the data
    set where no experiment is called so, of as many fields: the mean over divisions of the data, of
    sizes where a number has either sign; values are compared, not their deviations from a target,
    and the interval has the scatter of the experiment alone.
    With ``epoch`` it is about samples during training, after an epoch of the finest level, or about
    the ``best`` of them. It holds if the number, or every ratio, is from ``at_least`` to
    ``at_most``. What cannot be checked has a reason in ``not_checkable`` instead.

    Instead of an experiment it may be about an ``analysis``: ``metric`` is then one of its results,
    ``at`` the entries of its dimensions but the seed, and ``against`` are analyses, at
    ``against_at`` if that is another place.
    """

    where: Text
    statement: Text
    published: str = ""
    metric: Text | None = None
    experiment: Text | None = None
    resolution: PositiveInt | None = None
    analysis: Text | None = None
    at: dict[Text, str | int | float] = field(default_factory=dict)
    against_at: dict[Text, str | int | float] | None = None
    against: tuple[Text, ...] = ()
    against_resolution: PositiveInt | None = None
    against_metric: Text | None = None
    epoch: PositiveInt | Literal["best"] | None = None
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    not_checkable: Text | None = None

    def __post_init__(self) -> None:
        checked = {
            name: getattr(self, name)
            for name in ("metric", "experiment", "resolution", "analysis")
            if getattr(self, name) is not None
        }
        of_analysis = checked.keys() == {"metric", "analysis"}
        of_experiment = checked.keys() == {"metric", "experiment", "resolution"}
        bounded = self.at_least is not None or self.at_most is not None
        if self.not_checkable and (checked or bounded):
            raise ValueError("say how it is checked or that it is not checkable, not both")
        if not self.not_checkable and not (bounded and (of_analysis or of_experiment)):
            raise ValueError(
                "give metric, experiment, resolution and at_least or at_most, or metric, analysis "
                "and these, or say why it is not_checkable"
            )
        if (self.at or self.against_at) and not of_analysis:
            raise ValueError("at and against_at: leave them out, they are about an analysis")
        low, high = self.bounds
        if low >= high:
            raise ValueError(f"at_most = {high:g}: give more than at_least, {low:g}")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that the claim allows."""
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.at_most is None else self.at_most
        return low, high

    @property
    def analyses(self) -> tuple[str, ...]:
        """The analyses that the claim is about."""
        return () if self.analysis is None else (self.analysis, *self.against)

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """(experiment, resolution) of all rows that the claim is about."""
        if self.experiment is None or self.resolution is None:
            return ()
        other = self.against_resolution or self.resolution
        return ((self.experiment, self.resolution), *((name, other) for name in self.against))


@dataclass(frozen=True)
class Finding:
    """What became of a claim: the verdict, our numbers, and why it could not be checked."""

    verdict: Verdict
    estimates: tuple[Estimate, ...] = ()
    reason: str = ""


Results = Mapping[str, "xr.Dataset"]
"""Results of analyses by name."""

Shares = Mapping[str | None, Collection[str]]
"""Results that are from 0 to 1, by the name of an analysis, None for those of experiments."""

CORRELATIONS = ("kendall_tau", "spearman_rho")
"""Results of searches that are from −1 to 1."""


def judge(
    claim: Claim,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None = None,
    analyses: Results | None = None,
    shares: Shares | None = None,
) -> Finding:
    """The finding about a claim.

    ``summary`` has a row per experiment or search, seed and resolution, ``trajectories`` one per
    epoch, too. Intervals of ``shares`` are from 0 to 1.
    """
    limits = _limits(claim, shares or {})
    if claim.metric is None:
        return Finding("not checkable", reason=claim.not_checkable or "")
    if claim.analysis is not None:
        return _judge_analysis(claim, claim.metric, claim.analysis, analyses or {}, limits)
    metrics = [claim.metric, *[claim.against_metric or claim.metric] * len(claim.against)]
    try:
        table = summary if claim.epoch is None else _after(trajectories, claim.epoch, metrics)
        own, *others = (
            _values(table, metric, *rows, experiment=claim.experiment)
            for metric, rows in zip(metrics, claim.rows, strict=True)
        )
        estimates = (
            tuple(
                ratio(name, own, values) for name, values in zip(claim.against, others, strict=True)
            )
            if others
            else (_alone(claim.metric, own, limits),)
        )
    except LookupError as error:
        return Finding("not checkable", reason=str(error.args[0]))
    return _combined(estimates, claim.bounds)


def judge_all(
    claims: Mapping[str, Claim],
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None = None,
    analyses: Results | None = None,
    shares: Shares | None = None,
) -> dict[str, Finding]:
    """The findings about all claims."""
    known = summary, trajectories, analyses, shares
    return {name: judge(claim, *known) for name, claim in claims.items()}


def _limits(claim: Claim, shares: Shares) -> tuple[float, float]:
    """Between which numbers the result that a claim is about always is."""
    key = parsed(claim.metric or "")[0]
    if key in shares.get(claim.analysis, ()):
        return 0.0, 1.0
    return (-1.0, 1.0) if key in CORRELATIONS else (-np.inf, np.inf)


def _judge_analysis(
    claim: Claim, metric: str, analysis: str, results: Results, limits: tuple[float, float]
) -> Finding:
    """The finding about a claim on analyses."""
    at = claim.at if claim.against_at is None else claim.against_at
    try:
        own = _of_analysis(results[analysis], metric, claim.at)
        other = claim.against_metric or metric
        others = {name: _of_analysis(results[name], other, at) for name in claim.against}
        estimates = tuple(ratio(name, own, values) for name, values in others.items())
        if not estimates and f"{metric}_low" in results[analysis]:
            estimates = (_of_tests(results[analysis], metric, claim.at),)
    except LookupError as error:
        return Finding("not checkable", reason=str(error.args[0]))
    return _combined(estimates or (_alone(metric, own, limits),), claim.bounds)


def _alone(metric: str, own: Values, limits: tuple[float, float]) -> Estimate:
    """The mean of numbers; p-values combine otherwise."""
    if parsed(metric)[0].endswith("p_value"):
        return p_value(metric, own)
    return mean(metric, own, limits)


def _of_analysis(result: "xr.Dataset", metric: str, at: Mapping[str, str | int | float]) -> Values:
    """The numbers of a result at entries of its dimensions, one for each seed if it has any."""
    found = select(result, metric, at)
    if others := [str(name) for name in found.dims if name != "seed"]:
        raise LookupError(f"say at which {' and '.join(others)} {metric} is meant")
    values = found.values.ravel()
    if not np.isfinite(values).all():
        raise LookupError(f"{metric} is no number")
    return Values(values, tuple(found["seed"].values.tolist()) if "seed" in found.dims else ())


def _of_tests(result: "xr.Dataset", metric: str, at: Mapping[str, str | int | float]) -> Estimate:
    """A number whose interval, NAME_low to NAME_high, the analysis itself knows."""
    value, low, high = (
        float(select(result, f"{metric}{end}", at)) for end in ("", "_low", "_high")
    )
    return Estimate(metric, value, low, high, 0)


def _combined(estimates: tuple[Estimate, ...], bounds: tuple[float, float]) -> Finding:
    """All must hold; one that does not is enough to refute the claim."""
    verdicts = {estimate.verdict(bounds) for estimate in estimates}
    if "not reproduced" in verdicts:
        return Finding("not reproduced", estimates)
    if verdicts == {"reproduced"}:
        return Finding("reproduced", estimates)
    low, high = bounds
    holds = "holds" if all(low <= estimate.value <= high for estimate in estimates) else "fails"
    seeds = min((estimate.seeds for estimate in estimates if estimate.seeds), default=0)
    if not seeds:
        reason = f"it {holds} here, but the interval leaves both possible"
    elif seeds < 2:
        reason = f"it {holds} here, but one seed does not say how far results scatter"
    elif any(np.isnan(estimate.low) for estimate in estimates):
        reason = f"it {holds} here, but {seeds} seeds with the same outcome may be so by chance"
    else:
        still_open = [one for one in estimates if one.verdict(bounds) == "not checkable"]
        of_tests = all(one.limited_by_tests for one in still_open)
        what = (
            f"so few tests of {seeds} seeds leave"
            if of_tests
            else f"the scatter of {seeds} seeds leaves"
        )
        reason = f"it {holds} on average, but {what} both possible"
        reason += f": {_needed(still_open, bounds)} would decide it"
    return Finding("not checkable", estimates, reason)


def _needed(still_open: Sequence[Estimate], bounds: tuple[float, float]) -> str:
    """About how many seeds all estimates that are open would need."""
    count = max(one.seeds_to_decide(bounds) for one in still_open if one.seeds)
    if count > MOST_SEEDS:
        return f"more than {MOST_SEEDS} seeds"
    return f"about {float(f'{count:.2g}'):.0f} seeds"


def _after(
    trajectories: pd.DataFrame | None, epoch: int | Literal["best"], metrics: Sequence[str]
) -> pd.DataFrame:
    """The rows of trajectories after an epoch, or the least of each metric during training."""
    if trajectories is None:
        raise LookupError("no samples were drawn during training")
    if epoch != "best":
        return trajectories[trajectories["epoch"] == epoch]
    identity = ["experiment", "row", "seed", "resolution"]
    known = [name for name in dict.fromkeys(metrics) if name in trajectories]
    return trajectories.groupby(identity, as_index=False)[known].min()


def _values(
    summary: pd.DataFrame, metric: str, name: str, resolution: int, experiment: str | None
) -> Values:
    """The numbers of one of that name, or of a reference beside an ``experiment``.

    LookupError, with the reason, where there is none.
    """
    if metric not in summary:
        raise LookupError(f"the summary has no {metric}")
    known = summary[summary["row"].isin(["model", "search"])]
    rows = known[known["experiment"] == name]
    if exact := rows.empty and name in REFERENCES and "dataset" in summary:
        own = known[known["experiment"] == experiment].assign(resolution=resolution)
        rows = beside(summary, name, own)
    rows = rows[rows["resolution"] == resolution].sort_values("seed")
    values = rows[metric].to_numpy(float)
    if np.isnan(values).all():
        raise LookupError(f"the summary has no {metric} of {name} at {resolution}")
    if exact and np.isfinite(values).any():
        return Values(_of_divisions(values[np.isfinite(values)]))
    if wrong := int((~np.isfinite(values)).sum()):
        what = f"{metric} of {name} at {resolution} is no number"
        raise LookupError(f"{what} for {wrong} of {len(values)} seeds")
    if metric in COUNTS and len(set(values)) == 1:
        return Values(values[:1])
    key = parsed(metric)[0]
    low, high, tests = (
        f"{key}_{name}{metric.removeprefix(key)}" for name in ("low", "high", "tests")
    )
    return Values(
        values,
        tuple(rows["seed"]),
        ends=rows[[low, high]].to_numpy(float).T if {low, high} <= set(rows) else None,
        tests=rows[tests].to_numpy(float) if tests in rows else None,
        single=bool((rows["row"] == "search").any()),
    )


def _of_divisions(values: np.ndarray) -> np.ndarray:
    """One number of all divisions of the data: the mean, of sizes where there are both signs."""
    signs = values.min() < 0 < values.max()
    return np.array([np.abs(values).mean() if signs else values.mean()])
