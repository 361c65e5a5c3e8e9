"""The block of metrics, and whether these suit what the study has them compare."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.bases import Basis
from fsdiff.blocks import Block, PartBlock, part_type
from fsdiff.config.fields import Name
from fsdiff.explain import refuse, suggest
from fsdiff.metrics.base import Metric
from fsdiff.metrics.results import parsed

OTHER_RESULTS = (
    "loss",
    "validation_loss",
    "validation_loss_final",
    "validation_loss_initial",
    "training_seconds",
    "parameters",
    "network_evaluations",
    "fine_evaluations",
    "seconds_per_sample",
)
"""What evaluations have beside the results of metrics; ``training_seconds_at_N`` is of levels."""

OF_SEARCHES = ("kendall_tau", "kendall_p_value", "spearman_rho", "regret", "candidates")
"""The results of searches."""


def _of_different_kinds(metrics: dict[str, PartBlock]) -> dict[str, PartBlock]:
    first: dict[str, str] = {}
    refuse(
        ((name,), f"gives the same results as '{first[item.kind]}', which is of kind {item.kind}")
        for name, item in metrics.items()
        if first.setdefault(item.kind, name) != name
    )
    return metrics


class Evaluation(Block):
    """The metrics that compare samples with test data."""

    metrics: Annotated[
        dict[Name, part_type("metrics")],
        Field(min_length=1),
        AfterValidator(_of_different_kinds),
    ]
    """Each metric under a name of one's choice."""


def metrics_of(info: ValidationInfo) -> dict[str, Metric]:
    """The metrics of the study that is being read, by path; none where they are not valid."""
    blocks: Mapping[str, PartBlock] = (info.context or {}).get("metrics", {})
    return {f"evaluation.metrics.{name}": block.part for name, block in blocks.items()}


def too_few(count: int, info: ValidationInfo) -> tuple[str, int] | None:
    """The metric that needs the most fields, and how many, if these are more than ``count``."""
    needs = [(metric.at_least, path) for path, metric in metrics_of(info).items()]
    least, path = max(needs, default=(0, ""))
    return (path, least) if least > count else None


def unfit(basis: Basis, n: int, info: ValidationInfo) -> Iterator[str]:
    """What metrics have against fields on n nodes per axis."""
    for path, metric in metrics_of(info).items():
        try:
            metric.check_grid(basis, n)
        except ValueError as error:
            yield f"{path} {error}"


def unknown_result(name: str, metrics: Mapping[str, PartBlock]) -> str | None:
    """Why no evaluation will have such a result; or None."""
    of_metrics = [result for block in metrics.values() for result in block.part.results]
    known = [*of_metrics, *OTHER_RESULTS]
    if parsed(name)[0] in of_metrics or name.startswith("training_seconds_at_"):
        return None
    return unknown(name, known)


def unknown(name: str, known: Sequence[str]) -> str | None:
    """Why a result is none of those that there will be; or None."""
    return None if name in known else f"no such result; known: {suggest(known, name)}"
