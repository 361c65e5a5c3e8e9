"""Distances between a posterior's draws and those of the reference, as laws of whole fields."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from fsdiff.metrics.fields import squared_distances
from fsdiff.metrics.kernels import unbiased_discrepancy
from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread


@dataclass(frozen=True)
class PosteriorEnergyDistance(PosteriorMetric):
    """2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ between draws and reference, unbiased, by case.

    Its expectation is zero if and only if the laws agree; estimates may be slightly negative.
    """

    kind: Literal["posterior_energy_distance"] = "posterior_energy_distance"
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (Words("posterior_energy_distance", "energy distance", AGAINST_REFERENCE),)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases."""
        assert cases.reference is not None
        reference, count = cases.reference, cases.draws.shape[1]

        def distance(case: int) -> Tensor:
            pooled = torch.cat([cases.draws[case].double(), reference[case].double()])
            kernel = -squared_distances(pooled).sqrt()
            first = (torch.arange(len(kernel)) < count).to(kernel)
            return unbiased_discrepancy(kernel, first[:, None])[0]

        return {self.kind: float(mean_over_cases(distance, cases))}


@dataclass(frozen=True)
class ClassifierTwoSample(PosteriorMetric):
    """How often a classifier tells draws from the reference: ½ if it cannot.

    A perceptron with two hidden layers on the coefficients of ``modes`` leading modes of each
    channel, trained on four fifths of the fields and judged on the rest, in turn; both sets are cut
    to the same number. Lopez-Paz and Oquab (ICLR 2017). Less than ½ happens by chance.
    """

    modes: Annotated[int, Field(ge=1, le=256)] = 20
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 200
    seed: NonNegativeInt = 0
    kind: Literal["c2st"] = "c2st"
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    at_least: ClassVar[int] = 10
    words = (
        Words("c2st", "classifier's accuracy against the reference", AGAINST_REFERENCE, 0.5, True),
    )

    @single_thread()
    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases."""
        assert cases.reference is not None
        reference = cases.reference
        count = min(cases.draws.shape[1], reference.shape[1])

        def accuracy(case: int) -> Tensor:
            sets = [cases.draws[case], reference[case]]
            found, true = (cases.leading(each[:count].double(), self.modes) for each in sets)
            return torch.tensor(self.accuracy(found, true, case))

        return {self.kind: float(mean_over_cases(accuracy, cases))}

    def accuracy(self, first: Tensor, second: Tensor, case: int = 0) -> float:
        """Share of rows of two sets (count, features) that are told apart, over five folds."""
        features = torch.cat([first, second]).float()
        deviation = features.std(0)
        features = (features - features.mean(0)) / torch.where(deviation > 0, deviation, 1.0)
        labels = torch.cat([torch.ones(len(first)), torch.zeros(len(second))])
        random = generator(self.seed, Stream.CLASSIFIER, case)
        folds = np.array_split(random.permutation(len(labels)), 5)
        right = sum(self._right(features, labels, fold, random) for fold in folds)
        return right / len(labels)

    def _right(
        self, features: Tensor, labels: Tensor, fold: np.ndarray, random: np.random.Generator
    ) -> int:
        """How many of a fold a classifier of all others tells rightly."""
        held = torch.zeros(len(labels), dtype=torch.bool)
        held[torch.from_numpy(fold)] = True
        network = self._network(features.shape[1], random)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=1e-3)
        loss = nn.BCEWithLogitsLoss()
        seen, known = features[~held], labels[~held]
        with torch.enable_grad():
            for _ in range(self.iterations):
                optimiser.zero_grad()
                loss(network(seen)[:, 0], known).backward()
                optimiser.step()
        with torch.no_grad():
            said = network(features[held])[:, 0] > 0
        return int((said == labels[held].bool()).sum())

    def _network(self, features: int, random: np.random.Generator) -> nn.Sequential:
        layers: list[nn.Module] = []
        widths = [features, self.width, self.width, 1]
        for one, other in pairwise(widths):
            layer = nn.Linear(one, other)
            normals = random.standard_normal((other, one)) * (2 / one) ** 0.5
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(normals))
                layer.bias.zero_()
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])
