"""Replacement as published: what is written into states, and where that is no posterior."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.adaptive_heun import AdaptiveHeun
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.replacement_published import PublishedReplacement, known_of
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.observations.points import Points
from fsdiff.spaces.bases import CosineBasis

N = 16
DRAWS = range(160)


@pytest.fixture
def known(problem):
    """ŷ and P at level n of the data of a function, and the function."""
    gaussian = problem(CosineBasis(2))

    def known(observation, highest=None, n=N):
        u = gaussian.data.sample(np.random.default_rng(1), 1, N)
        y = observation.draw(u, gaussian.basis, 0, [0])[0]
        return known_of(Problem(gaussian.denoiser.law, observation), y, highest), u

    return known


def test_values_at_nodes_are_known_by_themselves(known):
    """ŷ is the picture under the mask, and P the mask."""
    mask = Mask(resolution=N, share=0.3, block=2)
    found, u = known(mask)
    kept = np.zeros(N * N)
    kept[mask.kept(CosineBasis(2))] = 1
    kept = torch.from_numpy(kept).view(N, N)
    assert_close(found.function(u), kept * u, rtol=1e-9, atol=1e-9)
    assert_close(found.keep(u + 1), kept * (u + 1), rtol=1e-9, atol=1e-9)


def test_modes_are_known_by_themselves(known):
    found, u = known(Modes(highest=3.0))
    low = CosineBasis(2).omega_squared(N) <= (3 * np.pi) ** 2 * (1 + 1e-12)
    expected = CosineBasis(2).multiply(u, low.double())
    assert_close(found.function(u), expected, rtol=1e-9, atol=1e-9)
    assert_close(found.keep(u), expected, rtol=1e-9, atol=1e-9)


def test_what_blur_has_taken_is_missing_from_what_is_known(known):
    """ŷ is the blurred function, and P leaves modes without undoing their blur."""
    found, u = known(LowPass(resolution=N, width=0.1), highest=4.0)
    basis = CosineBasis(2)
    omega_squared = basis.omega_squared(N)
    blurred = basis.multiply(u, torch.exp(-0.5 * 0.1**2 * omega_squared))
    assert_close(found.function(u), blurred, rtol=1e-9, atol=1e-9)
    low = (omega_squared <= (4 * np.pi) ** 2 * (1 + 1e-12)).double()
    assert_close(found.keep(u), basis.multiply(u, low), rtol=1e-9, atol=1e-9)


def test_averages_are_values_of_a_function_on_their_own_grid(known):
    """Without a highest mode P leaves all that this grid resolves, and P² = P."""
    found, u = known(Averages(resolution=4))
    basis = CosineBasis(2)
    means = Averages(resolution=4).on(basis, 1, N).forward(u).view(1, 1, 4, 4)
    assert_close(found.function(u), basis.resample(means, N), rtol=1e-9, atol=1e-9)
    assert_close(found.keep(u), basis.resample(basis.resample(u, 4), N), rtol=1e-9, atol=1e-9)
    assert_close(found.keep(found.keep(u)), found.keep(u), rtol=1e-9, atol=1e-9)


def test_what_models_know_is_normalised(problem):
    """Data of physical fields say of normalised ones what these are: (u − mean)/scale."""
    gaussian = problem(CosineBasis(2))
    mean, scale = torch.tensor([3.0]).double(), torch.tensor([2.0]).double()
    statistics = Statistics(mean=mean, scale=scale, spectrum=torch.ones(1, N, N), resolution=N)
    u = gaussian.data.sample(np.random.default_rng(4), 1, N)
    for seen in (LowPass(resolution=N), Mask(resolution=N, share=1.0), Modes(highest=30.0)):
        y = seen.draw(3 + 2 * u, gaussian.basis, 0, [0])[0]
        physical = Physical(observation=seen, statistics=statistics)
        found = known_of(Problem(gaussian.denoiser.law, physical), y)
        assert_close(found.function(u), u, rtol=1e-6, atol=1e-6)
        assert_close(found.keep(u), u, rtol=1e-6, atol=1e-6)


def moments(gaussian, guidance, observation, y, sampler):
    fields = guidance.draw(
        gaussian.denoiser, observation, y, sampler, N, DRAWS, 0, dtype=torch.float64
    ).fields
    return fields.flatten(1).mean(0), fields.flatten(1).std(0)


def errors(problem, process, observation, guidance):
    """Of the mean, in deviations, and of the deviation, relative, where they can be wrong."""
    gaussian = problem(CosineBasis(1), process=process)
    y = gaussian.data_of_a_draw(observation, N)
    exact = gaussian.posterior(observation, y, N)
    mean, deviation = moments(gaussian, guidance, observation, y, DDIM(steps=20, eta=1.0))
    true = exact.covariance.diagonal().clamp_min(0).sqrt()
    shift = (mean - exact.mean).norm() / true.norm()
    return float(shift), float((deviation - true).norm() / true.norm())


PROCESSES = [VariancePreserving(), StochasticHeat(length=0.1)]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.kind)
def test_modes_seen_without_noise_are_followed(problem, process):
    """They are independent of the others: what is left are few steps and draws."""
    shift, spread = errors(problem, process, Modes(highest=2.0), PublishedReplacement())
    assert shift < 0.2
    assert spread < 0.3


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.kind)
def test_nodes_that_are_overwritten_say_too_little_to_their_neighbours(problem, process):
    """Values that are seen are kept exactly, and the gap between them is wrong; guidance is not."""
    mask = Mask(resolution=N, share=0.75, block=4, seed=1)
    gaussian = problem(CosineBasis(1), process=process)
    y = gaussian.data_of_a_draw(mask, N)
    mean, _ = moments(gaussian, PublishedReplacement(), mask, y, DDIM(steps=4, eta=1.0))
    seen = mask.on(gaussian.basis, 1, N).forward(mean.view(1, 1, N))[0]
    assert_close(seen, y, rtol=1e-6, atol=1e-6)
    published = errors(problem, process, mask, PublishedReplacement())
    guided = errors(problem, process, mask, WienerGuidance())
    assert max(guided) < 0.4
    assert min(published) > 1


def test_it_needs_steps_and_linear_data():
    guidance = PublishedReplacement()
    with pytest.raises(ValueError, match="follows the times of a sampler"):
        guidance.check(AdaptiveHeun(), affine=True, noisy=True)
    with pytest.raises(ValueError, match="needs an observation that is linear"):
        guidance.check(DDIM(), affine=False, noisy=True)


def test_draws_do_not_depend_on_each_other(problem):
    gaussian = problem(CosineBasis(1))
    points = Points(points=((0.2,), (0.7,)))
    y = gaussian.data_of_a_draw(points, N)
    draw = PublishedReplacement().draw
    options = {"dtype": torch.float64}
    few, many = (
        draw(gaussian.denoiser, points, y, DDIM(steps=4, eta=1.0), N, indices, 0, **options).fields
        for indices in ([3], range(20))
    )
    assert torch.equal(few[0], many[3])
