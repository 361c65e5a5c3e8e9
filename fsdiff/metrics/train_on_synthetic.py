"""Whether a classifier that has seen samples only knows real fields."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.metrics.base import Labelled, OfClasses
from fsdiff.metrics.convolutions import RandomConvolutions, RidgeClassifier
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

MOST = 4096
"""The first fields of a set that a classifier is trained on: others cost memory, and add little."""

FAMILY = "classes"


@dataclass(frozen=True)
class TrainOnSynthetic(OfClasses):
    """The accuracy, on test fields, of a classifier that is trained on samples and their classes.

    For models that are told classes (``condition: {kind: label}``), and imitations by class; others
    have no such number. The classifier is always the same: ridge regression on the maxima and the
    shares of positive values of responses to random ``kernels`` (ROCKET, see
    ``fsdiff.metrics.convolutions``). Beside it stands the accuracy of the one that is trained on
    the training fields. It is low where samples are not of their class, or lack what tells classes
    apart; it says nothing of what does not, and memory counts as quality. Where this metric is
    there may be more samples than half of the test fields: it takes them all, while others look at
    as many as there are reference fields. Esteban, Hyland and Rätsch, arXiv 1706.02633.

    Returns ``synthetic_accuracy`` and ``real_accuracy``.
    """

    kernels: Annotated[int, Field(ge=1, le=100_000)] = 1000
    seed: NonNegativeInt = 0
    kind: Literal["train_on_synthetic"] = "train_on_synthetic"
    words = (
        Words("synthetic_accuracy", "accuracy, trained on samples", FAMILY, 1.0),
        Words("real_accuracy", "accuracy, trained on data", FAMILY, None),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Two accuracies."""
        return "synthetic_accuracy", "real_accuracy"

    def of_classes(
        self, training: Labelled, samples: Labelled, reference: Labelled, basis: Basis
    ) -> dict[str, float]:
        """The accuracies on the reference."""
        for one in (training, samples):
            self.check(one.fields, reference.fields, basis)
        channels, *grid = reference.fields.shape[1:]
        features = RandomConvolutions.drawn(self.kernels, channels, grid, self.seed)
        count = 1 + max(int(one.classes.max()) for one in (training, samples, reference))
        shown = features(reference.fields)
        found = [
            _accuracy(features(one.fields[:MOST]), one.classes[:MOST], count, shown, reference)
            for one in (samples, training)
        ]
        return dict(zip(self.results, found, strict=True))


def _accuracy(
    features: Tensor, classes: Tensor, count: int, shown: Tensor, reference: Labelled
) -> float:
    """That of the classifier trained on some fields."""
    classifier = RidgeClassifier.fitted(features, classes, count)
    return float((classifier(shown) == reference.classes).double().mean())
