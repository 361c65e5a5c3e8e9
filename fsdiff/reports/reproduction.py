"""A page that sets what a publication claims beside what was found, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fsdiff.reports.claims import Claim, Finding
from fsdiff.reports.intervals import CONFIDENCE, Estimate, Verdict
from fsdiff.reports.plain_text import code, markdown, table_row
from fsdiff.reports.summary import Known, column_title

VERDICTS: tuple[Verdict, ...] = ("reproduced", "not reproduced", "not checkable")

_GUIDE = f"""\
Numbers are means over seeds, ratios those of geometric means (of means where not all are positive);
in brackets the {100 * CONFIDENCE:.0f} % confidence interval, from the scatter of the seeds:
Student's t, which for shares ends at 0 and 1, for ratios that of pairs of equal seeds, or Welch's
or Fieller's; *exact* is what no chance is in. Shares of independent tests are known no better than
Clopper and Pearson's intervals let them be, and p-values of several seeds are told as twice their
mean, which is one of all together. A claim is *reproduced* if the whole interval lies within the
bounds that it sets, *not reproduced* if none of it does, and *not checkable* where the interval
holds both, where there is only one seed, or for the reason that is given. Fields are compared with
test data; `real` are other test data in their place, `surrogate` a Gaussian law with their
spectrum."""


def page(
    claims: Mapping[str, Claim],
    findings: Mapping[str, Finding],
    experiments: Sequence[Mapping[str, Any]],
    known: Known = None,
    analyses: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page: how many claims are borne out, every claim with its finding, and the settings.

    ``experiments`` have ``name``, ``title``, ``dataset``, ``train``, ``levels`` (each with
    ``resolution``, ``epochs`` and ``batch_size``), ``seeds``, ``sampler`` and ``count``. ``known``
    is what metrics call their results. ``analyses`` have ``name``, ``title`` and their ``block``.
    """
    counts = Counter(finding.verdict for finding in findings.values())
    lines = ["# Published claims and what was found", ""]
    lines += [", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + ".", ""]
    lines += [_GUIDE, "", *_table(_CLAIMS, [_row(claims[n], findings[n], known) for n in claims])]
    lines += ["", "## Settings", ""]
    lines += [*_table(_SETTINGS, map(_setting, experiments)), ""] if experiments else []
    lines += [*_table(_OF_ANALYSES, map(_of_analysis, analyses)), ""] if analyses else []
    return "\n".join(lines)


_CLAIMS = ("where", "claim", "published", "checked by", "found", "verdict")
_SETTINGS = ("experiment", "data", "trained", "sampled", "seeds")
_OF_ANALYSES = ("analysis", "kind", "law", "trained", "samples", "seeds")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [table_row(cells) for cells in (header, ["---"] * len(header), *rows)]


def _row(claim: Claim, finding: Finding, known: Known) -> tuple[str, ...]:
    found = "<br>".join(map(_number, finding.estimates)) or "–"
    verdict = f"**{finding.verdict}**"
    if finding.reason:
        verdict += f": {markdown(finding.reason)}"
    said = (markdown(text) for text in (claim.where, claim.statement, claim.published or "–"))
    return *said, _check(claim, known), found, verdict


def _check(claim: Claim, known: Known) -> str:
    """What is compared with what, in words."""
    if claim.metric is not None and claim.analysis is not None:
        return _check_of_analysis(claim, claim.metric, claim.analysis)
    if claim.metric is None or claim.experiment is None:
        return "–"
    title = markdown(column_title(claim.metric, known))
    what = f"{title} of {code(claim.experiment)} at {claim.resolution}"
    if claim.epoch:
        what += " at its best" if claim.epoch == "best" else f" after epoch {claim.epoch}"
    if claim.against:
        others = ", ".join(map(code, claim.against))
        at, metric = claim.against_resolution, claim.against_metric
        that = markdown(column_title(metric, known)) if metric else "that"
        what += f" over {that} of {others}" + (f" at {at}" if at else "")
    return _bounded(what, claim)


def _check_of_analysis(claim: Claim, metric: str, analysis: str) -> str:
    """What is compared with what, in words, of analyses."""
    what = f"{code(metric)} of {code(analysis)}{_at(claim.at)}"
    if claim.against:
        that = code(claim.against_metric) if claim.against_metric else "that"
        others = ", ".join(map(code, claim.against))
        what += f" over {that} of {others}{_at(claim.against_at or {})}"
    return _bounded(what, claim)


def _at(entries: Mapping[str, Any]) -> str:
    """Entries of dimensions in brackets."""
    named = (f"{name} {entry}" for name, entry in entries.items())
    return f" ({markdown(', '.join(named))})" if entries else ""


def _bounded(what: str, claim: Claim) -> str:
    low, high = claim.bounds
    if np.isfinite([low, high]).all():
        return f"{what}: {low:g} to {high:g}"
    return f"{what}: at most {high:g}" if np.isfinite(high) else f"{what}: at least {low:g}"


def _number(estimate: Estimate) -> str:
    interval = f"{estimate.low:.3g} to {estimate.high:.3g}"
    if np.isnan(estimate.low):
        interval = "one seed" if estimate.seeds < 2 else "in all seeds"
    elif estimate.seeds and estimate.label.endswith("p_value"):
        return f"{markdown(estimate.label)}: {estimate.value:.3g}"
    elif estimate.low == estimate.high:
        interval = "in all seeds" if estimate.seeds else "exact"
    return f"{markdown(estimate.label)}: {estimate.value:.3g} ({interval})"


def _setting(item: Mapping[str, Any]) -> tuple[str, ...]:
    levels = ", ".join(
        f"{level['epochs']} epochs at {level['resolution']} in batches of {level['batch_size']}"
        for level in item["levels"]
    )
    return (
        f"{code(item['name'])}: {markdown(item['title'])}",
        f"{markdown(item['dataset'])}, {item['train']} for training",
        levels,
        f"{item['count']}" + (f" by {_sampler(item['sampler'])}" if "sampler" in item else ""),
        ", ".join(map(str, item["seeds"])),
    )


def _of_analysis(item: Mapping[str, Any]) -> tuple[str, ...]:
    """What an analysis was asked, as far as analyses have it in common."""
    block = item["block"]
    trained = ""
    if "batch_size" in block:
        trained = f"{block['steps']} steps of {block['batch_size']} points"
    seeds = block.get("seeds", [block["seed"]] if "seed" in block else [])
    return (
        f"{code(item['name'])}: {markdown(item['title'])}",
        code(block["kind"]),
        markdown(str(block.get("law", {}).get("kind", "–"))),
        trained or "–",
        str(block.get("samples", "–")),
        ", ".join(map(str, seeds)) or "–",
    )


def _sampler(block: Mapping[str, Any]) -> str:
    """Its kind, its steps, and the sampler that it is made of, if any."""
    steps = f", {block['steps']} steps" if "steps" in block else ""
    inner = f" of {_sampler(block['sampler'])}" if "sampler" in block else ""
    return f"{block['kind']}{inner}{steps}"
