"""Whether draws show what the function shows that was observed."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from fsdiff.metrics.classifiers import Classifiers
from fsdiff.metrics.posterior.base import AGAINST_TRUTH, Cases, Needed, PosteriorMetric
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class SameClass(PosteriorMetric):
    """The share of draws whose most probable class is that of the truth, to classifiers.

    These are the ones that the workflow trains on the labels of the data (block ``classifier`` of
    the evaluation); what the label of the truth is does not matter, only what they take it for.
    Data that leave several classes possible have less than one even of a true posterior. Of data
    sets without labels it is left out.
    """

    kind: Literal["same_class"] = "same_class"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    joint: ClassVar[bool] = True
    classified: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    words = (Words("same_class", "draws of the truth's class", AGAINST_TRUTH, 1.0, True),)
    of_estimates: ClassVar[tuple[str, ...]] = ("same_class",)
    _classifiers: ClassVar[Classifiers | None] = None

    def given(self, classifiers: Path) -> Self:
        """The same measure, with the classifiers in a file."""
        informed = copy.copy(self)
        object.__setattr__(informed, "_classifiers", Classifiers.read(classifiers))
        return informed

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases and draws."""
        assert cases.truth is not None
        if self._classifiers is None:
            raise ValueError(f"'{self.kind}' needs classifiers of the data: use given() first")
        truth = self._classifiers(cases.truth, cases.basis).probabilities.argmax(1)
        drawn = self._classifiers(cases.draws.flatten(0, 1), cases.basis).probabilities.argmax(1)
        same = drawn.unflatten(0, cases.draws.shape[:2]) == truth[:, None]
        return {self.kind: float(same.double().mean())}
