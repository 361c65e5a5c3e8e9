"""References as parts: draws of the posterior, resumed bit for bit, judged by themselves."""

import math

import numpy as np
import pytest
import torch

from fsdiff.blocks.types import block_type
from fsdiff.inverse.forward.base import Differentiable, Linear
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.exact import Exact
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kernels import HamiltonianMonteCarlo
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.markov import STRIDE, MarkovChains, _evenly
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.measures.priors import Matern
from fsdiff.parts import build
from fsdiff.spaces.bases import CosineBasis

SHORT = {"chains": 4, "burn_in": 64, "steps": 192, "thin": 4, "r_hat": 1.2, "effective": 10.0}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def linear(noise=0.5):
    prior = GaussianField(CosineBasis(1), Matern(length=0.3, normalize=False), 8, mean=0.5)
    map = Linear(normal(3, *prior.shape, seed=2))
    return Posterior(prior, map, GaussianNoise(noise=noise), normal(3, seed=3))


def cubic():
    prior = IndependentNormals((1,), mean=1.0)
    map = Differentiable(lambda u: u**3, 1, rank=1)
    return Posterior(prior, map, GaussianNoise(noise=1.0), torch.zeros(1).double())


def test_exact_draws_have_the_moments_of_the_posterior():
    posterior = linear()
    law, drawn = GaussianPosterior.of(posterior), Exact().draw(posterior, 600, seed=1)
    assert drawn.converged
    assert drawn.effective_size == 600
    z = (drawn.fields.double().mean(0) - law.mean) / (law.variance / 600).sqrt()
    assert z.abs().max() < 4.5
    ratio = (drawn.fields.double() - law.mean).square().mean(0) / law.variance
    assert ((ratio - 1) / (2 / 600) ** 0.5).abs().max() < 4.5


def test_exact_refuses_maps_that_are_not_linear():
    with pytest.raises(ValueError, match=r"'exact' knows .* map is not linear: use 'chains'"):
        Exact().draw(cubic(), 10, seed=0)


def test_chains_draw_the_posterior():
    """Hamiltonian chains of a linear map: mean within 4.5 standard errors of the closed form."""
    posterior = linear()
    method = MarkovChains(**SHORT | {"steps": 400}, kernel=HamiltonianMonteCarlo(leapfrogs=4))
    drawn = method.draw(posterior, 400, seed=1)
    law = GaussianPosterior.of(posterior)
    assert drawn.converged
    assert drawn.fields.dtype == torch.float32
    z = (drawn.fields.double().mean(0) - law.mean) / (law.variance / 120).sqrt()
    assert z.abs().max() < 4.5


def test_recentred_chains_take_the_longest_steps_where_the_map_is_linear():
    plan = SHORT | {"recentred": True, "effective": 1e9}
    drawn = MarkovChains(**plan).draw(linear(0.001), 40, seed=0)
    assert drawn.acceptance == pytest.approx(1.0, abs=1e-6)
    z = (drawn.fields.double().mean(0) - GaussianPosterior.of(linear(0.001)).mean).abs()
    assert float(z.max()) < 1.0
    posterior, likelihood = linear(), MeanAbsoluteError(tolerance=0.3, scale=0.1)
    absolute = Posterior(posterior.prior, posterior.map, likelihood, posterior.data)
    with pytest.raises(ValueError, match=r"recentred: likelihood 'abc_mae' .*use recentred: false"):
        MarkovChains(**plan).draw(absolute, 40, seed=0)


def test_chains_that_are_stopped_go_on_bit_for_bit(tmp_path, monkeypatch):
    """Stopped in burn-in and after it; what is finished is not done again."""
    monkeypatch.setattr("fsdiff.jobs.interruption.LOOK_EVERY", 0.0)
    method, state = MarkovChains(**SHORT), tmp_path / "chains.safetensors"
    whole = method.draw(cubic(), 50, seed=3)
    for stop in (STRIDE, 5 * STRIDE):
        made = []
        unwanted = watched(lambda made=made, stop=stop: "enough" if sum(made) >= stop else None)
        with unwanted, pytest.raises(Interrupted):
            method.draw(cubic(), 50, seed=3, state=state, progress=made.append)
        assert sum(made) == stop
    steps = []
    drawn = method.draw(cubic(), 50, seed=3, state=state, progress=steps.append)
    assert steps[0] == 5 * STRIDE
    assert sum(steps) == method.length(50) == 256
    assert torch.equal(drawn.fields, whole.fields)
    assert drawn.r_hat == whole.r_hat
    finished = []
    again = method.draw(cubic(), 50, seed=3, state=state, progress=finished.append)
    assert finished == [256]
    assert torch.equal(again.fields, whole.fields)


@pytest.mark.parametrize("damage", ["another", "broken"])
def test_states_that_do_not_fit_are_discarded(damage, tmp_path, caplog):
    method, state = MarkovChains(**SHORT), tmp_path / "chains.safetensors"
    if damage == "another":
        MarkovChains(**SHORT | {"steps": 64}).draw(cubic(), 5, seed=3, state=state)
    else:
        state.write_bytes(b"nonsense")
    drawn = method.draw(cubic(), 50, seed=3, state=state)
    assert "discarded and made again" in caplog.text
    assert torch.equal(drawn.fields, method.draw(cubic(), 50, seed=3).fields)


def test_chains_that_have_not_converged_say_so_and_are_given():
    drawn = MarkovChains(**SHORT | {"effective": 1e6}).draw(cubic(), 20, seed=0)
    assert len(drawn.fields) == 20
    assert not drawn.converged
    assert drawn.remark.startswith("effective sample size (bulk) of")
    assert drawn.remark.endswith("times as many steps")
    assert 0 < drawn.effective_size < 1e6
    assert math.isfinite(drawn.r_hat)


@pytest.mark.parametrize("count", [1, 5, 8, 17, 32])
def test_draws_are_taken_evenly_from_all_chains(count):
    """Every one once; each chain gives its share, in equal parts of its length."""
    draws, chains = 8, 4
    fields = torch.arange(draws * chains).view(draws, chains, 1)
    chosen = _evenly(fields, count).flatten().tolist()
    assert len(set(chosen)) == count
    own = [[i // chains for i in chosen if i % chains == c] for c in range(chains)]
    assert max(map(len, own)) - min(map(len, own)) <= 1
    for places in own:
        assert places == sorted(places)
        parts = [place * len(places) // draws for place in places]
        assert parts == list(range(len(places)))
    assert [i % chains for i in chosen] == [number % chains for number in range(count)]


def test_plans_that_keep_too_little_are_refused():
    with pytest.raises(ValueError, match=r"steps = 100 and thin = 50 keep 2 draws of a chain"):
        MarkovChains(steps=100, thin=50)
    with pytest.raises(ValueError, match=r"draws = 1000, and 4 chains of 48 keep 192: lower"):
        MarkovChains(**SHORT).draw(cubic(), 1000, seed=0)


def test_blocks_build_references_with_their_parts():
    block = {
        "kind": "chains",
        "kernel": {"kind": "hmc", "leapfrogs": 3},
        "annealing": {"kind": "ensemble", "particles": 64, "modes": 8},
        "likelihood": {"kind": "abc_mae", "tolerance": 3e-4, "scale": 1e-4},
    }
    expected = MarkovChains(
        kernel=HamiltonianMonteCarlo(leapfrogs=3),
        annealing=Annealing(particles=64, modes=8),
        likelihood=MeanAbsoluteError(tolerance=3e-4, scale=1e-4),
    )
    assert build("reference", block) == expected
    assert block_type(MarkovChains)(**block).part == expected
    assert block_type(MarkovChains)(kind="chains").part == MarkovChains()
