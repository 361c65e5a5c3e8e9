"""Markov chains on functions: the laws that they leave invariant, refinement, resuming."""

import math
import sys

import numpy as np
import pytest
import torch

from fsdiff.data import tensors
from fsdiff.inverse.forward.base import Differentiable, ImpossibleFieldError, Linear
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.interpolation import Interpolation
from fsdiff.inverse.forward.links import LevelSet
from fsdiff.inverse.observations.points import GridOfPoints
from fsdiff.inverse.references.chains import Chains, Plan, State
from fsdiff.inverse.references.convergence import Convergence, NotConvergedError, convergence
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kernels import (
    HamiltonianMonteCarlo,
    PreconditionedCrankNicolson,
)
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.measures.priors import Matern
from fsdiff.spaces.bases import CosineBasis, FourierBasis

KERNELS = {"pcn": PreconditionedCrankNicolson(), "hmc": HamiltonianMonteCarlo(leapfrogs=4)}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def flat(prior):
    """Observes nothing: Φ = 0."""
    nothing = Linear(torch.zeros(1, *prior.shape, dtype=torch.float64))
    return Posterior(prior, nothing, GaussianNoise(noise=1.0), torch.zeros(1).double())


def sensors_of(prior, per_axis, noise):
    """Bilinear sensors of a field, with data from a draw of the prior."""
    points = GridOfPoints(shape=(per_axis, per_axis)).coordinates(prior.basis)
    interpolation = Interpolation(points, prior.n)
    map = Linear.of(
        Differentiable(lambda u: interpolation.apply(u[:, 0]), per_axis**2),
        torch.zeros(prior.shape, dtype=torch.float64),
    )
    data = map(prior.draw(normal(1, prior.normals, seed=7)))[0]
    return Posterior(prior, map, GaussianNoise(noise=noise), data)


@pytest.mark.parametrize("kind", KERNELS)
def test_without_data_every_proposal_is_accepted_and_the_prior_reproduced(kind):
    """Largest steps: draws are (nearly) independent, moments are within 4.5 standard errors."""
    basis = FourierBasis(2)
    prior = GaussianField(basis, Matern(length=0.3), 8, channels=2, mean=3.0)
    kernel = KERNELS[kind]
    kernel = type(kernel)(first=kernel.largest)
    chains = Chains(flat(prior), kernel, Plan(burn_in=0, steps=250, thin=1), seed=3)
    chains.run()
    assert torch.equal(chains.acceptance(), torch.ones(8, dtype=torch.float64))
    draws = chains.fields().double().flatten(0, 1)
    z = (draws.mean(0) - 3.0) / (prior.variance / len(draws)).sqrt()
    assert z.abs().max() < 4.5
    ratio = (draws - 3.0).square().mean(0) / prior.variance
    assert ((ratio - 1) / math.sqrt(2 / len(draws))).abs().max() < 4.5


def test_without_data_pcn_forgets_at_the_rate_of_its_step():
    """Autocorrelations of an AR(1) process: √(1 − β²) from one step to the next."""
    prior, beta = IndependentNormals((200,)), 0.4
    kernel = PreconditionedCrankNicolson(first=beta)
    chains = Chains(flat(prior), kernel, Plan(chains=4, burn_in=0, steps=400, thin=1), seed=1)
    chains.run()
    draws = chains.fields().double()
    assert float((draws[1:] * draws[:-1]).mean()) == pytest.approx((1 - beta**2) ** 0.5, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "basis"),
    [("pcn", FourierBasis(1)), ("hmc", FourierBasis(1)), ("hmc", CosineBasis(1))],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_linear_map_gives_the_exact_posterior(kind, basis):
    """Means and variances of leading coefficients within 4.5 standard errors of the closed form."""
    n = 16
    prior = GaussianField(basis, Matern(length=0.3, normalize=False), n, mean=0.5)
    map = Linear(normal(4, *prior.shape, seed=2))
    posterior = Posterior(prior, map, GaussianNoise(noise=0.5), normal(4, seed=3))
    exact = GaussianPosterior.of(posterior)
    steps = {"pcn": 6000, "hmc": 700}[kind]
    plan = Plan(burn_in=steps // 6, steps=steps, thin={"pcn": 4, "hmc": 1}[kind])
    chains = Chains(posterior, KERNELS[kind], plan, seed=5)
    chains.run()
    quantities = chains.quantities()
    found = convergence(quantities)
    units = torch.eye(n, dtype=torch.float64).unsqueeze(1)
    functionals = n * prior.leading(units).T[:, None]
    mean = functionals.flatten(1) @ exact.deviation.flatten() / n
    variance = exact.covariance_of(functionals).diagonal()
    assert found.largest_r_hat < 1.05
    for k in range(6):
        values = quantities[f"mode {k}"]
        assert found.bulk[f"mode {k}"] > 500
        error = (variance[k] / found.bulk[f"mode {k}"]).sqrt()
        assert abs(float((values.mean() - mean[k]) / error)) < 4.5
        squares = convergence({"square": (values - mean[k]).square()}).bulk["square"]
        ratio = float((values - mean[k]).square().mean() / variance[k])
        assert abs(ratio - 1) / math.sqrt(2 / squares) < 4.5


@pytest.mark.parametrize("kind", KERNELS)
def test_acceptance_does_not_depend_on_the_resolution(kind):
    """The same step at every n, from functions of the posterior: within 4 standard errors."""
    first, noise = {"pcn": (0.2, 1.0), "hmc": (0.25, 0.5)}[kind]
    kernel = type(KERNELS[kind])(first=first)
    rates = []
    for n in (8, 16, 32):
        prior = GaussianField(CosineBasis(2), Matern(length=0.4, normalize=False), n)
        posterior = sensors_of(prior, 3, noise)
        exact = GaussianPosterior.of(posterior)
        start = exact.sample(range(24), seed=1) - prior.mean
        steps = {"pcn": 40, "hmc": 8}[kind]
        plan = Plan(chains=24, burn_in=0, steps=steps, thin=steps // 4)
        chains = Chains(posterior, kernel, plan, seed=2, start=start)
        chains.run()
        rate = chains.acceptance()
        rates.append((float(rate.mean()), float(rate.std() / math.sqrt(24))))
    assert 0.2 < rates[0][0] < 0.95
    for rate, error in rates[1:]:
        assert abs(rate - rates[0][0]) < 4 * math.hypot(error, rates[0][1])


@pytest.mark.parametrize("kind", KERNELS)
def test_fields_stay_drawn_from_the_prior_when_data_are_drawn_anew(kind):
    """Geweke's joint test: u ~ prior, y ~ p(y|u), then steps given y leave u ~ prior.

    6000 independent chains, a map that is not linear, moments up to the third within 4.5 errors.
    """
    count = 6000
    prior = IndependentNormals((3,), mean=0.4, deviation=0.8)
    map = Differentiable(
        lambda u: torch.stack([u[:, 0] * u[:, 1], u[:, 2] ** 2 + u[:, 0]], 1), 2, rank=1
    )
    likelihood, kernel = GaussianNoise(noise=0.5), KERNELS[kind]
    deviation = prior.draw(normal(count, 3, seed=1))
    step = torch.full((count,), {"pcn": 0.5, "hmc": 0.3}[kind], dtype=torch.float64)
    rates = []
    for turn in range(4):
        observed = map.evaluate(prior.mean + deviation)
        data = likelihood.corrupt(observed, normal(count, 2, seed=10 + turn))
        posterior = Posterior(prior, map, likelihood, data)
        now = kernel.start(posterior, deviation)
        for inner in range(3):
            seed = 100 + 10 * turn + inner
            uniform = torch.from_numpy(np.random.default_rng(seed).random((count, 2)))
            noise = prior.draw(normal(count, 3, seed=1000 + seed))
            now, rate = kernel.advance(posterior, now, step, noise, uniform)
            rates.append(float(rate.mean()))
        deviation = now.deviation
    assert max(rates) < 0.98  # proposals are refused, too
    x = deviation / 0.8
    both = [x, x.square() - 1, x**3, x[:, [0]] * x[:, [1]], x[:, [0]] * x[:, [2]]]
    for values in both:
        z = values.mean(0) / (values.std(0) / math.sqrt(count))
        assert z.abs().max() < 4.5


@pytest.mark.parametrize("kind", KERNELS)
def test_a_stopped_run_goes_on_bit_for_bit(kind, tmp_path):
    prior = GaussianField(CosineBasis(2), Matern(length=0.4), 8)
    posterior, kernel = sensors_of(prior, 2, 0.1), KERNELS[kind]
    plan = Plan(chains=3, burn_in=60, steps=60, thin=5)
    whole = Chains(posterior, kernel, plan, seed=4).run()
    for stop in (37, 83):
        reached = Chains(posterior, kernel, plan, seed=4).run(until=stop)
        assert reached.step == stop
        file = tmp_path / f"{stop}.safetensors"
        tensors.write(file, reached.tensors(), reached.counts())
        chains = Chains(posterior, kernel, plan, seed=4, state=State.restored(*tensors.read(file)))
        finished = chains.run()
        assert finished.counts() == whole.counts() == {"step": 120, "kept": 12}
        for name, expected in whole.tensors().items():
            assert torch.equal(finished.tensors()[name], expected), name


def test_a_chain_depends_on_seed_and_number_only():
    prior = GaussianField(CosineBasis(2), Matern(length=0.4), 8)
    posterior = sensors_of(prior, 2, 0.1)
    kernel = PreconditionedCrankNicolson()
    few, many = (
        Chains(posterior, kernel, Plan(chains=count, burn_in=100, steps=100, thin=10), seed=4)
        for count in (2, 6)
    )
    few.run(), many.run()
    assert torch.allclose(few.fields(), many.fields()[:, :2], rtol=1e-5, atol=1e-6)
    other = Chains(posterior, kernel, Plan(chains=2, burn_in=100, steps=100, thin=10), seed=5)
    other.run()
    assert not torch.allclose(few.fields(), other.fields(), atol=0.1)


def test_the_step_is_adapted_during_burn_in_only():
    prior = GaussianField(CosineBasis(1), Matern(length=0.3), 16)
    map = Linear(4 * normal(3, *prior.shape))
    posterior = Posterior(prior, map, GaussianNoise(noise=0.05), normal(3, seed=1))
    plan = Plan(chains=24, burn_in=1000, steps=1000, thin=10)
    chains = Chains(posterior, PreconditionedCrankNicolson(), plan, seed=0)
    at_end_of_burn_in = chains.run(until=1000).log_step.clone()
    chains.run()
    assert torch.equal(chains.state.log_step, at_end_of_burn_in)
    assert float(chains.acceptance().mean()) == pytest.approx(0.3, abs=0.05)


def test_a_level_set_needs_no_gradient_and_has_none():
    law = Matern(length=0.3)
    prior = GaussianField(CosineBasis(2), law, 8)
    map = DarcySensors(link=LevelSet(), sensors=GridOfPoints(shape=(2, 2)))
    data = map(prior.draw(normal(1, 64)))[0]
    posterior = Posterior(prior, map, GaussianNoise(noise=1e-3), data)
    plan = Plan(chains=2, burn_in=40, steps=40, thin=10)
    chains = Chains(posterior, PreconditionedCrankNicolson(), plan, seed=0)
    chains.run()
    assert 0 < float(chains.acceptance().mean()) < 1
    with pytest.raises(ValueError, match=r"reference 'hmc' follows gradients: use 'pcn' instead"):
        Chains(posterior, HamiltonianMonteCarlo(), plan, seed=0).run()


def test_the_law_of_absolute_errors_is_that_of_rejection():
    """u ~ N(0, 1), y = u: density ∝ exp(−u²/2 − (u − 1)²/(2·0.1²)) on |u − 1| ≤ 0.3."""
    prior = IndependentNormals((1,))
    likelihood = MeanAbsoluteError(tolerance=0.3, scale=0.1)
    posterior = Posterior(
        prior,
        Differentiable(lambda u: u, 1, rank=1),
        likelihood,
        torch.ones(1, dtype=torch.float64),
    )
    plan = Plan(chains=48, burn_in=400, steps=700, thin=4)
    chains = Chains(posterior, PreconditionedCrankNicolson(), plan, seed=0)
    chains.run()
    draws = chains.fields().flatten()
    assert ((draws - 1).abs() <= 0.3 + 1e-6).all()
    grid = torch.linspace(0.7, 1.3, 20001).double()
    weight = torch.softmax(-0.5 * grid.square() - 0.5 * ((grid - 1) / 0.1).square(), 0)
    mean = float(weight @ grid)
    deviation = float(weight @ (grid - mean).square()) ** 0.5
    error = deviation / convergence(chains.quantities()).bulk["mode 0"] ** 0.5
    assert abs(float(draws.double().mean()) - mean) < 4.5 * error


def test_fields_without_a_value_are_never_reached():
    def logarithm(u):
        if not (u > 0).all():
            raise ImpossibleFieldError("negative")
        return u.log()

    prior = IndependentNormals((1,), mean=0.5)
    posterior = Posterior(
        prior,
        Differentiable(logarithm, 1, rank=1),
        GaussianNoise(noise=2.0),
        torch.zeros(1).double(),
    )
    for kernel in KERNELS.values():
        chains = Chains(posterior, kernel, Plan(burn_in=60, steps=40, thin=2), seed=1)
        chains.run()
        assert (chains.fields() > 0).all()
        assert float(chains.acceptance().mean()) < 1


def autoregressive(rho, draws, chains=8, shift=0.0, seed=0):
    """Stationary chains (draws, chains) with autocorrelations ρ^lag; the last one is shifted."""
    noise = normal(draws, chains, seed=seed)
    values = noise.clone()
    for now in range(1, draws):
        values[now] = rho * values[now - 1] + math.sqrt(1 - rho**2) * noise[now]
    values[:, -1] += shift
    return values


def test_effective_samples_of_autocorrelated_chains():
    """(1 − ρ)/(1 + ρ) of all draws, to a tenth."""
    rho = 0.6
    found = convergence({"x": autoregressive(rho, 3000)})
    assert found.bulk["x"] == pytest.approx(24_000 * (1 - rho) / (1 + rho), rel=0.1)
    assert found.check() is found
    assert found.largest_r_hat == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            autoregressive(0.0, 1500, shift=1.0),
            r"R̂ of x is 1\.\d{3}, above 1\.01: chains disagree .* Lengthen burn_in and steps",
        ),
        (
            autoregressive(0.9, 1500),
            r"effective sample size \(bulk\) of x is [5-7]\d\d, below 1000: no reference\. "
            r"Take about [12](\.\d)? times as many steps",
        ),
        (torch.ones(1500, 8), r"R̂ of x is not defined, as it .*lower the kernel's first step"),
        (
            torch.cat([torch.full((1, 8), torch.inf), autoregressive(0.0, 1499)]),
            r"R̂ of x is not defined, as it .* or is infinite: no reference\. Lengthen burn_in",
        ),
    ],
)
def test_chains_that_have_not_converged_are_no_reference(values, message):
    with pytest.raises(NotConvergedError, match=message):
        convergence({"good": autoregressive(0.0, 1500, seed=9), "x": values}).check()


def test_undefined_effective_sizes_are_told():
    found = Convergence({"x": 1.0}, {"x": math.nan}, {"x": 2000.0})
    with pytest.raises(NotConvergedError, match=r"size \(bulk\) of x is not defined"):
        found.check()


def test_without_the_package_that_judges_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"package arviz: pip install 'fsdiff\[inverse\]'"
    ):
        convergence({"x": autoregressive(0.0, 10)})


def test_only_converged_chains_give_a_reference():
    prior = IndependentNormals((2,), mean=5.0)
    kernel = PreconditionedCrankNicolson(first=1.0)
    chains = Chains(flat(prior), kernel, Plan(burn_in=0, steps=300, thin=1), seed=0)
    with pytest.raises(NotConvergedError, match="of potential is not defined"):
        chains.reference()
    seeing = Posterior(
        prior, Linear(torch.eye(2).double()), GaussianNoise(noise=3.0), normal(2) + 5.0
    )
    draws = Chains(seeing, kernel, Plan(burn_in=100, steps=600, thin=1), seed=0).reference()
    exact = GaussianPosterior.of(seeing)
    assert draws.shape == (4800, 2)
    assert torch.allclose(draws.double().mean(0), exact.mean, atol=0.1)


def test_tails_must_be_sampled_too():
    found = Convergence({"x": 1.0}, {"x": 2000.0}, {"x": 400.0})
    with pytest.raises(NotConvergedError, match=r"\(tail\) of x is 400, .* about 2\.5 times"):
        found.check()
    assert found.least_effective == 400


def test_plans_that_keep_too_little_are_refused():
    with pytest.raises(ValueError, match=r"keep 2 draws of a chain; .* raise steps or lower thin"):
        Plan(steps=200, thin=100)
    prior = IndependentNormals((2,))
    longer = Chains(flat(prior), KERNELS["pcn"], Plan(steps=500, thin=50), seed=0)
    state = Chains(flat(prior), KERNELS["pcn"], Plan(steps=400, thin=50), seed=0).run(until=1)
    longer.state = state
    with pytest.raises(ValueError, match=r"draws \(8, 8, 2\) and the plan asks for \(10, 8, 2\)"):
        longer.run()
    with pytest.raises(ValueError, match=r"start has shape \(8, 3\); expected \(8, 2\)"):
        Chains(flat(prior), KERNELS["pcn"], Plan(), seed=0, start=torch.zeros(8, 3)).run(until=1)


def test_trajectories_are_a_quarter_of_a_turn_at_most():
    """After which draws of the prior are independent of where they began, whatever the leapfrogs.

    Half a turn would mirror them, so that what is even, such as Φ, never changes.
    """
    prior = IndependentNormals((400,))
    for leapfrogs in (1, 2, 5, 30):
        kernel = HamiltonianMonteCarlo(leapfrogs=leapfrogs)
        steps = torch.full((1,), kernel.largest, dtype=torch.float64)
        now = kernel.start(flat(prior), normal(1, 400))
        noise, uniform = normal(1, 400, seed=1), torch.tensor([[0.5, 0.5]]).double()
        moved, accepted = kernel.advance(flat(prior), now, steps, noise, uniform)
        assert float(accepted) == 1
        if leapfrogs > 1:  # one alone goes no farther than an eighth
            assert torch.allclose(moved.deviation, noise, atol=1e-12)
    whole = HamiltonianMonteCarlo(leapfrogs=12, turn=1.0)
    step = torch.full((1,), whole.largest, dtype=torch.float64)
    again, _ = whole.advance(flat(prior), now, step, noise, uniform)
    assert torch.allclose(again.deviation, now.deviation, atol=1e-12)
