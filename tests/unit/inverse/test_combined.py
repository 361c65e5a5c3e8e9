"""Conditions that combine states with data: all that both say of the field, for every law."""

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import mixture
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Data, Noise, Wiener
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.inverse.conditions.ucos import Combined
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.points import Points, RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis

MEAN, SCALE = 3.0, 2.0
SENSORS = RandomPoints(number=6, noise=0.3, seed=1)
AVERAGES = Averages(resolution=4, noise=0.1)


def statistics_of(spectrum, n, mean=0.0, scale=1.0):
    moments = (torch.tensor([value], dtype=torch.float64) for value in (mean, scale))
    return fs.Statistics(*moments, spectrum=spectrum, resolution=n)


class Nothing(torch.nn.Module):
    """A network that adds nothing to the best linear estimate."""

    def forward(self, x, noise_level, condition):
        return torch.zeros_like(x)


def denoiser_of(law, operator, n, network, prediction=None, **moments):
    statistics = statistics_of(law.data.spectrum(n), n, **moments)
    known = Combined(operator=operator).conditioning(law.basis, statistics)
    return Denoiser(law, network, prediction or Wiener(), known), known


@pytest.mark.parametrize(
    ("basis", "process", "operator"),
    [
        (CosineBasis(1), None, SENSORS),
        (FourierBasis(1), StochasticHeat(length=0.05), AVERAGES),
    ],
    ids=["points", "averages"],
)
def test_of_gaussian_fields_nothing_is_left_to_learn(problem, told, basis, process, operator):
    """W2 to N(μ, P) is below one per cent; without data draws are those of the prior."""
    gaussian, n = problem(basis, process=process), 32
    y = gaussian.data_of_a_draw(operator, n)
    denoiser, known = denoiser_of(gaussian.denoiser.law, operator, n, Nothing())
    for condition, exact in (
        (known.given(operator, y, n), gaussian.posterior(operator, y, n)),
        (known.nothing(n, torch.device("cpu")), gaussian.prior(n)),
    ):
        law = law_of_samples(DPMSolver(steps=32), told(denoiser, condition), n)
        assert law.distance(exact) < 0.01 * exact.size


@pytest.mark.parametrize(("basis", "n"), [(CosineBasis(2), 10), (FourierBasis(2), 16)])
def test_estimates_are_those_of_guidance_and_have_its_noise_of_coarse_grids(problem, basis, n):
    """E[X_0 | X_t = x, y] of Gaussian fields, in physical units, without y; and what it leaves."""
    gaussian, finest, t = problem(basis, power=1.2), 16, torch.tensor([0.2, 0.6]).double()
    z = gaussian.data_of_a_draw(SENSORS, finest)
    physical = fs.RandomPoints(number=6, noise=0.3 * SCALE, seed=1)
    denoiser, known = denoiser_of(
        gaussian.denoiser.law, physical, finest, Nothing(), mean=MEAN, scale=SCALE
    )
    x = gaussian.data.sample(np.random.default_rng(1), 2, n)
    condition = known.given(physical, MEAN + SCALE * z, n).expand(2, -1, -1, -1)
    found = denoiser(x, t, condition)
    expected = WienerGuidance()(gaussian.denoiser, SENSORS, z, finest=finest)(x, t)
    torch.testing.assert_close(found.data, expected.data, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.noise, expected.noise, rtol=1e-4, atol=1e-4)
    # tr P at the second time, from the estimates' dependence on x: P = (r²/m) J Q.
    law = gaussian.denoiser.law
    seen = known.seen(law, x, law.marginal(t, n), condition)
    units = torch.eye(n * n).double().view(-1, 1, n, n)
    marginal = law.marginal(t[1:], n)
    colour = marginal.noise_scale.square() / marginal.mean_scale * marginal.noise_spectrum
    with_ = denoiser.estimate(units, marginal, condition[:1].expand(len(units), -1, -1, -1)).data
    zero = denoiser.estimate(0 * units[:1], marginal, condition[:1]).data
    spread = marginal.apply(colour, (with_ - zero).flatten(1).T.reshape(-1, 1, n, n))
    trace = spread.flatten(1).diagonal().sum()
    assert float(seen.marginal.left[1]) == pytest.approx(float(trace), rel=1e-4)


class OfTwoWaves(torch.nn.Module):
    """E[X_0 | u] for a mixture, from the estimate u and the time alone, by matrices."""

    def __init__(self, law, components, spectrum, matrix, noise):
        super().__init__()
        self.law, self.parts, self.noise = law, components, noise
        basis, n = law.basis, matrix.shape[1]
        units = torch.eye(n, dtype=torch.float64).view(n, 1, n)
        covariance, both, colour = (
            n * basis.multiply(units, values).view(n, n)
            for values in (components.covariance(n), spectrum, law.noise_spectrum(n))
        )
        self.means = components.means.flatten(1)
        self.own, self.both, self.q = (m.inverse() for m in (covariance, both, colour))
        self.data = matrix.T / noise @ matrix

    def forward(self, u, noise_level, condition):
        t, one = self.law.process.time_of(-noise_level[:1].double()), torch.ones(1).double()
        m, r = self.law.process.mean_scale(t, one), self.law.process.noise_scale(t, one)
        seen = self.data + (m / r).square() * self.q  # Σ⁻¹
        told = u.flatten(1).double() @ (self.both + seen)  # Σ⁻¹z
        return self.expected(seen, told).view_as(u)

    def expected(self, seen, told):
        """E[X_0] from the precision Σ⁻¹ and Σ⁻¹z, (batch, nodes)."""
        inverse = (self.own + seen).inverse()
        informed = told[:, None] + self.means @ self.own
        weights = (informed @ inverse * informed).sum(-1)
        weights = weights - (self.means @ self.own * self.means).sum(1)
        shares = (0.5 * weights).softmax(1)
        return torch.einsum("bi,bin->bn", shares, informed @ inverse)


class Plain(Data):
    """The data, from estimates as they are."""

    def network_input(self, x, marginal):
        return x


def test_they_say_all_of_a_law_that_is_not_gaussian(problem):
    """E[X_0 | X_t, y] of a mixture of functions is a function of them, to rounding."""
    basis, n, t = CosineBasis(1), 10, torch.tensor([0.45], dtype=torch.float64)
    wave = torch.cos(np.pi * torch.from_numpy(basis.nodes(n)))
    waves = mixture(
        basis,
        torch.stack([wave, -wave])[:, None],
        lambda n: 0.3 * Bessel(power=0.8).eigenvalues(basis, n)[None],
    )
    law = Law(basis=basis, noise=Bessel(), process=VariancePreserving(), data=waves)
    sensors = Points(points=((0.2,), (0.7,)), noise=0.8)
    units = torch.eye(n, dtype=torch.float64)[:, None]
    matrix = sensors.on(basis, 1, n).forward(units).T
    network = OfTwoWaves(law, waves, waves.spectrum(n), matrix, 0.64)
    denoiser, known = denoiser_of(law, sensors, n, network, Plain())
    random = np.random.default_rng(0)
    for y in torch.tensor([[0.1, -0.2], [1.0, 0.6], [-0.7, 0.4]]).double():
        x = torch.from_numpy(random.standard_normal((1, 1, n)))
        condition = known.given(sensors, y, n)[None]
        found = denoiser(x, t, condition).data.flatten()
        marginal = law.marginal(t, n)
        m, r = marginal.mean_scale.flatten(), marginal.noise_scale.flatten()
        seen = network.data + (m / r).square() * network.q
        told = y @ matrix / 0.64 + m / r.square() * (x.flatten() @ network.q)
        expected = network.expected(seen, told[None]).flatten()
        assert (found - expected).norm() < 1e-4 * expected.norm()
        shares = (expected @ wave) / (wave @ wave)
        assert abs(float(shares)) < 1  # both waves have a part in it


@pytest.mark.parametrize("fewest", [None, 2], ids=["fixed", "anywhere"])
def test_training_learns_from_it_and_models_draw_given_data(tmp_path, fewest):
    """After one epoch on Gaussian functions draws are as far from the data as the noise."""
    basis = fs.CosineBasis(1)
    random = np.random.default_rng(0)
    white = basis.white_noise(random.standard_normal((256, 1, 32)), 32)
    fields = basis.inverse(white * Bessel(power=1.5).eigenvalues(basis, 32).sqrt(), 32)
    fields = MEAN + SCALE * fields.float()
    network = fs.FNO(width=8, modes=4, layers=1, projection=8)
    model = fs.Diffusion(
        network,
        basis=basis,
        noise=fs.Bessel(),
        condition=Combined(operator=SENSORS, fewest=fewest),
    )
    model.fit(fields, [fs.Level(resolution=32, epochs=1)])
    y = SENSORS.draw(fields[:1].double(), basis, 5, [0])[0]
    few = fs.DPMSolver(steps=8)
    draws = model.sample(few, n=32, indices=range(24), observed=(SENSORS, y)).fields
    residuals = (SENSORS.on(basis, 1, 32).forward(draws.double()) - y) / 0.3
    assert 0.5 < residuals.square().mean() < 2
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model").sample(few, n=32, indices=[1], observed=(SENSORS, y)).fields
    assert torch.equal(again, draws[1:2])
    apart = model.sample(few, n=32, indices=range(24)).fields
    assert apart.var(0).mean() > 2 * draws.var(0).mean()


def test_what_cannot_be_combined_is_refused(problem):
    gaussian, n = problem(CosineBasis(1)), 16

    def refused(match, **settings):
        settings = {"operator": SENSORS, **settings}
        with pytest.raises(ValueError, match=match):
            Combined(**settings).check(CosineBasis(1), 1, transformed=False)

    averages = {"operator": AVERAGES, "fewest": 3}
    refused("^fewest = 3: kind = ucos takes all data of one observation", **averages)
    refused("^resolution = 8: kind = ucos estimates at the resolution of the", resolution=8)
    refused("2000 data, and no more than 1500", operator=RandomPoints(number=2000, noise=0.1))
    with pytest.raises(ValueError, match=r"^noise is of the noise of states alone"):
        Combined(operator=SENSORS).check_prediction(Noise())
    _, known = denoiser_of(gaussian.denoiser.law, SENSORS, n, Nothing())
    with pytest.raises(ValueError, match="takes all data, and some are missing"):
        known.given(SENSORS, torch.full((6,), torch.nan), n)
    with pytest.raises(ValueError, match="trained for one observation"):
        known.given(AVERAGES, torch.zeros(4), n)


@pytest.mark.parametrize(
    ("basis", "number"), [(CosineBasis(1), 1), (CosineBasis(1), 4), (FourierBasis(1), 10)]
)
def test_sensors_anywhere_leave_nothing_to_learn_of_gaussian_fields(problem, told, basis, number):
    """Of any number at any places, which the condition has; W2 is below one per cent."""
    gaussian, n = problem(basis), 32
    trained = RandomPoints(number=10, noise=0.3)
    statistics = statistics_of(gaussian.denoiser.law.data.spectrum(n), n)
    known = Combined(operator=trained, fewest=1).conditioning(basis, statistics)
    denoiser = Denoiser(gaussian.denoiser.law, Nothing(), Wiener(), known)
    places = np.random.default_rng(number).random((number, 1)).tolist()
    sensors = Points(points=tuple(map(tuple, places)), noise=0.3)
    y = gaussian.data_of_a_draw(sensors, n)
    for condition, exact in (
        (known.given(sensors, y, n), gaussian.posterior(sensors, y, n)),
        (known.nothing(n, torch.device("cpu")), gaussian.prior(n)),
    ):
        law = law_of_samples(DPMSolver(steps=32), told(denoiser, condition), n)
        assert law.distance(exact) < 0.01 * exact.size


def test_drawn_conditions_have_the_places_of_their_data(problem):
    """Each as if it were given by itself; where nothing is seen there are none."""
    gaussian, n = problem(CosineBasis(2), power=1.2), 8
    operator = RandomPoints(number=5, noise=0.3)
    statistics = statistics_of(gaussian.denoiser.law.data.spectrum(n), n)
    condition = Combined(operator=operator, fewest=2, drop=0.3)
    known = condition.conditioning(CosineBasis(2), statistics)
    fields = gaussian.data.sample(np.random.default_rng(1), 12, n)
    drawn = known.drawn(fields, range(12))
    assert drawn.shape == (12, 3, n, n)
    sensors = known._observed(drawn)
    assert 0 < sensors.count(None) < 12
    counts = {len(one.points) for one in sensors if one is not None}
    assert counts <= {2, 3, 4, 5}
    assert len(counts) > 1
    for number, one in enumerate(sensors):
        if one is None:
            assert torch.equal(drawn[number], known.nothing(n, torch.device("cpu")))
            continue
        given = known.given(one, torch.zeros(len(one.points)).double(), n)
        torch.testing.assert_close(drawn[number, 1], given[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(drawn[number, 2], given[2])


@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)])
def test_samplers_on_coarse_grids_know_where_sensors_are(problem, basis):
    """Places are numbers and no function, and stay as they are."""
    gaussian, n = problem(basis), 32
    operator = RandomPoints(number=6, noise=0.3)
    statistics = statistics_of(gaussian.denoiser.law.data.spectrum(n), n)
    known = Combined(operator=operator, fewest=1).conditioning(basis, statistics)
    sensors = Points(points=((0.13,), (0.58,), (0.91,)), noise=0.3)
    told = known.given(sensors, torch.tensor([1.0, -1.0, 0.5]).double(), n)[None]
    assert torch.equal(known.at(told, n), told)
    coarse = known.at(told, 16)
    (found,) = known._observed(coarse)
    np.testing.assert_allclose(found.points, sensors.points, rtol=1e-6)
    torch.testing.assert_close(coarse[:, :2], basis.repeated(2).resample(told[:, :2], 16))
    denoiser = Denoiser(gaussian.denoiser.law, Nothing(), Wiener(), known)
    sampler = fs.Multilevel(sampler=DPMSolver(steps=12), coarsest=8, tolerance=0.2)
    counted = sampler(denoiser, n, [0], 0, condition=told)
    assert len(counted.evaluations[0]) > 1
    direct = DPMSolver(steps=12)(denoiser, n, [0], 0, condition=told).fields
    assert (counted.fields - direct).norm() < 0.2 * direct.norm()


def test_other_sensors_than_those_trained_for_are_refused(problem):
    gaussian, n, basis = problem(CosineBasis(1)), 16, CosineBasis(1)
    operator = RandomPoints(number=3, noise=0.3)
    statistics = statistics_of(gaussian.denoiser.law.data.spectrum(n), n)
    known = Combined(operator=operator, fewest=1).conditioning(basis, statistics)
    for other, match in (
        (
            RandomPoints(number=4, noise=0.3),
            "for 3 points or fewer, and is given data at 4",
        ),
        (RandomPoints(number=2, noise=0.2), r"trained for points with noise 0\.3"),
        (AVERAGES, r"trained for points with noise 0\.3"),
    ):
        size = len(other.deviations(basis, 1))
        with pytest.raises(ValueError, match=match):
            known.given(other, torch.zeros(size), n)
    many = Combined(operator=RandomPoints(number=40, noise=0.3), fewest=40)
    with pytest.raises(ValueError, match="40 sensors, whose places do not fit into a grid of 16"):
        many.conditioning(basis, statistics).drawn(torch.zeros(1, 1, n), [1])
