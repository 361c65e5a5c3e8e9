"""Random convolutions, ridge regression on them, and classifiers that know samples only."""

import numpy as np
import pytest
import torch

from fsdiff.data.labels import Labels
from fsdiff.data.statistics import Statistics
from fsdiff.metrics.base import Labelled
from fsdiff.metrics.convolutions import PENALTIES, RandomConvolutions, RidgeClassifier
from fsdiff.metrics.train_on_synthetic import TrainOnSynthetic
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge

BASIS, N = CosineBasis(1), 64
RANDOM = np.random.default_rng(0)


def waves(count, frequencies=(4, 7), seed=0):
    """Two channels, of which the second has a wave of any phase, with the class's frequency."""
    random = np.random.default_rng(seed)
    classes = random.integers(len(frequencies), size=count)
    x = (np.arange(N) + 0.5) / N
    phase = 2 * np.pi * (np.array(frequencies)[classes, None] * x + random.random((count, 1)))
    values = np.stack([random.standard_normal((count, N)), np.sin(phase)], 1)
    return Labelled(torch.from_numpy(values).float(), torch.from_numpy(classes))


def accuracy(samples, **options):
    metric = TrainOnSynthetic(kernels=150, **options)
    return metric.taught(waves(80, seed=1), BASIS)(samples, waves(200, seed=2))


@pytest.mark.parametrize("grid", [(20,), (7, 9), (3, 4, 5)])
def test_features_are_those_of_sums_over_dilated_nodes(grid):
    """Maximum and share of positive responses, also beyond the walls, where fields are zero."""
    made = RandomConvolutions.drawn(12, 2, grid, seed=3)
    fields = torch.randn(2, 2, *grid, generator=torch.Generator().manual_seed(0))
    expected = []
    for kernels in made.kernels:
        reach = kernels.weights.shape[-1]
        margin = kernels.dilation * (reach - 1) // 2 if kernels.padded else 0
        padded = torch.nn.functional.pad(fields, (margin, margin) * len(grid))
        span = kernels.dilation * (reach - 1)
        places = [*np.ndindex(*(size - span for size in padded.shape[2:]))]
        responses = torch.stack(
            [
                torch.einsum(
                    "nc...,kc...->nk",
                    padded[
                        (
                            slice(None),
                            slice(None),
                            *(slice(i, i + span + 1, kernels.dilation) for i in place),
                        )
                    ],
                    kernels.weights,
                )
                for place in places
            ],
            dim=2,
        )
        responses = responses + kernels.biases[:, None]
        expected += [responses.amax(2), (responses > 0).float().mean(2)]
    assert {kernels.padded for kernels in made.kernels} == {True, False}
    torch.testing.assert_close(made(fields).float(), torch.cat(expected, 1), atol=1e-5, rtol=1e-5)


def test_the_penalty_is_that_of_the_least_error_of_fields_that_are_left_out():
    features = torch.from_numpy(RANDOM.standard_normal((15, 40)))
    classes = (features[:, :3].sum(1) + 0.5 * features[:, 5] > 0).long()
    made = RidgeClassifier.fitted(features, classes, 2)
    z = (features - made.centre) / made.size
    targets = 2 * torch.nn.functional.one_hot(classes, 2).double() - 1

    def solved(z, y, penalty):
        mean = z.mean(0)
        gram = (z - mean).T @ (z - mean) + penalty * 40 * torch.eye(40, dtype=torch.float64)
        slope = torch.linalg.solve(gram, (z - mean).T @ (y - y.mean(0)))
        return y.mean(0) - mean @ slope, slope

    errors = []
    for penalty in PENALTIES:
        misses = []
        for left in range(15):
            kept = torch.arange(15) != left
            constant, slope = solved(z[kept], targets[kept], float(penalty))
            misses.append((targets[left] - constant - z[left] @ slope).square().sum())
        errors.append(float(torch.stack(misses).sum()))
    best = float(PENALTIES[int(np.argmin(errors))])
    constant, slope = solved(z, targets, best)
    torch.testing.assert_close(made.coefficients, slope, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(made.means, constant, atol=1e-8, rtol=1e-6)


def test_what_samples_do_not_tell_is_not_known():
    """Waves of any phase, which no linear function of the values tells apart."""
    good = accuracy(waves(60, seed=3))
    assert good["synthetic_accuracy"] > 0.95
    assert good["real_accuracy"] > 0.95
    samples = waves(60, seed=3)
    wrong = accuracy(samples._replace(classes=1 - samples.classes))
    assert wrong["synthetic_accuracy"] < 0.05
    alike = accuracy(waves(60, frequencies=(7, 7), seed=3))
    assert abs(alike["synthetic_accuracy"] - 0.5) < 0.2
    assert alike["real_accuracy"] == good["real_accuracy"]


def test_training_fields_are_looked_at_once_for_all_samples(monkeypatch):
    """As divisions of test data, and epochs of training, are compared with the same of them."""
    training, reference, fitted = waves(80, seed=1), waves(200, seed=2), []
    found = RidgeClassifier.fitted

    def counted(features, classes, count):
        fitted.append(len(features))
        return found(features, classes, count)

    monkeypatch.setattr(RidgeClassifier, "fitted", counted)
    metrics = {"transfer": TrainOnSynthetic(kernels=150)}
    statistics = Statistics(torch.zeros(2), torch.ones(2), torch.zeros(2, N), N)
    labels = Labels("way", (0, 1), (0.5, 0.5))
    judge = Judge(
        metrics,
        BASIS,
        statistics,
        {},
        training=training.fields,
        labels=labels,
        classes=training.classes,
    )
    rows = [
        judge(own.fields, reference.fields, (own.classes, reference.classes))
        for own in (waves(60, seed=3), waves(60, frequencies=(7, 7), seed=3))
    ]
    assert fitted == [80, 60, 60]
    assert rows == [accuracy(waves(60, seed=3)), accuracy(waves(60, frequencies=(7, 7), seed=3))]
