"""Classifier-free guidance of two Gaussian classes, of which all expectations are exact."""

import pytest
import torch

from fsdiff.diffusion.classifier_free import ClassifierFree
from fsdiff.diffusion.exact import ExactDenoiser, mixture
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.multilevel import Multilevel
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(1), 8
WAVE = 2**0.5 * torch.cos(torch.pi * torch.from_numpy(BASIS.axis_nodes(N)[0]))
NOISE = Bessel(power=0.6)


def exact(*signs):
    """Of fields about a wave, upwards or downwards, with half of its deviation in each mode."""
    means = torch.stack([sign * WAVE for sign in signs])[:, None]
    law = mixture(BASIS, means, lambda n: torch.full((1, *BASIS.coefficient_shape(n)), 0.25))
    return ExactDenoiser(law, noise=NOISE, process=VariancePreserving())


class Told:
    """The classes are told by the sign of a constant."""

    conditions = None

    def __init__(self):
        self.free, self.up, self.down = exact(1, -1), exact(1), exact(-1)
        self.law = self.free.law

    def estimate(self, x, marginal, condition=None):
        if condition is None:
            return self.free.estimate(x, marginal)
        return (self.up if condition[0, 0, 0] > 0 else self.down).estimate(x, marginal)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_estimates_differ_by_a_multiple_of_what_the_class_says(scale):
    denoiser = Told()
    guided = ClassifierFree(denoiser, scale)
    x, t = torch.randn(3, 1, N, generator=torch.Generator().manual_seed(0)), torch.tensor([0.4])
    marginal, told = denoiser.law.marginal(t, N), -torch.ones(3, 1, N)
    found, free = guided(x, t, told), denoiser.estimate(x, marginal)
    expected = free.data + scale * (denoiser.estimate(x, marginal, told).data - free.data)
    torch.testing.assert_close(found.data, expected)
    both = marginal.apply(marginal.mean_scale, found.data)
    both = both + marginal.apply(marginal.noise_scale, found.noise)
    torch.testing.assert_close(both, x, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(guided(x, t).data, free.data)


def test_samples_are_more_typical_and_less_diverse():
    """The law of the class where the scale is one, that of all where it is zero."""
    moments = []
    for scale in (0.0, 1.0, 3.0):
        draw = DPMSolver(steps=40)
        told = torch.ones(256, 1, N)
        drawn = draw(ClassifierFree(Told(), scale), N, range(256), 0, condition=told)
        along = drawn.fields[:, 0].double() @ WAVE / N
        moments.append((float(along.mean()), float(along.std())))
        assert drawn.evaluations[0] == {N: 2 * 40}
    (of_all, spread_of_all), (of_class, spread), (typical, narrow) = moments
    assert of_all == pytest.approx(0.0, abs=0.25)
    assert spread_of_all == pytest.approx(1.25**0.5, abs=0.15)
    assert (of_class, spread) == pytest.approx((1.0, 0.5), abs=0.1)
    assert typical > 1.1
    assert narrow < 0.9 * spread


def test_grids_have_their_evaluations_each():
    told = torch.ones(2, 1, N)
    drawn = Multilevel(sampler=DPMSolver(steps=6), tolerance=0.5, coarsest=4)(
        ClassifierFree(Told(), 2.0), N, range(2), 0, condition=told
    )
    assert sum(drawn.evaluations[0].values()) == 2 * 6
    assert all(count % 2 == 0 for count in drawn.evaluations[0].values())
