"""The block of metrics, and whether these suit what the study has them compare."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from fsdiff.bases import Basis
from fsdiff.blocks import Block, PartBlock, part_type
from fsdiff.config.fields import Name
from fsdiff.datasets.source import Source
from fsdiff.explain import refuse, suggest
from fsdiff.metrics.base import Metric
from fsdiff.metrics.results import channel_names, of_channel, parsed

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


def unknown_result(
    name: str, metrics: Mapping[str, PartBlock], channels: Sequence[str] | None
) -> str | None:
    """Why no evaluation of fields of such channels will have a result of that name; or None."""
    of_metrics = [result for block in metrics.values() for result in block.part.results]
    key, channel = parsed(name)
    if channel and key in of_metrics:
        return _unknown_channel(key, channel, channels)
    if re.fullmatch(r"training_seconds_at_\d+", name):
        return None
    return unknown(name, [*of_metrics, *OTHER_RESULTS])


def unknown(name: str, known: Sequence[str]) -> str | None:
    """Why a result is none of those that there will be; or None."""
    return None if name in known else f"no such result; known: {suggest(known, name)}"


def named_channels(source: Source) -> list[str] | None:
    """What results call the channels of a source; None where its files have all the say."""
    given = getattr(source, "channels", ())
    if isinstance(given, Mapping) and not given:
        return None
    return channel_names(given)


def _unknown_channel(key: str, channel: str, channels: Sequence[str] | None) -> str | None:
    if channels is None or (channel in channels and len(channels) > 1):
        return None
    if len(channels) < 2:
        return f"the data have one channel; use {key}"
    return f"no such channel; known: {suggest([of_channel(key, one) for one in channels], channel)}"
