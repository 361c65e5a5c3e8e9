"""Distances between laws of features that a classifier of the data has learnt."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.classifiers import ClassifierMetric, Seen
from fsdiff.metrics.frechet import PARTS, fewest_for_limit, with_limit
from fsdiff.metrics.words import Words
from fsdiff.networks.classifier import FEATURES
from fsdiff.spaces.basis import Basis

NEIGHBOURS = 5
"""Which nearest neighbour a ball around a field reaches to."""


@dataclass(frozen=True)
class FrechetClassifier(ClassifierMetric):
    """The Fréchet distance between Gaussians with the moments of features, and others beside it.

    ‖μ − ν‖² + tr(C + D − 2 (C^½ D C^½)^½), of the features before the last layer of classifiers
    that were trained on the training split (block ``classifier`` of the evaluation). It is no FID:
    it compares with nothing but other rows of the same table. Both sets are cut to one number N of
    fields, which should be more than five times that of the 128 features. The estimate is too
    large by a number of order 1/N; the limit is that of a line in 1/N through N, N/2 and N/4, the
    last two of which are means over disjoint parts (Chong and Forsyth, arXiv 1911.07023), and is
    left out unless N/4 exceeds the number of features. The
    kernel distance, unbiased, has the kernel (⟨x, y⟩/128 + 1)³ (Bińkowski et al., arXiv
    1801.01401). Precision is the share of samples in a ball around some reference field that
    reaches to its fifth neighbour, recall the same with the sets exchanged (Kynkäänniemi et al.,
    arXiv 1904.06991), and coverage the share of reference fields with a sample in their ball (Naeem
    et al., arXiv 2002.09797). All are means over the classifiers.

    Returns ``frechet_classifier``, ``frechet_classifier_limit``, ``kernel_classifier``,
    ``precision_classifier``, ``recall_classifier`` and ``coverage_classifier``.
    """

    at_least: ClassVar[int] = 2 * PARTS[-1]
    kind: Literal["frechet_classifier"] = "frechet_classifier"
    words = (
        Words("frechet_classifier", "Fréchet distance of features", "features of a classifier"),
        Words(
            "frechet_classifier_limit",
            "Fréchet distance, limit of many fields",
            "features of a classifier",
        ),
        Words("kernel_classifier", "kernel distance of features", "features of a classifier"),
        Words("precision_classifier", "precision", "features of a classifier", 1.0, True),
        Words("recall_classifier", "recall", "features of a classifier", 1.0, True),
        Words("coverage_classifier", "coverage", "features of a classifier", 1.0, True),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Three distances, and three shares."""
        return (
            "frechet_classifier",
            "frechet_classifier_limit",
            "kernel_classifier",
            "precision_classifier",
            "recall_classifier",
            "coverage_classifier",
        )

    def fewest(self, result: str, basis: Basis, n: int, channels: int) -> int:
        """Many for the limit."""
        of_limit = result == "frechet_classifier_limit"
        return fewest_for_limit(FEATURES) if of_limit else self.at_least

    def compare_seen(self, samples: Seen, reference: Seen) -> dict[str, float]:
        """The means over classifiers."""
        pairs = zip(samples.features, reference.features, strict=True)
        found = [
            (*with_limit(x, y), kernel_distance(x, y), *neighbourhoods(x, y)) for x, y in pairs
        ]
        means = zip(self.results, map(float, np.mean(found, axis=0)), strict=True)
        return {name: value for name, value in means if not math.isnan(value)}


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """The unbiased squared maximum mean discrepancy with the kernel (⟨x, y⟩/d + 1)³."""
    within = [_kernel(u, u) for u in (x, y)]
    count = len(x) * (len(x) - 1)
    apart = sum(float(k.sum() - k.diagonal().sum()) / count for k in within)
    return apart - 2 * float(_kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def neighbourhoods(x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Precision, recall and coverage of samples x of the law of y, both (N, feature)."""
    between = _distances(x, y)
    around_x, around_y = _radii(x), _radii(y)
    precision = (between <= around_y).any(1)
    recall = (between <= around_x[:, None]).any(0)
    coverage = (between <= around_y).any(0)
    return (
        float(precision.double().mean()),
        float(recall.double().mean()),
        float(coverage.double().mean()),
    )


def _radii(x: Tensor) -> Tensor:
    """The distance of each point from its fifth neighbour, the farthest if there are fewer."""
    nearest = _distances(x, x).topk(min(NEIGHBOURS + 1, len(x)), largest=False).values
    return nearest[:, -1]


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Between all pairs, exactly zero of a point to itself."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
