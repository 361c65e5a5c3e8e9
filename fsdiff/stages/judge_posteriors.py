"""Compare draws of posteriors with references and with what was observed, beside baselines."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import json_files, storage
from fsdiff.data.storage import Provenance
from fsdiff.jobs.devices import chosen_device
from fsdiff.metrics.posterior.base import Cases, PosteriorMetric, evaluate
from fsdiff.metrics.results import of_channel
from fsdiff.parts import build
from fsdiff.stages.baselines import Setting, baselines
from fsdiff.stages.files import frames_as_channels
from fsdiff.stages.job import Job
from fsdiff.stages.judge import Judge
from fsdiff.stages.observed import Observed, physical_draws

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PosteriorJudge:
    """Compares draws by all metrics, on all channels together and on each.

    Metrics see fields as ``Judge`` normalises them, in units of each channel's own deviation.
    ``truth`` (case, channel, *grid), unless of measurements, and ``reference`` (case, draw,
    channel, *grid), if there is one, are normalised. The reference may be on a coarser grid than
    the draws, on which these are compared with it then. Where data have nodes without values, what
    draws have there is of no account.
    """

    judge: Judge
    metrics: Mapping[str, PosteriorMetric]
    truth: Tensor | None
    reference: Tensor | None = None

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        data: xr.Dataset,
        observed: Observed,
        classifiers: Path | None = None,
    ) -> "PosteriorJudge":
        """That of a job's configuration, for fields like those of a data set, without reference.

        ``classifiers`` is the file with those of the data. Metrics that need them are left out
        where there are none, because the data have no labels.
        """
        blocks = config["posterior_metrics"].items()
        built = {name: build("posterior_metrics", block) for name, block in blocks}
        if classifiers is None:
            metrics = {name: metric for name, metric in built.items() if not metric.classified}
        else:
            metrics = {name: metric.given(classifiers) for name, metric in built.items()}
        plain = {"metrics": {}, "basis": config["basis"]}
        judge = Judge.of(plain, data, chosen_device("metrics"))
        if not observed.truths:
            return cls(judge, metrics, None)
        truth = data["field"].sel(sample=list(observed.samples)).compute()
        return cls(judge, metrics, judge.normalise(frames_as_channels(truth)))

    def with_reference(self, draws: Tensor | None) -> "PosteriorJudge":
        """With physical draws (case, draw, channel, *grid) of a reference, or without any."""
        return replace(self, reference=None if draws is None else self.normalise(draws))

    def normalise(self, draws: Tensor) -> Tensor:
        """Physical draws (case, draw, channel, *grid) as metrics see them."""
        return self.judge.normalise(draws.flatten(0, 1)).unflatten(0, draws.shape[:2])

    def __call__(self, draws: Tensor, residuals: Tensor) -> dict[str, float]:
        """The numbers of physical draws and their residuals (case, draw, datum), all float."""
        return self._row(self.normalise(draws), self.reference, residuals)

    def halves(self, residuals: Tensor) -> dict[str, float]:
        """The numbers of every other draw of the reference, against all others."""
        assert self.reference is not None
        return self._row(self.reference[:, 1::2], self.reference[:, ::2], residuals[:, 1::2])

    def by_case(self, draws: Tensor, residuals: Tensor) -> list[dict[str, float]]:
        """Those of the numbers of physical draws that posteriors are ranked by, for each case."""
        chosen = {name: metric for name, metric in self.metrics.items() if metric.compared}
        own = replace(self, metrics=chosen)
        sets = self._sets(self.normalise(draws), self.reference, residuals)
        return [own._evaluated([cases.one(case) for cases in sets]) for case in range(len(draws))]

    def _sets(self, draws: Tensor, reference: Tensor | None, residuals: Tensor) -> list[Cases]:
        """Draws with all that they are compared with; by itself a reference on a coarser grid."""
        basis, device = self.judge.basis, self.judge.device
        draws, residuals = draws.to(device), residuals.to(device)
        reference = None if reference is None else reference.to(device)
        n = basis.resolution(draws)
        truth = None if self.truth is None else basis.restrict(self.truth.to(device), n)
        if reference is None or basis.resolution(reference) == n:
            return [Cases(draws, basis, truth, reference, residuals, **self._about(draws))]
        coarse = basis.restrict(draws, basis.resolution(reference))
        return [
            Cases(draws, basis, truth, None, residuals, **self._about(draws)),
            Cases(coarse, basis, reference=reference, **self._about(coarse)),
        ]

    def _about(self, draws: Tensor) -> dict[str, Tensor | None]:
        """Which nodes have values, and where the physical field zero is."""
        zero = self.judge.normalise(torch.zeros(1, *draws.shape[2:]))[0]
        return {"present": self.judge.present(draws), "origin": zero.to(draws)}

    def _row(self, draws: Tensor, reference: Tensor | None, residuals: Tensor) -> dict[str, float]:
        sets = self._sets(draws, reference, residuals)
        row = self._evaluated(sets)
        single = {name: metric for name, metric in self.metrics.items() if not metric.joint}
        apart = replace(self, metrics=single)
        for name, numbers in self.judge.channels.items():
            own = list(numbers)
            try:
                found = apart._evaluated([cases.of_channels(own) for cases in sets])
            except ValueError as error:
                raise ValueError(f"channel {name}: {error}") from error
            row |= {of_channel(key, name): value for key, value in found.items()}
        return row

    def _evaluated(self, sets: Sequence[Cases]) -> dict[str, float]:
        """The numbers of all metrics, each from the set of cases that has what it needs."""
        row: dict[str, float] = {}
        for number, cases in enumerate(sets):
            own = {
                name: metric
                for name, metric in self.metrics.items()
                if number == 0 or "reference" in metric.needs
            }
            row |= evaluate(own, cases)
        return row


def judge_posterior(
    job: Job,
    *,
    observation: Path,
    draws: Path,
    reference: Path | None,
    data: Path,
    output: Path,
    classifiers: Path | None = None,
) -> None:
    """Compare the draws of a model with the truth and, if there is one, a reference.

    ``data`` is the data set's file at the resolution of the draws. A reference that has not
    converged is left out; ``output`` says so under the key ``reference``, and has under ``by_case``
    the numbers of each case by which posteriors are ranked, and under ``particles`` what these have
    told of each case, if it was particles that were drawn.
    """
    judge, observed, about, _ = _opened(job, observation, data, reference, classifiers)
    dataset = storage.read_results(draws)
    fields = physical_draws(dataset)
    if len(fields) != len(observed.samples):
        raise ValueError(
            f"{draws} has draws of {len(fields)} cases and {observation} {len(observed.samples)}: "
            "draw again"
        )
    residuals = torch.from_numpy(dataset["residuals"].values)
    rows = [{"row": "posterior", **judge(fields, residuals)}]
    by_case = {"posterior": judge.by_case(fields, residuals)}
    _write(job, output, rows, about | {"by_case": by_case, "particles": _particles(dataset)})


def _particles(draws: xr.Dataset) -> list[dict[str, float]]:
    """What systems of particles have told of each case, in the mean or at worst; if there were any.

    ``collapsed`` is 1 where too few of a system were in effect.
    """
    if "log_evidence" not in draws:
        return []
    found = {
        "log_evidence": draws["log_evidence"].mean("draw"),
        "effective_share": draws["effective_share"].min("draw"),
        "collapsed": draws["collapsed"].max("draw"),
    }
    columns = zip(*(values.values.tolist() for values in found.values()), strict=True)
    return [dict(zip(found, case, strict=True)) for case in columns]


def judge_baselines(
    job: Job,
    *,
    observation: Path,
    reference: Path | None,
    data: Path,
    output: Path,
    classifiers: Path | None = None,
) -> None:
    """Compare what needs no model, from the prior to the reference itself, in the same way.

    Rows are those of ``fsdiff.stages.baselines`` and, of a reference that has converged, its halves
    against each other. What cannot be had is left out, with its reason under ``left_out``.
    """
    judge, observed, about, own = _opened(job, observation, data, reference, classifiers)
    rows, by_case, left_out = [], {}, {}
    setting = Setting.of(job["config"], observed, data)
    for name, draw in baselines(setting).items():
        try:
            fields = draw()
        except (ValueError, ArithmeticError) as error:
            logger.warning("row '%s' is left out: %s", name, error)
            left_out[name] = str(error)
            continue
        residuals = torch.stack([setting.residuals(u, case) for case, u in enumerate(fields)])
        rows.append({"row": name, **judge(fields.float(), residuals)})
        by_case[name] = judge.by_case(fields.float(), residuals)
    if own is not None and judge.reference is not None:
        rows.append({"row": "reference", **judge.halves(own)})
    _write(job, output, rows, about | {"left_out": left_out, "by_case": by_case})


def _opened(
    job: Job,
    observation: Path,
    data: Path,
    reference: Path | None,
    classifiers: Path | None,
) -> tuple[PosteriorJudge, Observed, dict[str, Any], Tensor | None]:
    """The judge, what was observed, what is said of the reference, and its residuals."""
    config = job["config"]
    observed = Observed.read(observation, build("basis", config["basis"]))
    with storage.read(data, chunks="auto") as dataset:
        judge = PosteriorJudge.of(config, dataset, observed, classifiers)
    if reference is None:
        return judge, observed, {"reference": {"used": False, "remark": "there is none"}}, None
    drawn = storage.read_results(reference)
    used = bool(drawn.attrs["converged"])
    about = {"reference": {"used": used, "remark": drawn.attrs["remark"]}}
    if not used:
        logger.warning("%s is no reference and not used: %s", reference, drawn.attrs["remark"])
        return judge, observed, about, None
    judge = judge.with_reference(physical_draws(drawn))
    return judge, observed, about, torch.from_numpy(drawn["residuals"].values)


def _write(job: Job, output: Path, rows: list[dict[str, Any]], about: Mapping[str, Any]) -> None:
    made = Provenance.of_job(job)
    json_files.write(output, {"rows": rows, **about, **made.attributes()})
