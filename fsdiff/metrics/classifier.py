"""A classifier two-sample test: how well a small convolutional network tells samples from data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeInt
from scipy.special import ndtri
from scipy.stats import rankdata
from torch import Tensor, nn

from fsdiff.metrics.base import Metric
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

FOLDS, WIDTH, LAYERS, REACH, BATCH = 5, 32, 3, 5, 64
"""Folds; channels, number and kernel of the convolutions; fields of a step of training."""

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@dataclass(frozen=True)
class ClassifierTest(Metric):
    """The area under the ROC curve of a network that is trained to tell samples from data.

    Three convolutions of width 32 on the fields and the coordinates of their nodes, means and
    maxima over the nodes, and a linear layer; trained on four fifths of both sets, which are cut to
    one number, and judged on the rest, in turn. ½ is chance: the network sees no difference, which
    says no more than that *it* sees none. The interval is DeLong's, of the mean over the folds.
    Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (ICLR 2017).

    Returns ``c2st_auc`` with the ends of its 95 % interval, ``c2st_auc_low`` and ``c2st_auc_high``.
    """

    epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    seed: NonNegativeInt = 0
    at_least: ClassVar[int] = 4
    kind: Literal["classifier_test"] = "classifier_test"
    words = (
        Words("c2st_auc", "classifier's AUC", "whole field", target=0.5, share=True),
        Words("c2st_auc_low", "classifier's AUC, at least", "whole field", None, True),
        Words("c2st_auc_high", "classifier's AUC, at most", "whole field", None, True),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """An area, and its interval."""
        return "c2st_auc", "c2st_auc_low", "c2st_auc_high"

    @single_thread()
    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The area for two sets of at least four fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        count = min(len(samples), len(reference))
        fields = _with_places(torch.cat([samples[:count], reference[:count]]).float(), basis)
        labels = torch.arange(2 * count) < count
        random = generator(self.seed, Stream.CLASSIFIER)
        folds = _folds(count, random)
        found = [self._judged(fields, labels, fold, random) for fold in folds]
        area = float(np.mean([each[0] for each in found]))
        deviation = float(np.sqrt(np.sum([each[1] for each in found]))) / len(found)
        half = float(ndtri(0.975)) * deviation
        ends = max(area - half, 0.0), min(area + half, 1.0)
        return dict(zip(self.results, (area, *ends), strict=True))

    def _judged(
        self, fields: Tensor, labels: Tensor, fold: np.ndarray, random: np.random.Generator
    ) -> tuple[float, float]:
        """The area on a fold of a network that is trained on all others, and its variance."""
        held = torch.zeros(len(labels), dtype=torch.bool)
        held[torch.from_numpy(fold)] = True
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(int(random.integers(2**63)))
            network = self._trained(fields[~held], labels[~held].float())
        with torch.no_grad():
            scores = network(fields[held]).cpu().numpy().astype(np.float64)
        own = labels[held].numpy()
        return area_under_curve(scores[own], scores[~own])

    def _trained(self, fields: Tensor, labels: Tensor) -> "_Classifier":
        # Drawn on the processor, and the same on all devices.
        network = _Classifier(fields.shape[1], fields.ndim - 2).to(fields.device)
        labels = labels.to(fields.device)
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-4)
        loss = nn.BCEWithLogitsLoss()
        for _ in range(self.epochs):
            for batch in torch.randperm(len(fields)).split(BATCH):
                optimiser.zero_grad()
                loss(network(fields[batch]), labels[batch]).backward()
                optimiser.step()
        return network


class _Classifier(nn.Module):
    """Fields (batch, channel, *grid) to logits (batch,)."""

    def __init__(self, channels: int, dimension: int) -> None:
        super().__init__()
        convolution, layers = CONVOLUTIONS[dimension], []
        for number in range(LAYERS):
            width = WIDTH if number else channels
            layers += [convolution(width, WIDTH, REACH, padding="same"), nn.GELU()]
        self.features, self.logit = nn.Sequential(*layers), nn.Linear(2 * WIDTH, 1)

    def forward(self, fields: Tensor) -> Tensor:
        """How much fields look like the first set."""
        features = self.features(fields).flatten(2)
        return self.logit(torch.cat([features.mean(2), features.amax(2)], dim=1))[:, 0]


def area_under_curve(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """P(x > y) + ½ P(x = y) of two sets of scores, and the variance of this estimate.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988): each score's share of the other set
    that it exceeds, whose variances within the sets add up.
    """
    ranks = rankdata(np.concatenate([first, second]))
    exceeded = (ranks[: len(first)] - rankdata(first)) / len(second)
    exceeding = 1 - (ranks[len(first) :] - rankdata(second)) / len(first)
    variance = exceeded.var(ddof=1) / len(first) + exceeding.var(ddof=1) / len(second)
    return float(exceeded.mean()), float(variance)


def _folds(count: int, random: np.random.Generator) -> Sequence[np.ndarray]:
    """Places in two sets of ``count`` that are judged together, as many of one as of the other."""
    parts = np.array_split(random.permutation(count), min(FOLDS, count // 2))
    return [np.concatenate([part, count + part]) for part in parts]


def _with_places(fields: Tensor, basis: Basis) -> Tensor:
    """Fields with the coordinates of their nodes as further channels, from −1 to 1."""
    nodes = [
        torch.from_numpy(2 * along / axis.side - 1).float()
        for along, axis in zip(basis.axis_nodes(basis.resolution(fields)), basis.axes, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*nodes, indexing="ij")).to(fields)
    return torch.cat([fields, places.expand(len(fields), *places.shape)], dim=1)
