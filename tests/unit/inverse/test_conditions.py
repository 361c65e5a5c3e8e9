"""Conditions: estimates that are functions, equal to kriging, and all that the data say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff import parts
from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.conditions.left import SpectrumLeft
from fsdiff.inverse.conditions.regression import Regression
from fsdiff.inverse.conditions.ucos import Combined
from fsdiff.inverse.forward.base import Differentiable
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.frames import Frames
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import Points, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.recursion import Normal, law_of_samples, posterior
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask as Gaps

MEAN, SCALE = 3.0, 2.0
CPU = torch.device("cpu")

BASES = {
    "interval": CosineBasis(1),
    "circle": FourierBasis(1),
    "sines": SineBasis(2),
    "channel_flow": Box(
        axes=(
            Axis(kind="dirichlet", name="y", nodes=6, side=0.5),
            Axis(kind="periodic", name="x", nodes=12, side=2.0),
        )
    ),
}


def statistics_of(problem, n, mean=MEAN, scale=SCALE):
    """Those of the law of a problem, moved and stretched."""
    return fs.Statistics(
        mean=torch.tensor([mean], dtype=torch.float64),
        scale=torch.tensor([scale], dtype=torch.float64),
        spectrum=problem.data.covariance(n)[None][0],
        resolution=n,
    )


def conditioning(problem, operator, n, **settings):
    condition = Kriging(operator=operator, **settings)
    return condition.conditioning(problem.basis, statistics_of(problem, n))


def prior(gaussian, n):
    """N(0, C) on the nodes, of the modes that the grid resolves."""
    basis, size = gaussian.basis, gaussian.basis.size(n)
    units = torch.eye(size, dtype=torch.float64).view(size, *basis.grid(n))
    spectrum = gaussian.data.covariance(n)[0] * basis.resolved(n)
    matrix = size * basis.multiply(units, spectrum)
    return Normal(torch.zeros(size, dtype=torch.float64), matrix.reshape(size, size))


def parts_of(condition):
    """Estimate and deviation of a condition on one channel, flat."""
    return condition[0].flatten().double(), condition[1].flatten().double()


@pytest.mark.parametrize(
    "observation",
    [
        RandomPoints(number=9, noise=0.3, seed=4),
        Mask(resolution=8, share=0.3, noise=0.3),
        Averages(resolution=4, noise=0.3),
        LowPass(resolution=6, width=0.1, noise=0.3),
        Modes(highest=3, noise=0.3),
        Channel(channel=0, observation=RandomPoints(number=5, noise=0.3)),
        Several(observation=(RandomPoints(number=5, noise=0.3), Averages(resolution=2, noise=0.1))),
    ],
    ids=lambda observation: observation.kind,
)
@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
def test_the_condition_is_kriging_in_closed_form(problem, basis, observation):
    gaussian, n = problem(basis), 12
    mean = MEAN if gaussian.basis.constants else 0.0
    known = Kriging(operator=observation).conditioning(
        gaussian.basis, statistics_of(gaussian, n, mean)
    )
    u = gaussian.data.sample(np.random.default_rng(1), 1, n)
    data = observation.draw(SCALE * u + mean, gaussian.basis, 2, [0])[0]
    matrix = gaussian.matrix(observation, n)
    noise = observation.variances(gaussian.basis, 1)
    exact = posterior(prior(gaussian, n), SCALE * matrix, noise, data - matrix.sum(1) * mean)
    estimate, deviation = parts_of(known.given(observation, data, n))
    assert torch.allclose(estimate, exact.mean, atol=1e-5)
    at_nodes = exact.covariance.diagonal().sqrt().view(basis.grid(n))
    assert torch.allclose(deviation, basis.resample(at_nodes, n).flatten(), atol=1e-5)


def test_it_is_the_same_function_on_every_grid(problem):
    """Whatever the level of the fields; and on the coarse grid of estimates nearly that of all."""
    gaussian = problem(CosineBasis(2))
    observation = RandomPoints(number=12, noise=0.1)
    data = gaussian.data_of_a_draw(observation, n=24) * SCALE + MEAN
    known = conditioning(gaussian, observation, 24)
    coarse, same, fine = (known.given(observation, data, n) for n in (12, 24, 48))
    basis = gaussian.basis
    assert torch.allclose(basis.restrict(fine, 24), same, atol=1e-5)
    assert torch.allclose(basis.restrict(same, 12), coarse, atol=1e-5)
    fewer = conditioning(gaussian, observation, 24, resolution=12).given(observation, data, 24)
    assert (fewer - same)[0].norm() < 0.05 * same[0].norm()


def test_less_is_known_of_fewer_data_and_of_none_what_is_known_beforehand(problem):
    gaussian, n = problem(CosineBasis(1)), 32
    observation = RandomPoints(number=16, noise=0.2)
    known = conditioning(gaussian, observation, n)
    data = gaussian.data_of_a_draw(observation, n) * SCALE + MEAN
    before = torch.full((n,), torch.inf, dtype=torch.float64)
    for number in (1, 4, 16):
        missing = torch.where(torch.arange(16) < number, data, torch.nan)
        fewer = RandomPoints(number=number, noise=0.2)
        found = known.given(observation, missing, n)
        assert torch.allclose(found, known.given(fewer, data[:number], n), atol=1e-5)
        deviation = parts_of(found)[1]
        assert (deviation <= before + 1e-6).all()
        assert (deviation < before).any()
        before = deviation
    nothing = known.given(observation, torch.full_like(data, torch.nan), n)
    assert torch.equal(nothing, known.nothing(n, CPU))
    estimate, deviation = parts_of(nothing)
    assert not estimate.any()
    assert torch.allclose(deviation**2, gaussian.prior(n).covariance.diagonal(), rtol=1e-5)


class TellingDenoiser:
    """E[X_0 | X_t, y] of Gaussian fields, from x and a condition's estimate alone."""

    def __init__(self, problem, covariance, centre):
        self.law, self.covariance, self.centre = problem.denoiser.law, covariance, centre

    def estimate(self, x, marginal, condition=None):
        n = x.shape[-1]
        units = torch.eye(n, dtype=torch.float64).view(n, 1, n)
        shrink = marginal.apply(marginal.mean_scale, units).view(n, n).T
        colour = marginal.apply(marginal.noise_scale.square() * marginal.noise_spectrum, units)
        variance = shrink @ self.covariance @ shrink.T + n * colour.view(n, n).T
        gain = torch.linalg.solve(variance, shrink @ self.covariance).T
        deviation = x.flatten(1).double() - shrink @ self.centre
        data = (self.centre + deviation @ gain.T).view(x.shape).to(x)
        return Estimate(data, marginal.noise_from_data(x, data), marginal)


@pytest.mark.parametrize("number", [2, 6, 12])
def test_what_the_condition_tells_is_all_that_the_data_say(problem, number):
    """The exact denoiser that knows the data by their condition alone draws the exact posterior."""
    gaussian, n = problem(CosineBasis(1), power=1.0), 32
    observation = RandomPoints(number=number, noise=0.3, seed=number)
    data = gaussian.data_of_a_draw(observation, n)
    known = Kriging(operator=observation).conditioning(
        gaussian.basis, statistics_of(gaussian, n, 0.0, 1.0)
    )
    exact = gaussian.posterior(observation, data, n)
    centre = parts_of(known.given(observation, data, n))[0]
    denoiser = TellingDenoiser(gaussian, exact.covariance, centre)
    drawn = law_of_samples(DPMSolver(steps=32), denoiser, n)
    assert drawn.distance(exact) < 0.01 * exact.size


def test_models_that_are_told_too_little_can_be_led_besides(problem):
    """Told as if noise were three times as large, and led: nearly right; told right, too narrow."""
    gaussian, n = problem(CosineBasis(1), power=1.0), 32
    sensors = RandomPoints(number=16, noise=0.05, seed=1)
    y = gaussian.data_of_a_draw(sensors, n)
    exact = gaussian.posterior(sensors, y, n)

    def errors(factor, led):
        found = gaussian.posterior(RandomPoints(number=16, noise=0.05 * factor, seed=1), y, n)
        denoiser = TellingDenoiser(gaussian, found.covariance, found.mean)
        guided = WienerGuidance()(denoiser, sensors, y) if led else denoiser
        law = law_of_samples(DPMSolver(steps=32), guided, n)
        deviation, its = (one.covariance.diagonal().sqrt() for one in (exact, law))
        away = (law.mean - exact.mean).norm(), (its - deviation).norm()
        return [float(part / deviation.norm()) for part in away]

    assert errors(3.0, led=False) == pytest.approx([0.6, 1.04], rel=0.05)
    assert errors(3.0, led=True) == pytest.approx([0.04, 0.08], rel=0.2)
    assert errors(1.0, led=True) == pytest.approx([0.15, 0.23], rel=0.1)


def test_data_of_coarse_fields_vary_like_those_of_fine_ones(problem):
    """What a coarse grid does not resolve is drawn: Cov y is H C H* + Γ with all modes."""
    gaussian = problem(CosineBasis(1), power=0.5)
    observation = RandomPoints(number=6, noise=0.1)
    known = conditioning(gaussian, observation, 64)
    u = gaussian.data.sample(np.random.default_rng(0), 4000, 4)
    whole = known.completed(u, range(len(u)))
    assert torch.allclose(gaussian.basis.restrict(whole, 4), u)
    data = observation.on(gaussian.basis, 1, 64).forward(SCALE * whole + MEAN)
    exact = known.moments(observation, CPU).gram
    assert (torch.cov(data.T) - exact).norm() < 0.05 * exact.norm()
    coarse = observation.on(gaussian.basis, 1, 4).forward(SCALE * u + MEAN)
    assert (torch.cov(coarse.T) - exact).norm() > 0.08 * exact.norm()


def test_training_sees_any_number_of_sensors_anywhere_and_sometimes_none(problem):
    gaussian, n = problem(FourierBasis(2)), 8
    operator = RandomPoints(number=6, noise=0.1)
    known = conditioning(gaussian, operator, n, fewest=2, drop=0.25)
    found = [known._draw(torch.zeros(1, n, n), seed) for seed in range(400)]
    seen = [one for one in found if one is not None]
    assert abs(len(seen) / 400 - 0.75) < 0.06
    assert {len(one.data) for one in seen} == {2, 3, 4, 5, 6}
    places = np.concatenate([one.observation.coordinates(gaussian.basis) for one in seen])
    assert np.allclose(places.mean(0), 0.5, atol=0.03)
    assert len(np.unique(places, axis=0)) == len(places)
    noise = torch.cat([one.data for one in seen]) - MEAN
    assert abs(float(noise.std()) - 0.1) < 0.005


def with_gaps(problem, condition, n, missing):
    """A condition on fields that are continued over some nodes, those of one corner."""
    present = torch.ones(1, *problem.basis.grid(n), dtype=torch.bool)
    present[(0, *missing)] = False
    gaps = Gaps(present, problem.basis)
    statistics = replace(statistics_of(problem, n), mask=gaps)
    seen = condition.where_present(gaps, problem.basis)
    return gaps, seen.conditioning(problem.basis, statistics)


@pytest.mark.parametrize(
    "observation",
    [RandomPoints(number=9, noise=0.3, seed=4), Mask(resolution=12, share=0.3, noise=0.3)],
    ids=lambda observation: observation.kind,
)
@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(2)], ids=["interval", "torus"])
def test_over_gaps_it_is_kriging_of_continued_fields(problem, basis, observation):
    """With F C Fᵀ in the place of C, F the harmonic continuation."""
    gaussian, n = problem(basis), 12
    missing = (slice(3, 8),) * basis.dimension
    gaps, known = with_gaps(gaussian, Kriging(operator=observation), n, missing)
    seen = observation.where_present(gaps, basis)
    size, shape = basis.size(n), (-1, 1, *basis.grid(n))
    units = torch.eye(size, dtype=torch.float64).view(shape)
    filled = HarmonicFilling(gaps, n)(units).view(size, size).T
    before = prior(gaussian, n)
    before = Normal(before.mean, filled @ before.covariance @ filled.T)
    u = filled @ gaussian.data.sample(np.random.default_rng(1), 1, n).flatten()
    data = seen.draw(SCALE * u.view(shape) + MEAN, basis, 2, [0])[0]
    matrix, noise = gaussian.matrix(seen, n), seen.variances(basis, 1)
    exact = posterior(before, SCALE * matrix, noise, data - matrix.sum(1) * MEAN)
    found = torch.stack(parts_of(known.given(seen, data, n)))
    expected = torch.stack([exact.mean, exact.covariance.diagonal().sqrt()])
    expected = basis.resample(expected.view(shape), n).flatten(1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_random_places_are_seen_where_there_are_values(problem):
    """All with a value near, and in a field that has one value only mostly nothing."""
    gaussian, n = problem(CosineBasis(2)), 16
    sensors = Kriging(operator=RandomPoints(number=6, noise=0.1), drop=0.0)
    half = slice(8, 16)
    _, known = with_gaps(gaussian, sensors, n, (slice(None), half))
    found = [known._draw(torch.zeros(1, n, n), seed) for seed in range(200)]
    seen = [one.observation for one in found if one is not None]
    places = np.concatenate([one.coordinates(gaussian.basis) for one in seen])
    assert places[:, 1].max() < 0.5
    expected = 200 * 6 / 2  # binomial, of variance half of that
    assert abs(len(places) - expected) < 4 * (expected / 2) ** 0.5
    assert {len(one.deviations(gaussian.basis, 1)) for one in seen} == {1, 2, 3, 4, 5, 6}
    _, blind = with_gaps(gaussian, sensors, n, (slice(None), slice(1, 16)))
    found = [blind._draw(torch.zeros(1, n, n), seed) for seed in range(200)]
    share = sum(one is not None for one in found) / 200
    assert abs(share - (1 - (15 / 16) ** 6)) < 0.15


def test_fixed_observations_have_fresh_noise_and_any_of_their_data(problem):
    gaussian, n = problem(CosineBasis(1)), 16
    operator = Averages(resolution=4, noise=0.1)
    all_of_them = conditioning(gaussian, operator, n, drop=0.0)
    some = conditioning(gaussian, operator, n, fewest=1, drop=0.0)
    u = torch.zeros(1, n)
    assert all(all_of_them._draw(u, seed).seen.all() for seed in range(20))
    found = [some._draw(u, seed) for seed in range(200)]
    assert {int(one.seen.sum()) for one in found} == {1, 2, 3, 4}
    assert torch.stack([one.seen for one in found]).double().mean(0).sub(0.625).abs().max() < 0.12
    assert len({float(one.data[0]) for one in found}) == 200


def test_parts_of_a_batch_have_the_conditions_that_they_have_in_the_whole(problem):
    gaussian, n = problem(CosineBasis(2)), 8
    known = conditioning(gaussian, RandomPoints(number=6, noise=0.1), n, fewest=1, drop=0.3)
    u = gaussian.data.sample(np.random.default_rng(0), 9, n).float()
    seeds = [*range(10, 19)]
    whole = known.drawn(u, seeds)
    halves = torch.cat([known.drawn(u[:4], seeds[:4]), known.drawn(u[4:], seeds[4:])])
    assert torch.allclose(whole, halves, atol=1e-6)
    found = [known._draw(v, seed) for v, seed in zip(u, seeds, strict=True)]
    assert {one is None for one in found} == {True, False}
    for condition, one in zip(whole, found, strict=True):
        alone = known.nothing(n, CPU) if one is None else known.given(*one[:2], n)
        assert torch.allclose(condition, alone, atol=1e-5)


def test_the_spectrum_that_is_left_has_the_energy_that_is_left(problem):
    """And it is that of the posterior where sensors are on a grid and see low modes only."""
    gaussian, n = problem(FourierBasis(1), power=1.5), 32
    spectrum = gaussian.data.covariance(n)
    left = SpectrumLeft(spectrum, gaussian.basis.multiplicity(n).expand(spectrum.shape))
    energy = left.total * torch.tensor([[1.0], [0.5], [0.01]], dtype=torch.float64)
    found = left(energy)
    weighted = (gaussian.basis.multiplicity(n) * found).sum(-1)
    assert torch.allclose(weighted, energy, rtol=2e-3)
    assert torch.allclose(found[0, 0], spectrum[0], rtol=1e-3)

    noise = 0.4
    sensors = Points(points=tuple((i / n,) for i in range(n)), noise=noise)
    known = conditioning(gaussian, sensors, n)
    condition = known.given(sensors, torch.full((n,), MEAN, dtype=torch.float64), n)
    _, of_it = known.left(condition[None])
    theta = noise**2 / n / SCALE**2
    exact = spectrum * theta / (spectrum + theta)
    assert torch.allclose(of_it[0][:, : n // 2], exact[:, : n // 2], rtol=0.02)


def cubes(u):
    """Data that no line fits: means of cubes over halves."""
    return u[:, 0].pow(3).unflatten(-1, (2, -1)).mean(-1)


def test_regression_is_kriging_with_sample_moments(problem):
    """Whatever is observed; missing data are left out."""
    gaussian, n = problem(CosineBasis(1)), 16
    operator = Mapped(map=Differentiable(cubes, 2, rank=2), noise=0.5)
    fields = SCALE * gaussian.data.sample(np.random.default_rng(0), 50, n) + MEAN
    statistics = statistics_of(gaussian, n)
    known = Regression(operator=operator).conditioning(gaussian.basis, statistics)
    assert not known.prepared
    known.prepare(statistics.normalise(fields))
    assert known.prepared
    exact = cubes(fields)
    data = exact[7] + torch.tensor([0.3, -0.6])
    variance = torch.tensor([0.25, 0.25], dtype=torch.float64)
    for seen in ([0, 1], [1]):
        joint = torch.cov(torch.cat([fields.flatten(1), exact[:, seen]], 1).T)
        cross, gram = joint[:n, n:], joint[n:, n:] + torch.diag(variance[seen])
        centre = fields.mean(0).flatten(), exact[:, seen].mean(0)
        mean = centre[0] + cross @ torch.linalg.solve(gram, data[seen] - centre[1])
        left = joint[:n, :n] - cross @ torch.linalg.solve(gram, cross.T)
        missing = torch.full_like(data, torch.nan)
        missing[seen] = data[seen]
        estimate, deviation = parts_of(known.given(operator, missing, n))
        assert torch.allclose(SCALE * estimate + MEAN, mean, atol=1e-4)
        assert torch.allclose(SCALE * deviation, left.diagonal().sqrt(), atol=1e-4)
    other = Mapped(map=operator.map, noise=0.1)
    with pytest.raises(ValueError, match="given those of another"):
        known.given(other, data, n)


def test_what_cannot_be_is_refused():
    basis = CosineBasis(2)
    sensors = RandomPoints(number=8, noise=0.1)

    def refused(condition, match, transformed=False):
        with pytest.raises(ValueError, match=match):
            condition.check(basis, 1, transformed=transformed)

    refused(Kriging(operator=sensors, fewest=9), "^fewest = 9: no more than 8 are observed")
    refused(Kriging(operator=sensors), "transformed fields.*kind: regression", transformed=True)
    pressure = parts.build("operator", {"kind": "mapped", "map": {"kind": "darcy"}, "noise": 0.1})
    refused(Kriging(operator=pressure), "kind mapped are not linear; use kind: regression")
    refused(Regression(operator=sensors), "random_points has other places for every field")
    refused(Kriging(operator=Points(points=((0.5, 2.0),))), "x = 2 is outside of the box")
    refused(Kriging(operator=Frames(resolution=8, frames=(0,), axis="t")), "axis")
    nodes = Mask(resolution=8, share=0.1, noise=(0.1,) * 6)
    refused(Kriging(operator=nodes), "noise: other nodes are seen each time; give one number")
    unequal = RandomPoints(number=2, noise=(0.1, 0.2))
    Kriging(operator=unequal, fewest=1).check(basis, 1, transformed=False)
    Combined(operator=unequal).check(basis, 1, transformed=False)
    refused(Combined(operator=unequal, fewest=1), "noise: sensors elsewhere have one noise")
    pressures = Regression(operator=pressure, fewest=65)
    refused(pressures, "fewest = 65: no more than 64 are observed")


def test_infinite_data_are_refused(problem):
    known = conditioning(problem(CosineBasis(1)), RandomPoints(number=2, noise=0.1), 16)
    with pytest.raises(ValueError, match="data contain infinity: NaN stands for what was not"):
        known.given(RandomPoints(number=2, noise=0.1), torch.tensor([0.1, torch.inf]), 16)


@pytest.mark.parametrize("channel", [0, 1], ids=["smooth", "rough"])
@pytest.mark.parametrize(
    ("observation", "rtol"),
    [
        (Averages(resolution=4, noise=0.02), 1e-6),
        (Modes(highest=3, noise=0.02), 1e-6),
        (Points(points=((0.1,), (0.33,), (0.71,)), noise=0.02), 1e-6),
        (RandomPoints(number=3, noise=0.02), 0.1),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_modes_beyond_a_coarse_grid_of_estimates_are_those_that_data_see(
    channel, observation, rtol
):
    """Deviations are those that data of the fine function leave, whatever other channels are."""
    basis, n, coarse = CosineBasis(1), 64, 16
    spectrum = torch.stack([fs.Bessel(power=power).eigenvalues(basis, n) for power in (2.5, 0.55)])
    spectrum = (spectrum / spectrum.sum(1, keepdim=True)).double()
    scale = torch.tensor([SCALE, 1e-3 * SCALE], dtype=torch.float64)
    statistics = fs.Statistics(0 * scale, scale, spectrum, n)
    units = torch.eye(n, dtype=torch.float64).view(n, 1, n)
    covariance = (n * basis.multiply(units, spectrum[channel])).reshape(n, n)
    scaled = replace(observation, noise=float(0.02 * scale[channel]))
    matrix = scale[channel] * scaled.on(basis, 1, n).forward(units).T
    law = Normal(torch.zeros(n, dtype=torch.float64), covariance)
    zero = torch.zeros(len(matrix), dtype=torch.float64)
    exact = posterior(law, matrix, scaled.variances(basis, 1), zero).covariance
    restricted = basis.restrict(units, coarse)[:, 0].T
    expected = (restricted @ exact @ restricted.T).diagonal().sqrt()
    own = Channel(channel=channel, observation=scaled)
    known = Kriging(operator=own, resolution=coarse).conditioning(basis, statistics)
    found = known.moments(own, CPU).deviation[channel]
    assert torch.allclose(found, expected, rtol=rtol, atol=1e-6)
