"""The block of metrics, and whether these suit what the study has them compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.blocks.explain import refuse, suggest
from fsdiff.blocks.types import Block, BlockOf, PartBlock, PartOf
from fsdiff.data.sources.source import Source
from fsdiff.metrics.base import Metric
from fsdiff.metrics.results import of_channel, parsed
from fsdiff.reports.summary import LEVEL_SECONDS, OTHERS
from fsdiff.spaces.bases import Basis
from fsdiff.study.fields import Name
from fsdiff.training.classifier import ClassifierOptions

VALIDATION = ("validation_loss_final", "validation_loss_initial")
"""Results that an experiment has where its training is validated alone."""

OTHER_RESULTS = tuple(words.name for words in OTHERS)
"""What evaluations have beside the results of metrics, and the seconds on each grid."""

RESULTS_DURING_TRAINING = ("seconds",)
"""What evaluations during training have beside the results of metrics."""

OF_SEARCHES = ("kendall_tau", "kendall_p_value", "spearman_rho", "regret", "candidates")
"""The results of searches."""


UNLABELLED = (
    "asks classifiers, and these samples have no labels to train them by; use labelled data, such "
    "as digits with their labels, or curves with a label, or another metric"
)


def _of_different_results(metrics: dict[str, PartBlock]) -> dict[str, PartBlock]:
    first: dict[str, str] = {}
    for name, item in metrics.items():
        for result in item.part.results:
            if (other := first.setdefault(result, name)) == name:
                continue
            same = metrics[other].kind == item.kind
            what = "gives the same results as" if same else f"gives {result}, and so does"
            refuse([((name,), f"{what} '{other}', which is of kind {metrics[other].kind}")])
    return metrics


POSTERIOR_METRICS: Any = {
    "moments": {"kind": "posterior_moments"},
    "covariance": {"kind": "posterior_covariance"},
    "energy_distance": {"kind": "posterior_energy_distance"},
    "truth": {"kind": "truth_error"},
    "crps": {"kind": "crps"},
    "coverage": {"kind": "coverage"},
    "misfit": {"kind": "misfit"},
}
"""Those of most studies: calibration wants hundreds of cases, a classifier takes its time."""


class Evaluation(Block):
    """The metrics that compare samples with test data."""

    metrics: Annotated[
        dict[Name, Annotated[PartBlock, PartOf("metrics")]],
        Field(min_length=1),
        AfterValidator(_of_different_results),
    ]
    """Each metric under a name of one's choice."""
    classifier: Annotated[PartBlock, BlockOf(ClassifierOptions)] = Field({}, validate_default=True)
    """Those that metrics of features ask: trained on the training split, by its labels."""
    posterior_metrics: Annotated[
        dict[Name, Annotated[PartBlock, PartOf("posterior_metrics")]],
        Field(min_length=1),
        AfterValidator(_of_different_results),
    ] = Field(POSTERIOR_METRICS, validate_default=True)
    """Those that compare draws given data with a reference and with the truth."""


def metrics_of(info: ValidationInfo) -> dict[str, Metric]:
    """The metrics of the study that is being read, by path; none where they are not valid."""
    blocks: Mapping[str, PartBlock] = (info.context or {}).get("metrics", {})
    return {f"evaluation.metrics.{name}": block.part for name, block in blocks.items()}


def too_few(count: int, info: ValidationInfo) -> tuple[str, int] | None:
    """The metric that needs the most fields, and how many, if these are more than ``count``."""
    needs = [(metric.at_least, path) for path, metric in metrics_of(info).items()]
    least, path = max(needs, default=(0, ""))
    return (path, least) if least > count else None


def unlabelled(label: str | None, info: ValidationInfo) -> str | None:
    """Why samples without labels cannot be judged by some metric; or None."""
    metrics = metrics_of(info).items()
    asking = [path for path, metric in metrics if metric.classified or metric.labelled]
    if label is not None or not asking:
        return None
    return f"{asking[0]} {UNLABELLED}"


def takes_all(info: ValidationInfo) -> bool:
    """Whether some metric looks at all samples, however few data they are compared with."""
    return any(metric.labelled for metric in metrics_of(info).values())


def unfit(source: Source, n: int, info: ValidationInfo) -> Iterator[str]:
    """What metrics have against fields like those of a source on n nodes per axis."""
    for path, metric in metrics_of(info).items():
        try:
            metric.check_grid(source.basis, n)
            metric.check_channels(source.values, masked=source.mask is not None)
        except ValueError as error:
            yield f"{path} {error}"


def other_results(resolutions: Iterable[int]) -> tuple[str, ...]:
    """What evaluations of models of data on such grids have beside the results of metrics."""
    return (*OTHER_RESULTS, *(f"{LEVEL_SECONDS}{n}" for n in resolutions))


def unknown_result(
    name: str,
    metrics: Mapping[str, PartBlock],
    channels: Sequence[str],
    others: Sequence[str] = OTHER_RESULTS,
) -> str | None:
    """Why no evaluation of fields of such channels will have a result of that name; or None."""
    of_metrics = _results(metrics)
    key, channel = parsed(name)
    if channel and key in of_metrics:
        joint = any(key in block.part.results and block.part.joint for block in metrics.values())
        return (
            f"is a number of all channels at once; use {key}"
            if joint
            else _unknown_channel(key, channel, channels)
        )
    return unknown(name, [*of_metrics, *others])


def without_best(name: str, metrics: Mapping[str, PartBlock]) -> str | None:
    """Why the least value of a result is not the best; or None."""
    key, results = parsed(name)[0], _results(metrics)
    own = {words.name: words for block in metrics.values() for words in block.part.words}
    reference = f"{key}_reference"
    target = own[key].target if key in own else "reference" if reference in results else 0.0
    if key.endswith("_reference") or target is None:
        return "says of nothing how good it is; choose a distance"
    if target:
        best = reference if target == "reference" else f"{target:g}"
        return f"is best where it is {best}, not where it is least; choose a distance"
    return None


def too_many_wanted(
    name: str, metrics: Mapping[str, PartBlock], count: int, basis: Basis, n: int, channels: int
) -> str | None:
    """Why ``count`` fields of these channels at level n do not have a result; or None."""
    key, _ = parsed(name)
    wanted = (
        block.part.fewest(key, basis, n, channels)
        for block in metrics.values()
        if key in block.part.results
    )
    fewest = next(wanted, 0)
    return f"takes {fewest} samples or more" if count < fewest else None


def of_classes(metrics: Mapping[str, PartBlock]) -> list[str]:
    """The results that only samples with classes have."""
    return _results({name: block for name, block in metrics.items() if block.part.labelled})


def _results(metrics: Mapping[str, PartBlock]) -> list[str]:
    return [result for block in metrics.values() for result in block.part.results]


def unknown(name: str, known: Sequence[str]) -> str | None:
    """Why a result is none of those that there will be; or None."""
    return None if name in known else f"no such result; known: {suggest(known, name)}"


def _unknown_channel(key: str, channel: str, channels: Sequence[str]) -> str | None:
    if channel in channels and len(channels) > 1:
        return None
    if len(channels) < 2:
        return f"the data have one channel; use {key}"
    return f"no such channel; known: {suggest([of_channel(key, one) for one in channels], channel)}"
