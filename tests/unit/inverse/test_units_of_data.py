"""Data of channels in units of their own, and data that say the same without noise."""

import numpy as np
import pytest
import torch

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.exact import ExactDenoiser, mixture
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.inverse.guidance.base import GuidedDenoiser
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.systems import Iterative, _warn, factored
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.observations.points import Points, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis

N, BASIS, PLACES = 32, CosineBasis(1), ((0.1,), (0.35,), (0.8,))
SPECTRUM = Bessel(power=1.5)


def of_channel(number, places, noise):
    return Channel(channel=number, observation=Points(points=places, noise=noise))


class Two:
    """Two channels of one law, the second in units of ``scale``, and their exact denoiser."""

    def __init__(self, scale):
        def spectrum(n):
            return SPECTRUM.eigenvalues(BASIS, n).expand(2, -1)

        means = torch.zeros(1, 2, 1, dtype=torch.float64)
        law = mixture(BASIS, means, spectrum)
        self.denoiser = ExactDenoiser(law, noise=Bessel(), process=VariancePreserving())
        units = torch.tensor([1.0, scale], dtype=torch.float64)
        self.statistics = Statistics(0 * units, units, spectrum(N), N)
        self.normal = law.sample(np.random.default_rng(3), 1, N)
        self.truth = self.statistics.denormalise(self.normal)

    def guided(self, guidance, observation, data):
        physical = Physical(observation=observation, statistics=self.statistics)
        problem = Problem(self.denoiser.law, physical)
        return GuidedDenoiser(guidance, self.denoiser, problem, data)

    def estimate(self, guidance, observation, data):
        t = torch.tensor([0.3], dtype=torch.float64)
        return self.guided(guidance, observation, data)(self.normal, t).data


@pytest.mark.parametrize("guidance", [WienerGuidance(), MomentGuidance()], ids=["many", "moment"])
def test_conjugate_gradients_do_not_depend_on_the_units_of_channels(guidance, monkeypatch):
    """Data of a channel in millionths count as much as those of the other."""
    monkeypatch.setattr(Problem, "is_dense", lambda self, n: False)

    def estimate(scale):
        two = Two(scale)
        noises = (0.1, 0.1 * scale)
        parts = tuple(of_channel(i, PLACES, noise) for i, noise in enumerate(noises))
        both = Several(observation=parts)
        return two.estimate(guidance, both, both.on(BASIS, 2, N).forward(two.truth)[0])

    torch.testing.assert_close(estimate(1e-6), estimate(1.0), rtol=1e-4, atol=1e-4)


def test_conjugate_gradients_that_do_not_converge_are_warned_of_once(caplog):
    values = torch.logspace(0, 6, 40, dtype=torch.float64)
    units, data = torch.ones(40).double(), torch.ones(3, 40).double()

    def solve(iterations):
        options = {"iterations": iterations, "tolerance": 1e-7, "remedy": "raise them"}
        return Iterative(lambda w: values * w, units=units, **options).solve(data)

    _warn.cache_clear()
    assert torch.allclose(solve(400), 1 / values.expand(3, -1), rtol=1e-3)
    assert not caplog.records
    for _ in range(2):
        solve(5)
    (record,) = caplog.records
    assert "have not come to 1e-07 of the data in 5 iterations" in record.message
    assert "raise them" in record.message


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_exact_data_that_are_told_twice_count_once(scale):
    """Whatever the unit of other channels; where they contradict each other, with their mean."""
    two = Two(scale)
    other = of_channel(1, PLACES, 0.1 * scale)
    once = Several(observation=(of_channel(0, PLACES, 0.0), other))
    twice = Several(observation=(of_channel(0, PLACES * 2, 0.0), other))
    data = once.on(BASIS, 2, N).forward(two.truth)[0]
    shift = torch.tensor([0.05, -0.1, 0.02], dtype=torch.float64)
    repeated = torch.cat([data[:3] - shift, data[:3] + shift, data[3:]])
    expected = two.estimate(WienerGuidance(), once, data)
    for said in (torch.cat([data[:3], data]), repeated):
        found = two.estimate(WienerGuidance(), twice, said)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_more_exact_data_than_nodes_give_the_function():
    """Of draws in single precision, too."""
    two = Two(1.0)
    places = tuple((float(x),) for x in np.random.default_rng(0).random(3 * N))
    sensors = of_channel(0, places, 0.0)
    data = sensors.on(BASIS, 2, N).forward(two.truth)[0]
    guided = two.guided(WienerGuidance(), sensors, data)
    drawn = DPMSolver(steps=16)(guided, N, range(3), 0).fields[:, 0].double()
    torch.testing.assert_close(drawn, two.truth[:, 0].expand_as(drawn), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "operator",
    [
        Several(observation=(Averages(resolution=2), Averages(resolution=1))),
        RandomPoints(number=100),
    ],
    ids=["means of means", "sensors of smooth functions"],
)
def test_covariances_with_a_factor_by_rounding_alone_magnify_none(problem, operator):
    """Before, draws in single precision were ten to a hundred times the data."""
    known = problem(CosineBasis(2), power=4.0)
    data = known.data_of_a_draw(operator, 32)
    found = []
    for dtype in (torch.float32, torch.float64):
        sampler, exact = DPMSolver(steps=16), known.denoiser
        drawn = WienerGuidance().draw(exact, operator, data, sampler, 32, range(2), 0, dtype=dtype)
        found.append(drawn.fields.double())
        told = operator.on(known.basis, 1, 32).forward(found[-1])
        torch.testing.assert_close(told, data.expand_as(told), rtol=0, atol=2e-5)
    torch.testing.assert_close(*found, rtol=0, atol=2e-4)


def test_sensors_at_one_place_that_contradict_each_other_are_met_half_way(problem):
    """Whether their covariance has a factor is a matter of rounding."""
    known = problem(CosineBasis(2), power=2.0)
    for seed in range(4):
        places = np.random.default_rng(seed).random((3, 2))
        twice = Points(points=(*map(tuple, places), tuple(places[0])))
        data = torch.tensor([0.5, 0.2, -0.3, 0.6], dtype=torch.float64)
        drawn = WienerGuidance().draw(
            known.denoiser, twice, data, DPMSolver(steps=8), 16, range(2), 0
        )
        told = twice.on(known.basis, 1, 16).forward(drawn.fields.double())
        middle = torch.tensor([0.55, 0.2, -0.3, 0.55], dtype=torch.float64)
        torch.testing.assert_close(told, middle.expand_as(told), rtol=0, atol=1e-4)


def test_covariances_that_are_none_are_refused():
    indefinite = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    with pytest.raises(FloatingPointError, match="give the observation some noise"):
        factored(indefinite)
    with pytest.raises(FloatingPointError, match="not finite: check their noise"):
        factored(indefinite * torch.nan)
