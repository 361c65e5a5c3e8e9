"""Operators on data that are no covariances, inverted by minimal residuals."""

import pytest
import torch

from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.systems import Dense, MinimalResidual
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.spaces.bases import CosineBasis

SIZE, BATCH = 7, 3
UNITS = torch.logspace(-4, 4, SIZE, dtype=torch.float64)
SENSORS = RandomPoints(number=5, noise=0.001)


def matrices(seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn((BATCH, SIZE, SIZE), generator=random, dtype=torch.float64)


def system(matrix, known=None, iterations=SIZE, tolerance=1e-10):
    return MinimalResidual(
        lambda data: (matrix @ data[..., None])[..., 0],
        units=UNITS,
        known=known,
        iterations=iterations,
        tolerance=tolerance,
        remedy="",
    )


@pytest.mark.parametrize("known", [None, "near"])
def test_systems_without_symmetry_or_sign_are_solved(known):
    matrix = matrices() + 3 * torch.eye(SIZE)
    near = Dense(torch.eye(SIZE, dtype=torch.float64) * 3) if known else None
    data = torch.randn((BATCH, SIZE), generator=torch.Generator().manual_seed(1)).double()
    found = system(matrix, near).solve(data)
    left = ((matrix @ found[..., None])[..., 0] - data) / UNITS
    assert float(left.norm()) < 1e-9 * float((data / UNITS).norm())


def test_what_is_left_never_grows_and_samples_do_not_depend_on_each_other():
    matrix, data = matrices(), torch.ones((BATCH, SIZE), dtype=torch.float64)
    matrix[1] = torch.eye(SIZE)  # arrives at once
    data[2] = 0  # has nothing to do
    left = []
    for iterations in range(SIZE + 1):
        found = system(matrix, iterations=iterations).solve(data)
        left.append((((matrix @ found[..., None])[..., 0] - data) / UNITS).norm(dim=1))
        alone = system(matrix[:1], iterations=iterations).solve(data[:1])
        torch.testing.assert_close(found[:1], alone, rtol=1e-9, atol=1e-12)
    left = torch.stack(left)
    assert (left.diff(dim=0) <= 1e-9 * left[:1].clamp_min(1)).all()
    assert float(left[-1].max()) < 1e-6 * float(left[0].max())


def test_a_singular_system_has_the_solution_that_there_is():
    matrix = torch.zeros(BATCH, SIZE, SIZE, dtype=torch.float64)
    matrix[:, 0, 0] = 2
    data = torch.ones((BATCH, SIZE), dtype=torch.float64)
    found = system(matrix).solve(data)
    assert found.isfinite().all()


def test_one_iteration_is_enough_for_gaussian_data(problem):
    """What is known already is all that there is."""
    gaussian, n = problem(CosineBasis(1)), 16
    y = gaussian.data_of_a_draw(SENSORS, n)
    once, often = (
        MomentGuidance(iterations=iterations)(gaussian.denoiser, SENSORS, y)
        for iterations in (1, 50)
    )
    x, t = torch.randn((3, 1, n)).double(), torch.tensor([0.4]).double()
    torch.testing.assert_close(once(x, t).data, often(x, t).data, rtol=1e-4, atol=1e-4)


class Perturbed:
    """A denoiser with errors whose derivative is no covariance: three percent of moved fields."""

    def __init__(self, denoiser):
        self.denoiser, self.law = denoiser, denoiser.law

    def estimate(self, x, marginal, condition=None):
        found = self.denoiser.estimate(x, marginal, condition)
        data = found.data - 0.03 * x.roll(1, -1)
        return Estimate(data, marginal.noise_from_data(x, data), marginal)


def test_errors_of_a_derivative_do_not_carry_draws_away(problem):
    """In the noise V is made of them, a hundred and fifty times as large as they are."""
    gaussian, n = problem(CosineBasis(1)), 32
    y = gaussian.data_of_a_draw(SENSORS, n)
    draws = MomentGuidance().draw(
        Perturbed(gaussian.denoiser), SENSORS, y, DPMSolver(steps=20), n, range(64), 0
    )
    size = gaussian.prior(n).covariance.trace() / n
    assert float(draws.fields.square().mean((1, 2)).max()) < 10 * size
