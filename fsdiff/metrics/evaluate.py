"""Several measures of the same two sets of fields, in one flat row."""

import logging
import math
from collections.abc import Mapping

from torch import Tensor

from fsdiff.metrics.base import Metric, OfTraining
from fsdiff.spaces.bases import Basis

logger = logging.getLogger(__name__)


def evaluate(
    metrics: Mapping[str, Metric],
    samples: Tensor,
    reference: Tensor,
    basis: Basis,
    present: Tensor | None = None,
    training: Tensor | None = None,
) -> dict[str, float]:
    """The numbers of all measures in one row, in the order of ``metrics``.

    Only nodes that are ``present`` (channel, *grid) have values, see ``Metric.compare``. Some
    measures look at ``training`` fields (M, channel, *grid), too.

    What is not defined (NaN), such as the kurtosis of samples that are constant, is left out with a
    warning. Raises ValueError, naming the measure, where two give the same key or one a key that is
    none of its results, where a number is infinite, and where it is the reference that leaves one
    undefined.
    """
    row: dict[str, float] = {}
    owner: dict[str, str] = {}
    for name, metric in metrics.items():
        if isinstance(metric, OfTraining) and training is not None:
            found = metric.beside(training, samples, reference, basis, present)
        else:
            found = metric.compare(samples, reference, basis, present)
        for key, value in found.items():
            if key in owner:
                raise ValueError(
                    f"metrics '{owner[key]}' and '{name}' both give '{key}': "
                    "evaluate them separately or remove one"
                )
            if key not in metric.results:
                raise ValueError(
                    f"metric '{name}' gives '{key}', which is none of its results, "
                    f"{', '.join(metric.results)}: tables and claims know these"
                )
            owner[key] = name
            if math.isnan(value) and not key.endswith("_reference"):
                logger.warning("metric '%s' gives no %s: fields have none", name, key)
                continue
            if not math.isfinite(value):
                raise ValueError(
                    f"metric '{name}' gives {key} = {value}: are data constant, or samples far out "
                    "of their range?"
                )
            row[key] = float(value)
    return row
