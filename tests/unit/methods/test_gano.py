"""Adversarial operators: who is given which gradient, penalties of functions, and a law learned."""

import copy
import math

import pytest
import torch

from fsdiff import study
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers import DDIM
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.recursion import Normal, posterior
from fsdiff.measures.priors import Matern
from fsdiff.methods import models
from fsdiff.methods.gano import EnergyScore
from fsdiff.networks.functional import Functional
from fsdiff.parts import described
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.spaces.masks import Mask
from fsdiff.study import ConfigurationError
from fsdiff.training import Level, Trainer, TrainingOptions

N, BASIS, LAW = 16, CosineBasis(1), Matern(length=0.15, smoothness=1.5)
CONFIG = {
    "basis": {"kind": "cosine", "dimension": 1},
    "method": {"kind": "gano", "judge_steps": 1, "width": 12, "modes": 6},
    "prior": {"kind": "bessel", "power": 0.6},
    "network": {
        "kind": "fno",
        "basis": "cosine",
        "width": 12,
        "modes": 6,
        "layers": 2,
        "projection": 12,
    },
}
MEANING = {
    "channels": ["u"],
    "axes": [{"name": "x", "start": 0.0, "scale": 1.0, "attributes": {}}],
    "field": {},
}
DATA = LAW.sample(BASIS, N, range(320), 0)
STATISTICS = Statistics.measure(DATA, BASIS)


def gano(**settings):
    config = copy.deepcopy(CONFIG)
    config["method"] |= settings
    return models.make_method(config, STATISTICS, seed=0)


def gradients(network):
    return [None if p.grad is None else p.grad.clone() for p in network.parameters()]


def test_each_is_given_the_gradient_of_its_own_part():
    method, data = gano(penalty=3.0), DATA[:6].float()
    method.loss(data, torch.Generator().manual_seed(1)).mean().backward()
    found = {name: gradients(part) for name, part in method.network.items()}

    random = torch.Generator().manual_seed(1)
    white = torch.randn(data.shape, generator=random)
    shares = torch.rand(6, generator=random)
    made = method.generated(method.coloured(white))
    method.network.zero_grad()
    (-method.judged(made).mean()).backward()
    expected = gradients(method.network["operator"])
    method.network.zero_grad()
    own = method.judged(made.detach()) - method.judged(data)
    (own + 3.0 * method.penalty(data, made.detach(), shares)).mean().backward()
    for a, b in zip(found["operator"], expected, strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(found["judge"], gradients(method.network["judge"]), strict=True):
        torch.testing.assert_close(a, b)


def test_the_operator_takes_part_in_as_many_steps_as_it_is_told():
    method, data, took_part = gano(judge_steps=4, layers=0), DATA[:1].float(), 0
    for step in range(100):
        method.network.zero_grad()
        method.loss(data, torch.Generator().manual_seed(step)).mean().backward()
        took_part += gradients(method.network["operator"])[0] is not None
    assert took_part == pytest.approx(25, abs=4 * math.sqrt(100 * 3 / 16))


def test_parts_of_a_batch_have_the_losses_of_the_whole():
    method, data = gano(), DATA[:6].float()
    whole = method.loss(data, torch.Generator().manual_seed(2))
    part = method.loss(data, torch.Generator().manual_seed(2), slice(2, 5))
    torch.testing.assert_close(part, whole[2:5])


class Linear(torch.nn.Module):
    """D(u) = ⟨g, u⟩, whose derivative is g."""

    def __init__(self, g):
        super().__init__()
        self.g = g

    def forward(self, u):
        return (self.g * u).flatten(1).mean(1)


@pytest.mark.parametrize(("basis", "n"), [(BASIS, 32), (CosineBasis(2), 8)], ids=["line", "plane"])
def test_the_penalty_is_that_of_the_derivative_in_the_norm_of_functions(basis, n):
    """‖δD/δu‖ = ‖g‖ is 1.7; the published one is left in the units of the nodes."""
    nodes = [torch.from_numpy(x) for x in basis.axis_nodes(n)]
    g = 1.7 * torch.cos(torch.pi * nodes[-1]).expand(1, 1, *basis.grid(n)) * math.sqrt(2)
    fields = torch.zeros(2, 1, *basis.grid(n), dtype=torch.float64)
    for published, expected in ((False, 0.49), (True, 0.49 / basis.size(n))):
        method = gano(published=published)
        method.network["judge"] = Linear(g)
        penalty = method.penalty(fields, fields + 1, torch.tensor([0.2, 0.9]).double())
        assert penalty.tolist() == pytest.approx([expected] * 2)


def test_on_points_at_different_distances_norms_and_noise_are_those_of_functions():
    """D(u) = Σ w_i g_i u_i has the derivative g, and Σ w_i g_i² = 1.7² the penalty 0.7²."""
    kernel = Matern(length=0.3, normalize=False)
    basis = GramBasis(points=(0.02, 0.05, 0.1, 0.3, 0.55, 0.97), covariance=kernel)
    config = copy.deepcopy(CONFIG) | {"basis": described(basis), "prior": described(kernel)}
    config["network"]["modes"] = config["method"]["modes"] = 3
    fields = kernel.sample(basis, 6, range(20), 0)
    method = models.make_method(config, Statistics.measure(fields, basis), seed=0)
    g = basis.inverse(1.7 * torch.eye(6, dtype=torch.float64)[2], 6)
    method.network["judge"] = Linear(basis.shares(6) * g)
    penalty = method.penalty(fields, fields + 1, torch.linspace(0, 1, 20).double())
    assert penalty.tolist() == pytest.approx([0.49] * 20)

    noise = method.coloured(torch.eye(6, dtype=torch.float64)[:, None])[:, 0]
    x = torch.tensor(basis.points, dtype=torch.float64)
    torch.testing.assert_close(noise.T @ noise, kernel.correlation((x[:, None] - x).abs()))

    squares = method.as_vectors(fields).square().sum(1)
    torch.testing.assert_close(squares, basis.mean(fields[:, 0].square()))


def test_the_penalty_stays_as_it_is_on_a_finer_grid():
    method = gano()
    method.network.double()
    real, made = DATA[:4], LAW.sample(BASIS, N, range(4), 9)
    shares = torch.linspace(0, 1, 4).double()
    coarse, fine = (
        method.penalty(BASIS.prolong(real, n), BASIS.prolong(made, n), shares) for n in (32, 128)
    )
    torch.testing.assert_close(fine, coarse, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("basis", [FourierBasis(1), FourierBasis(2), CosineBasis(2)], ids=str)
def test_functionals_converge_as_grids_are_refined(basis):
    torch.manual_seed(0)
    functional = Functional(2, basis.axis_kinds, width=8, modes=3, layers=2).double()
    coarse = torch.randn(3, 2, *basis.grid(8), dtype=torch.float64)
    with torch.no_grad():
        numbers = [functional(basis.prolong(coarse, n)) for n in (16, 32, 64)]
    assert (numbers[2] - numbers[1]).abs().max() < 0.02 * numbers[2].abs().max() + 1e-3
    errors = [float((a - numbers[2]).abs().max()) for a in numbers[:2]]
    assert errors[1] < 0.6 * errors[0] + 1e-6


def spectrum_error(method):
    """Root mean square of the logarithm of energies in the lowest modes over their true ones."""
    energy = BASIS.forward(method.sample(N, range(128), 5).fields.double()).square().mean(0)[0]
    expected = LAW.eigenvalues(BASIS, N)
    return float((energy / expected).log()[:6].square().mean().sqrt())


def test_it_learns_the_spectrum_of_a_gaussian_law_roughly():
    method = gano(judge_steps=2)
    before = spectrum_error(method)
    trainer = Trainer(
        method,
        Level(resolution=N, epochs=32, batch_size=64, learning_rate=4e-3),
        TrainingOptions(average_decay=0.9, validate_every=4, schedule="constant"),
        data=DATA[:256].float(),
        validation={N: DATA[256:].float()},
        seed=0,
    )
    distances = trainer.run()["validation_loss"].values
    assert distances.min() < 0.5 * distances[0]
    assert before > 5
    assert spectrum_error(method) < 0.4 * before


def test_the_energy_distance_is_that_of_the_definition():
    method, data = gano(), DATA[:5].float()
    validation = method.validation(data)
    noise = method.noise(N, range(5), 0, 13)
    with torch.no_grad():
        made = method.generated(noise)

    def mean(x, y, *, distinct=False):
        sizes = [
            (a - b).square().mean().sqrt()
            for i, a in enumerate(x)
            for j, b in enumerate(y)
            if not (distinct and i == j)
        ]
        return float(sum(sizes) / len(sizes))

    expected = 2 * mean(data, made) - mean(data, data, distinct=True)
    expected -= mean(made, made, distinct=True)
    assert validation.mean_loss() == pytest.approx(expected, rel=1e-4)
    assert len(validation) == 5
    part = method.validation(data[1:3], first=1, count=5)
    torch.testing.assert_close(part.noise, validation.noise[1:3])


def test_samples_depend_on_seed_and_index_and_cost_one_evaluation():
    method = gano()
    together = method.sample(N, [3, 1, 2], 0)
    assert method.sample(N, [2], 0).fields.equal(together.fields[2:])
    assert not method.sample(N, [2], 1).fields.allclose(together.fields[2:])
    assert together.network_evaluations == 1
    with pytest.raises(ValueError, match="without a sampler"):
        method.sample(N, [0], 0, sampler=DDIM())


def test_it_is_read_as_it_was_written(tmp_path):
    method = gano(penalty=2.0)
    for parameter in method.network.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(3))
    config = {**CONFIG, "method": {**CONFIG["method"], "penalty": 2.0}}
    description = {
        "config": config,
        "data": MEANING,
        "parameters": 1,
        "training_seconds": 0.0,
    }
    weights = tmp_path / "model.safetensors"
    models.save(
        method, STATISTICS, description, weights=weights, sidecar=weights.with_suffix(".json")
    )
    loaded = models.load(weights).method
    assert loaded.penalty_weight == 2.0
    assert loaded.sample(N, [0], 0).fields.equal(method.sample(N, [0], 0).fields)


def test_what_it_does_not_do_is_refused():
    with pytest.raises(ValueError, match="use precision: float32"):
        gano().loss(DATA[:2].float(), torch.Generator(), precision=torch.bfloat16)
    present = torch.ones(1, N, dtype=torch.bool)
    present[0, 0] = False
    masked = Statistics(
        mean=STATISTICS.mean,
        scale=STATISTICS.scale,
        spectrum=STATISTICS.spectrum,
        resolution=N,
        mask=Mask(present, BASIS),
    )
    with pytest.raises(ValueError, match="values at all nodes"):
        models.make_method(CONFIG, masked, seed=0)


def test_experiments_of_it_need_noise_and_a_network_and_no_sampler():
    configuration = {
        "datasets": {
            "curves": {
                "source": {"kind": "gaussian_mixture", "resolution": 16},
                "seed": 0,
                "split": {"train": 64, "validation": 16, "test": 32},
                "downsampling": {"kind": "spectral"},
                "resolutions": [16],
            }
        },
        "experiments": {
            "adversarial": {
                "dataset": "curves",
                **{key: CONFIG[key] for key in ("method", "prior", "network")},
                "levels": [{"resolution": 16, "epochs": 2, "batch_size": 16}],
                "samples": {"count": 8, "resolutions": [16]},
            }
        },
        "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
    }
    assert study.load(configuration).experiments["adversarial"].method.kind == "gano"
    configuration["experiments"]["adversarial"]["sampler"] = {"kind": "ddim"}
    with pytest.raises(ConfigurationError, match="experiments of method gano have no such block"):
        study.load(configuration)


SENSORS = Points(points=((0.2,), (0.45,), (0.8,)), noise=0.3)
TOLD = {"condition": {"kind": "kriging", "operator": described(SENSORS)}}


def told(**settings):
    config = {**copy.deepcopy(CONFIG), **TOLD}
    config["method"] |= settings
    return models.make_method(config, STATISTICS, seed=0)


def exact_posterior(data):
    """Of the normalised fields."""
    units = torch.eye(N, dtype=torch.float64).view(N, 1, N)
    prior = N * BASIS.multiply(units, LAW.eigenvalues(BASIS, N)).view(N, N)
    matrix = SENSORS.on(BASIS, 1, N).forward(units).T
    zero = torch.zeros(N, dtype=torch.float64)
    return posterior(Normal(zero, prior), matrix, SENSORS.variances(BASIS, 1), data)


def observed(case):
    return SENSORS.draw(LAW.sample(BASIS, N, [1000 + case], 7), BASIS, case, [0])[0]


def posterior_errors(method, case):
    """Of mean, deviations and covariance, in units of the true ones."""
    exact, condition = exact_posterior(observed(case)), method.condition(SENSORS, observed(case), N)
    drawn = method.sample(N, range(200), 3, condition=condition.expand(200, *condition.shape))
    fields = STATISTICS.denormalise(drawn.fields.double())[:, 0]
    deviation = exact.covariance.diagonal().sqrt()
    mean = (fields.mean(0) - exact.mean).norm() / deviation.norm()
    return float(mean), float((fields.std(0) - deviation).norm() / deviation.norm())


def test_given_data_it_learns_a_gaussian_posterior_roughly():
    """The mean is there before any training, and the spread is learned."""
    method = told(judge_steps=2)
    before = [posterior_errors(method, case) for case in range(2)]
    assert max(mean for mean, _ in before) < 0.15
    assert min(deviation for _, deviation in before) > 0.9
    fields = STATISTICS.normalise(DATA).float()
    Trainer(
        method,
        Level(resolution=N, epochs=24, batch_size=64, learning_rate=4e-3),
        TrainingOptions(average_decay=0.9, validate_every=4, schedule="constant"),
        data=fields[:256],
        validation={N: fields[256:]},
        seed=0,
    ).run()
    after = [posterior_errors(method, case) for case in range(2)]
    assert max(mean for mean, _ in after) < 0.4
    assert max(deviation for _, deviation in after) < 0.4


def test_fields_given_data_are_described_about_their_estimate_and_by_its_deviation():
    method, data = told(), DATA[:6].float()
    condition = method.conditions.fixed(data)
    noise = method.noise(N, range(6), 0, 1)
    estimate, deviation = condition.split(1, 1)
    size = deviation.square().mean(-1, keepdim=True).sqrt()
    generated = method.operator(noise, torch.zeros(6), condition)
    torch.testing.assert_close(method.made(noise, condition), estimate + size * generated)
    loss = method.loss(data, torch.Generator().manual_seed(1), condition=condition)
    random = torch.Generator().manual_seed(1)
    white, shares = torch.randn(data.shape, generator=random), torch.rand(6, generator=random)
    made = method.generated(method.coloured(white), condition).detach()
    real = (data - estimate) / size
    own = method.penalty(real, made, shares, condition) - method.judged(real, condition)
    torch.testing.assert_close(loss, own)  # what the judge says of G(a, c) is there twice


def test_conditional_parts_of_a_batch_have_the_losses_of_the_whole():
    method, data = told(), DATA[:6].float()
    whole = method.loss(data, torch.Generator().manual_seed(2))
    part = method.loss(data, torch.Generator().manual_seed(2), slice(2, 5))
    torch.testing.assert_close(part, whole[2:5])
    validation = method.validation(data)
    parts = method.validation(data[:2], count=6), method.validation(data[2:], first=2)
    mean = sum(len(part) * part.mean_loss() for part in parts) / 6
    assert mean == pytest.approx(validation.mean_loss(), rel=1e-6)


def test_the_energy_score_prefers_the_posterior_to_others():
    """Means and deviations that are off by half of a deviation; the score is twice that of draws.

    In place of an operator what it is to learn, for which the score is known: E‖Y − Y′‖/2.
    """
    method, fields = told(), LAW.sample(BASIS, N, range(600), 5)
    data = STATISTICS.normalise(fields).float()
    condition = method.conditions.fixed(data)
    noise = torch.randn(600, 4, 1, N, generator=torch.Generator().manual_seed(0))
    exact = exact_posterior(observed(0))
    root = torch.linalg.cholesky(exact.covariance / STATISTICS.scale.double() ** 2).float()
    seen = (condition[:, 1:] < 0.99 * method.conditions.nothing(N, "cpu")[1:]).flatten(1).any(1)
    data, noise, condition = data[seen], noise[seen], condition[seen]

    def score(shift, factor):
        def made(noise, condition):
            return condition[:, :1] + shift * condition[:, 1:] + factor * noise @ root.T

        method.made = made
        return EnergyScore(method, data, noise, condition).mean_loss()

    best = score(0, 1)
    drawn = torch.randn(4000, 2, N, generator=torch.Generator().manual_seed(1)) @ root.T
    within = (drawn[:, 0] - drawn[:, 1]).square().mean(1).sqrt().mean()
    assert best == pytest.approx(float(within) / 2, rel=0.05)
    assert best < min(score(0.5, 1), score(-0.5, 1), score(0, 0.5), score(0, 1.5)) - 0.01


def test_conditional_ones_are_read_with_what_their_condition_has_measured(tmp_path):
    config = {**CONFIG, "condition": {"kind": "regression", "operator": described(SENSORS)}}
    method = models.make_method(config, STATISTICS, seed=0)
    assert not method.prepared
    method.prepare(STATISTICS.normalise(DATA))
    about = {"data": MEANING, "parameters": 1, "training_seconds": 0.0}
    weights = tmp_path / "model.safetensors"
    files = {"weights": weights, "sidecar": weights.with_suffix(".json")}
    models.save(method, STATISTICS, {"config": config, **about}, **files)
    loaded = models.load(weights)
    assert loaded.method.prepared
    condition = loaded.condition(SENSORS, observed(0), N)
    assert condition.equal(method.condition(SENSORS, observed(0), N))
    drawn = [m.sample(N, [0], 0, condition=condition[None]).fields for m in (method, loaded.method)]
    assert torch.equal(*drawn)


def test_samples_given_data_are_those_of_their_own_data():
    method = told()
    torch.nn.init.normal_(method.operator.lift.weight)
    both = torch.stack([method.condition(SENSORS, observed(case), N) for case in range(2)])
    together = method.sample(N, [5, 3], 0, condition=both).fields
    assert method.sample(N, [3], 0, condition=both[1:]).fields.equal(together[1:])
    nothing = method.conditions.nothing(N, torch.device("cpu"))
    alone = method.sample(N, [5], 0, condition=nothing[None]).fields
    assert method.sample(N, [5], 0).fields.equal(alone)
    with pytest.raises(ValueError, match="knows no observations"):
        gano().sample(N, [5], 0, condition=both[:1])
