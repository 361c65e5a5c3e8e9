"""Whether samples are of each class as often as data are."""

from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import chdtrc
from torch import Tensor

from fsdiff.metrics.classifiers import ClassifierMetric, Seen
from fsdiff.metrics.densities import wasserstein_1
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class ClassProportions(ClassifierMetric):
    """Pearson's χ² of the numbers of fields of each class in two sets, as classifiers see them.

    Of the same law its mean is one less than the number of classes that occur, of which the
    p-value is the share of larger ones. Confidence is the probability of the class that is most
    probable: samples between classes have less of it than data, and its laws are compared by their
    Wasserstein-1 distance. The accuracy is that of the classifiers on test data.

    Returns ``class_chi_squared``, ``class_p_value``, ``confidence_w1`` and ``classifier_accuracy``.
    """

    kind: Literal["class_proportions"] = "class_proportions"
    words = (
        Words("class_chi_squared", "χ² of class proportions", "features of a classifier"),
        Words("class_p_value", "p-value of the χ²", "features of a classifier", target=None),
        Words("confidence_w1", "W₁ of confidence", "features of a classifier"),
        Words("classifier_accuracy", "accuracy on data", "features of a classifier", None, True),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """χ², its p-value, a distance of confidence, and what the classifiers are worth."""
        return "class_chi_squared", "class_p_value", "confidence_w1", "classifier_accuracy"

    def compare_seen(self, samples: Seen, reference: Seen) -> dict[str, float]:
        """Of the classes that are the most probable."""
        classes = samples.probabilities.shape[1]
        counts, confidences = [], []
        for probabilities in (samples.probabilities, reference.probabilities):
            confidence, chosen = probabilities.max(1)
            counts.append(chosen.bincount(minlength=classes).double())
            confidences.append(confidence.sort().values.cpu().numpy())
        statistic, p_value = chi_squared(*counts)
        found = statistic, p_value, wasserstein_1(*confidences), self.accuracy
        return dict(zip(self.results, found, strict=True))


def chi_squared(first: Tensor, second: Tensor) -> tuple[float, float]:
    """The statistic of homogeneity of two sets of counts (class,), and its p-value.

    Σ (√(N/M) m_c − √(M/N) n_c)² / (m_c + n_c) over classes that occur, for counts m and n with sums
    M and N. Where but one class occurs nothing can differ: 0 and 1.
    """
    occurs = first + second > 0
    first, second = first[occurs], second[occurs]
    scale = torch.sqrt(second.sum() / first.sum())
    statistic = float(((scale * first - second / scale).square() / (first + second)).sum())
    freedom = len(first) - 1
    return statistic, float(chdtrc(freedom, statistic)) if freedom else 1.0
