"""Whether a classifier that has seen samples only knows real fields."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from fsdiff.metrics.base import Comparison, Labelled, OfClasses
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
        Words("synthetic_accuracy", "accuracy, trained on samples", FAMILY, 1.0, True),
        Words("real_accuracy", "accuracy, trained on data", FAMILY, None, True),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Two accuracies."""
        return "synthetic_accuracy", "real_accuracy"

    def taught(self, training: Labelled, basis: Basis) -> Comparison:
        """The accuracies on reference fields, with a classifier of the training fields."""
        channels, *grid = training.fields.shape[1:]
        features = RandomConvolutions.drawn(self.kernels, channels, grid, self.seed)

        def fitted(one: Labelled) -> RidgeClassifier:
            count = 1 + int(one.classes.max())
            return RidgeClassifier.fitted(features(one.fields[:MOST]), one.classes[:MOST], count)

        real = fitted(training)

        def compare(samples: Labelled, reference: Labelled) -> dict[str, float]:
            for one in (training, samples):
                self.check(one.fields, reference.fields, basis)
            shown = features(reference.fields)
            right = (each(shown) == reference.classes for each in (fitted(samples), real))
            accuracies = (float(one.double().mean()) for one in right)
            return dict(zip(self.results, accuracies, strict=True))

        return compare
