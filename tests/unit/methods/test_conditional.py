"""Conditional models: one network for any number of sensors, and for none."""

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.blocks import descriptions
from fsdiff.diffusion.exact import gaussian, mixture
from fsdiff.diffusion.samplers import DPMSolver, Multilevel
from fsdiff.diffusion.samplers.base import Run
from fsdiff.errors import Error
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.conditions.regression import Regression
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.recursion import Normal, posterior
from fsdiff.methods import models
from fsdiff.training.trainer import Trainer

BASIS = fs.CosineBasis(1)
WAVE = 2**0.5 * torch.cos(np.pi * torch.from_numpy(BASIS.axis_nodes(64)[0]))[None, None]
LAW = mixture(
    BASIS, torch.cat([WAVE, -WAVE]), lambda n: 0.1 * fs.Bessel().eigenvalues(BASIS, n)[None]
)
"""Two waves, equally likely, and Gaussian functions about each."""
SENSORS = RandomPoints(number=16, noise=0.5)
MEAN = 2.0


def functions(count, n, seed=0):
    """Of the law, about a mean, as data would be."""
    return (LAW.sample(np.random.default_rng(seed), count, n) + MEAN).float()


def matrix_of(sensors, n):
    """H on nodal values."""
    return sensors.on(BASIS, 1, n).forward(torch.eye(n, dtype=torch.float64).view(n, 1, n)).T


def components(n):
    """The two Gaussians on the nodes."""
    units = torch.eye(n, dtype=torch.float64).view(n, 1, n)
    covariance = n * BASIS.multiply(units, LAW.covariance(n)[0]).view(n, n)
    return [Normal(mean + MEAN, covariance) for mean in BASIS.resample(LAW.means, n)[:, 0]]


def exact_posterior(n, sensors=None, data=None):
    """Mean and covariance of the law given data, whose evidence weighs the two components."""
    parts, evidence = components(n), torch.zeros(2, dtype=torch.float64)
    if sensors is not None:
        matrix, noise = matrix_of(sensors, n), sensors.variances(BASIS, 1)
        covariance = matrix @ parts[0].covariance @ matrix.T + torch.diag(noise)
        misses = torch.stack([data - matrix @ part.mean for part in parts], 1)
        evidence = -0.5 * (misses * torch.linalg.solve(covariance, misses)).sum(0)
        parts = [posterior(part, matrix, noise, data) for part in parts]
    weights, means = evidence.softmax(0), torch.stack([part.mean for part in parts])
    mean = weights @ means
    deviations = weights.sqrt()[:, None] * (means - mean)
    return Normal(mean, parts[0].covariance + deviations.T @ deviations)


def model(condition=None, *, width=8, layers=2):
    network = fs.FNO(dimension=1, basis="cosine", width=width, modes=8, layers=layers)
    condition = condition or Kriging(operator=SENSORS, fewest=2)
    noise = fs.Bessel(power=0.6)
    return fs.Diffusion(network, basis=BASIS, noise=noise, condition=condition)


@pytest.fixture(scope="module")
def trained():
    """A model of functions at 32 nodes, after seconds."""
    level = fs.Level(resolution=32, epochs=12, batch_size=64, learning_rate=1e-2)
    condition = Kriging(operator=SENSORS, fewest=1)
    return model(condition, width=12).fit(functions(1024, 32), [level], seed=0)


@torch.no_grad()
def drawn(trained, sampler, n, count, condition=None, denoiser=None):
    """Normalised samples, all steps taken together, which is not to the bit but fast."""
    conditions = {} if condition is None else dict.fromkeys(range(count), condition)
    denoiser = denoiser or trained.denoiser
    run = Run(denoiser, n, 0, torch.float32, torch.device("cpu"), conditions)
    return sampler.draw(run, [tuple(range(count))])[0].fields


def errors(fields, exact):
    """Of mean and deviation over what draws alone would give, in posterior deviations."""
    fields = fields.flatten(1).double()
    deviation = exact.covariance.diagonal().sqrt()
    mean = (fields.mean(0) - exact.mean).norm() / deviation.norm()
    return float(mean), float((fields.std(0) - deviation).norm() / deviation.norm())


@pytest.mark.parametrize("number", [0, 4, 8, 16])
@pytest.mark.parametrize("n", [32, 64])
def test_one_network_knows_the_posterior_given_any_sensors(trained, number, n):
    """At places never seen, on a finer grid than that of training, and given nothing.

    An error of 0.06 is that of as many independent draws.
    """
    exact, condition = exact_posterior(n), None
    statistics = trained.fitted.statistics
    if number:
        sensors = RandomPoints(number=number, noise=SENSORS.noise, seed=1000 + number)
        data = sensors.draw(functions(1, 64, seed=number), BASIS, 5, [0])[0]
        exact = exact_posterior(n, sensors, data)
        condition = trained.fitted.condition(sensors, data, n)
    fields = statistics.denormalise(drawn(trained, DPMSolver(steps=10), n, 300, condition))
    mean, deviation = errors(fields, exact)
    assert mean < 0.25
    assert deviation < 0.25
    if number == 8:  # where what is known linearly of the two waves is much less
        linear = statistics.denormalise(condition)[:1]
        assert errors(linear.repeat(2, 1, 1), exact)[0] > 0.3


def test_before_any_training_gaussian_functions_are_drawn_nearly_right():
    """The law of deviations from the estimate leaves little to learn where sensors are many."""
    n, law = 32, gaussian(BASIS, fs.Bessel(power=1.0))
    fields = law.sample(np.random.default_rng(0), 4000, n)
    made = model(width=4).fit(fields.float())
    for weights in made.fitted.method.network.parameters():
        torch.nn.init.zeros_(weights)
    sensors = RandomPoints(number=16, noise=0.5, seed=5)
    data = sensors.draw(fields[:1], BASIS, 3, [0])[0]
    units = torch.eye(n, dtype=torch.float64).view(n, 1, n)
    covariance = n * BASIS.multiply(units, law.covariance(n)[0]).view(n, n)
    prior = Normal(torch.zeros(n, dtype=torch.float64), covariance)
    for observed in (False, True):
        condition = made.fitted.condition(sensors, data, n) if observed else None
        exact = prior
        if observed:
            matrix, noise = matrix_of(sensors, n), sensors.variances(BASIS, 1)
            exact = posterior(prior, matrix, noise, data)
        fields = drawn(made, DPMSolver(steps=20), n, 1000, condition)
        mean, deviation = errors(made.fitted.statistics.denormalise(fields), exact)
        assert mean < 0.1
        assert deviation < (0.25 if observed else 0.06)
    assert exact.covariance.trace() < 0.1 * covariance.trace()


def test_conditions_are_those_of_the_public_object(trained):
    """For one set of data, for many, and for each sample its own."""
    sensors = RandomPoints(number=4, noise=0.3)
    data = sensors.draw(functions(2, 32, seed=9), BASIS, 0, range(2))
    both = trained.fitted.condition(sensors, data, 32)
    assert both.shape == (2, 2, 32)
    assert torch.equal(both[1], trained.fitted.condition(sensors, data[1], 32))
    sampler = DPMSolver(steps=2)
    one = trained.sample(sampler, n=32, indices=[3], observed=(sensors, data[1])).fields
    each = trained.sample(sampler, n=32, indices=[0, 3], condition=both).fields
    assert torch.equal(one[0], each[1])
    with pytest.raises(ValueError, match="data of shape \\(5,\\): the observation random_points"):
        trained.fitted.condition(sensors, torch.zeros(5), 32)
    blind = fs.Diffusion(fs.FNO(dimension=1, width=4), basis=BASIS, noise=fs.Bessel(power=0.6))
    with pytest.raises(ValueError, match="this model knows no data: lead it"):
        blind.fit(functions(8, 16)).sample(n=16, indices=[0], observed=(sensors, data[0]))


def test_multilevel_samplers_and_guidance_go_with_conditions(trained):
    """A coarse start changes little; guidance may add to what the network was told."""
    sensors = RandomPoints(number=8, noise=0.3, seed=77)
    data = sensors.draw(functions(1, 32, seed=4), BASIS, 0, [0])[0]
    condition, steps = trained.fitted.condition(sensors, data, 32), 12
    direct = drawn(trained, DPMSolver(steps=steps), 32, 50, condition)
    spread = (direct - direct.mean(0)).norm()
    fast = drawn(
        trained, Multilevel(sampler=DPMSolver(steps=steps), coarsest=16), 32, 50, condition
    )
    assert (fast - direct).norm() < 0.2 * spread

    statistics = trained.fitted.statistics
    more = Physical(observation=RandomPoints(number=1, noise=0.02, seed=3), statistics=statistics)
    at_place = more.on(BASIS, 1, 32).forward
    target = at_place(direct).mean(0) + at_place(direct).std(0)
    guided = WienerGuidance()(trained.denoiser, more, target)
    led = drawn(trained, DPMSolver(steps=steps), 32, 50, condition, guided)
    blind = drawn(trained, DPMSolver(steps=steps), 32, 50, None, guided)
    assert at_place(led).sub(target).square().mean().sqrt() < 0.3 * at_place(direct).std()
    assert (led - direct.mean(0)).norm() < 0.5 * (blind - direct.mean(0)).norm()


def test_parts_of_a_batch_have_their_share_of_the_loss():
    method = model().fit(functions(40, 16), [fs.Level(resolution=16, epochs=1)]).fitted.method
    data = torch.randn(9, 1, 16, generator=torch.Generator().manual_seed(0))

    def losses(part):
        return method.loss(data, torch.Generator().manual_seed(5), part)

    whole = losses(slice(None))
    assert torch.allclose(torch.cat([losses(slice(0, 4)), losses(slice(4, 9))]), whole, rtol=1e-5)
    validation = method.validation(data)
    parts = method.validation(data[:4], count=9), method.validation(data[4:], first=4)
    mean = sum(len(part) * part.mean_loss() for part in parts) / 9
    assert mean == pytest.approx(validation.mean_loss(), rel=1e-6)
    assert validation.mean_loss() == method.validation(data).mean_loss()


class Killed(BaseException):
    """As a signal would, from inside a step."""


@pytest.mark.parametrize("kind", [Kriging, Regression])
def test_resumed_training_takes_the_same_steps(tmp_path, monkeypatch, kind):
    operator = SENSORS if kind is Kriging else Averages(resolution=4, noise=0.3)
    data = functions(48, 16)
    statistics = fs.Statistics.measure(data, BASIS)

    def trainer(state=None):
        return Trainer(
            model(kind(operator=operator, fewest=1))._method(statistics, 3),
            fs.Level(resolution=16, epochs=4, batch_size=16),
            fs.TrainingOptions(),
            data=statistics.normalise(data[:40]).float(),
            validation={16: statistics.normalise(data[40:]).float()},
            seed=1,
            state_file=state,
            save_every=0.0,
        )

    whole = trainer()
    expected = whole.run()
    killed = trainer(tmp_path / "state.safetensors")
    loss, calls = killed.method.loss, iter(range(100))

    def interrupted(*arguments, **options):
        if next(calls) == 3:
            raise Killed
        return loss(*arguments, **options)

    monkeypatch.setattr(killed.method, "loss", interrupted)
    with pytest.raises(Killed):
        killed.run()
    resumed = trainer(tmp_path / "state.safetensors")
    found = resumed.run()
    assert found.drop_vars("seconds").identical(expected.drop_vars("seconds"))
    weights = whole.method.network.state_dict()
    assert all(resumed.method.network.state_dict()[k].equal(w) for k, w in weights.items())


@pytest.mark.parametrize("kind", [Kriging, Regression])
def test_models_are_saved_with_all_that_their_condition_knows(tmp_path, kind):
    """Regression is measured once: a finer level starts from what the coarse one has measured."""
    operator = SENSORS if kind is Kriging else Averages(resolution=4, noise=0.3)
    made = model(kind(operator=operator, fewest=1, drop=0.2))
    levels = [fs.Level(resolution=n, epochs=1, batch_size=16) for n in (8, 16)]
    made.fit(functions(48, 16), levels)
    made.save(tmp_path / "model")
    again = fs.load(tmp_path / "model")
    assert again.condition == made.condition
    data = operator.draw(functions(1, 16, seed=2), BASIS, 0, [0])[0]
    for observed in (None, (operator, data)):
        both = [m.sample(n=16, indices=[0, 1], observed=observed).fields for m in (made, again)]
        assert torch.equal(*both)
    description = models.describe(tmp_path / "model.safetensors")
    config = description["config"]
    config["condition"]["kind"] = "oracle"
    with pytest.raises(Error, match=r"config.condition.kind: unknown condition 'oracle'; known: k"):
        descriptions.check(description, tmp_path / "model.json")


def test_regression_is_measured_once_and_goes_on_with_the_weights(tmp_path):
    """What a coarse level has measured a fine one starts with, as with the weights."""
    condition = Regression(operator=Averages(resolution=4, noise=0.3))
    made = model(condition).fit(functions(48, 16), [fs.Level(resolution=8, epochs=1)])
    made.save(tmp_path / "coarse")
    method = model(condition)._method(made.fitted.statistics, 5)
    assert not method.prepared
    models.warm_start(method.network, tmp_path / "coarse.safetensors")
    assert method.prepared
    data = torch.tensor([1.0, 2.0, 3.0, torch.nan])
    told = [m.condition(condition.operator, data, 16) for m in (made.fitted, method)]
    assert torch.equal(*told)
