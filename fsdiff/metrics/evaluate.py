"""Several measures of the same two sets of fields, in one flat row."""

import math
from collections.abc import Mapping

from torch import Tensor

from fsdiff.bases import Basis
from fsdiff.metrics.base import Metric


def evaluate(
    metrics: Mapping[str, Metric], samples: Tensor, reference: Tensor, basis: Basis
) -> dict[str, float]:
    """The numbers of all measures in one row, in the order of ``metrics``.

    Raises ValueError, naming the measure, where two give the same key or a number is not finite.
    """
    row: dict[str, float] = {}
    owner: dict[str, str] = {}
    for name, metric in metrics.items():
        for key, value in metric(samples, reference, basis).items():
            if key in owner:
                raise ValueError(
                    f"metrics '{owner[key]}' and '{name}' both give '{key}': "
                    "evaluate them separately or remove one"
                )
            if not math.isfinite(value):
                raise ValueError(
                    f"metric '{name}' gives {key} = {value}: are the fields of one set constant, "
                    "or far out of the data's range?"
                )
            owner[key] = name
            row[key] = float(value)
    return row
