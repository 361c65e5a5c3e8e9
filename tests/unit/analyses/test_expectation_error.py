"""The exact conditional expectation of random parabolas, and how far networks are from it."""

import numpy as np
import pytest
import torch

from fsdiff.analyses.expectation_error import ExpectationError
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.diffusion.denoiser import Estimate
from fsdiff.networks.fno import FNO

N = 24


def network(channels):
    return FNO(channels, dimension=1, basis="cosine", width=8, modes=4, layers=1, projection=8)


def analysis(**changes):
    small = {"source": Quadratic(resolution=N), "times": 3, "test_fields": 2000, "samples": 400}
    return ExpectationError(network=network, **small, curves=200, **changes)


class _Nothing:
    """A denoiser that always estimates zero."""

    def __init__(self, law):
        self.law = law

    def __call__(self, x, t, condition=None):
        return Estimate(torch.zeros_like(x), x, self.law.marginal(t, N))


def test_the_exact_expectation_has_no_error_and_no_estimate_one_of_the_size_of_the_data():
    one = analysis()
    exact = one.exact()
    assert one.error(exact, exact, 0.0, 0) < 1e-6
    # Where there is hardly noise the expectation is the data.
    assert one.error(_Nothing(exact.law), exact, 4.0, 0) == pytest.approx(1.0, abs=0.01)
    assert one.error(_Nothing(exact.law), exact, -4.0, 0) < 0.2


def test_the_sampler_with_the_exact_expectation_draws_the_law():
    found = analysis(steps=1).run().sel(expectation="exact", seed=0)
    assert float(found.positive) == pytest.approx(0.5, abs=0.08)
    assert float(found.spread) == pytest.approx(1.0, abs=0.1)
    assert float(found.amplitude) < 0.01
    assert float(found.residual) < 0.01


def test_training_reduces_the_error():
    before, after = (
        analysis(steps=steps, batch_size=32, learning_rate=5e-3).run() for steps in (1, 600)
    )
    assert after.mean_error.item() < 0.75 * before.mean_error.item()


def test_every_seed_has_its_own_network_and_curves():
    found = analysis(steps=1, seeds=(0, 1)).run()
    assert len(np.unique(found.mean_error)) == 2


def test_other_curves_are_refused():
    with pytest.raises(ValueError, match="source: give quadratic"):
        ExpectationError(network=network, source=RandomFieldData())
